/**
 * What a replica keeps, in SQLite: every transaction that it accepted, and the answers to what the roles ask. A transaction is accepted in
 * one step of the database, or not at all; what it was accepted by is `rules.ts`, and the tables are `schema.ts`.
 */
import type { Database, Statement } from "bun:sqlite";
import { sameBytes } from "../../base/bytes.ts";
import { sha256 } from "../../crypto/sha256.ts";
import { Reader } from "../../wire/reader.ts";
import { Writer } from "../../wire/writer.ts";
import { type Lock, writeLock } from "./lock.ts";
import { type MemberReference, OPERANDS, type OperandValue, type Slot } from "./operands.ts";
import {
  type Facts,
  isOfDnet,
  isWordOf,
  judge,
  type KnownOutput,
  type RecordFacts,
  type Refusal,
  recordOf,
} from "./rules.ts";
import { migrate } from "./schema.ts";
import { decodeScript, encodeScript, type Script } from "./script.ts";
import {
  decodeTransaction,
  encodeTransaction,
  type OutputReference,
  type Transaction,
  VERSION,
} from "./transaction.ts";

/** Larger than any list of members or policy of the sizes that dnet is made for. */
export const MAX_BODY_BYTES = 1 << 20;
/** Proofs that an owner has said two things: one is enough, and a few more do no harm. Full: further ones are not kept. */
const MAX_EVIDENCE = 1_024;
const INSERT = "INSERT INTO transactions (id, bytes, record, height) VALUES (?, ?, ?, ?)";
/** Transactions of later versions: anyone can write them, for nothing. Full: further ones are refused. */
export const MAX_LATER = 1_024;

export type Verdict =
  | { readonly status: "accepted" | "known"; readonly id: Uint8Array }
  /** Of a later version: kept, and not applied. */
  | { readonly status: "kept"; readonly id: Uint8Array }
  | { readonly status: "refused"; readonly id: Uint8Array | null; readonly why: Refusal | "MALFORMED" | "WRONG_HASH" };

export interface RecordView {
  readonly id: Uint8Array;
  /** Null when it is sealed. */
  readonly name: string | null;
  readonly isDnet: boolean;
  /** The transaction that its next step spends. */
  readonly head: Uint8Array;
  /** Steps since the creation, which is 0. */
  readonly height: number;
  readonly epoch: number;
  readonly isClosed: boolean;
}

export class Store implements Facts {
  readonly #database: Database;
  readonly #statements = new Map<string, Statement>();
  readonly #apply: (transaction: Transaction, bytes: Uint8Array, body: Uint8Array | null) => void;
  /** How many of later versions are here; counted when one comes. */
  #later: number | null = null;

  /** Makes the tables where there are none. Throws DnetError for a store of a later version. */
  constructor(database: Database) {
    migrate(database);
    this.#database = database;
    this.#apply = database.transaction((transaction: Transaction, bytes: Uint8Array, body: Uint8Array | null) =>
      this.#keep(transaction, bytes, body),
    );
  }

  /** `now`: ms since 1970. `body`: what the transaction has beside the chain; null when it has none, or that is not at hand. */
  accept(now: number, bytes: Uint8Array, body: Uint8Array | null): Verdict {
    const transaction = decodeTransaction(bytes);
    if (!transaction) return { status: "refused", id: null, why: "MALFORMED" };
    const { id } = transaction;
    const isKnown = this.#get("SELECT 1 FROM transactions WHERE id = ?", id) !== null;
    if ("version" in transaction) return isKnown ? { status: "known", id } : this.#keepLater(id, bytes);
    const { bodyHash } = transaction;
    const isBody = body === null || (bodyHash !== null && this.#isBody(body, bodyHash));
    if (isKnown) {
      if (body && isBody) this.#keepBody(bodyHash!, body); // whoever told us of it first did not have it
      return { status: "known", id };
    }
    const why = isBody ? judge(transaction, this, now) : "WRONG_HASH";
    if (why === "SPENT_INPUT") this.#keepEvidence(transaction);
    if (why) return { status: "refused", id, why };
    this.#apply(transaction, bytes, body);
    return { status: "accepted", id };
  }

  view(id: Uint8Array): RecordView | null {
    const row = this.#get<RecordRow>("SELECT * FROM records WHERE id = ?", id);
    if (!row) return null;
    const { name, head, height, epoch } = row;
    return { id, name, isDnet: row.is_dnet === 1, head, height, epoch, isClosed: row.is_closed === 1 };
  }

  /** Each with its key, once it has joined. */
  members(dnet: Uint8Array): { readonly slot: Slot; readonly member: MemberReference | null }[] {
    const rows = this.#all<SlotRow>("SELECT slot, member FROM slots WHERE dnet = ? ORDER BY slot", dnet);
    return rows.map(({ slot, member }) => ({
      slot: readOperand("slot", slot),
      member: member && readOperand("member", member),
    }));
  }

  /** A member's addresses; none for who is none. */
  slotsOf(dnet: Uint8Array, member: MemberReference): Slot[] {
    const sql = "SELECT slot FROM slots WHERE dnet = ? AND member = ? ORDER BY slot";
    return this.#all<SlotRow>(sql, dnet, operand("member", member)).map(({ slot }) => readOperand("slot", slot));
  }

  /** Its bytes; null when it is not here. */
  transaction(id: Uint8Array): Uint8Array | null {
    return this.#get<{ bytes: Uint8Array }>("SELECT bytes FROM transactions WHERE id = ?", id)?.bytes ?? null;
  }

  /** In the order in which they were accepted. */
  transactionsOf(record: Uint8Array): Uint8Array[] {
    const rows = this.#all<{ bytes: Uint8Array }>(
      "SELECT bytes FROM transactions WHERE record = ? ORDER BY height, sequence",
      record,
    );
    return rows.map(({ bytes }) => bytes);
  }

  body(hash: Uint8Array): Uint8Array | null {
    return this.#get<{ bytes: Uint8Array }>("SELECT bytes FROM bodies WHERE hash = ?", hash)?.bytes ?? null;
  }

  /** Transactions that were refused because what they spend was spent by `accepted`: their signer has said two things. */
  evidence(): { readonly bytes: Uint8Array; readonly accepted: Uint8Array }[] {
    return this.#all("SELECT bytes, accepted FROM evidence");
  }

  // Facts

  output({ transaction, output }: OutputReference): KnownOutput | null {
    const row = this.#get<{ script: Uint8Array; time: number; spent_by: Uint8Array | null }>(
      "SELECT script, time, spent_by FROM outputs WHERE transaction_id = ? AND output = ?",
      transaction,
      output,
    );
    return row && { script: decodeScript(row.script)!, time: row.time, spentBy: row.spent_by };
  }

  record(id: Uint8Array): RecordFacts | null {
    const view = this.view(id);
    return view && { isPrivate: view.name === null, epoch: view.epoch };
  }

  hasSlot(dnet: Uint8Array, slot: Slot): boolean {
    return this.#get("SELECT 1 FROM slots WHERE dnet = ? AND slot = ?", dnet, operand("slot", slot)) !== null;
  }

  isAttached(dnet: Uint8Array, ovx: Uint8Array): boolean {
    return this.#get("SELECT 1 FROM attachments WHERE dnet = ? AND ovx = ?", dnet, ovx) !== null;
  }

  isAuthorised(ovx: Uint8Array, dnet: Uint8Array): boolean {
    return this.#get("SELECT 1 FROM authorisations WHERE ovx = ? AND dnet = ?", ovx, dnet) !== null;
  }

  unspentMints(lock: Lock): number {
    return this.#get<{ count: number }>("SELECT COUNT(*) AS count FROM mints WHERE lock = ?", lockBytes(lock))!.count;
  }

  #keep(transaction: Transaction, bytes: Uint8Array, body: Uint8Array | null): void {
    const { id, input, outputs, time, bodyHash } = transaction;
    const { script } = outputs[0]!;
    const record = recordOf(script);
    const before = record && this.view(record);
    // A join stands beside its invitation, whatever the owner has said since: replicas hear of it sooner or later.
    const isJoin = script.op === "OP_DNET_JOIN";
    const height = isJoin ? this.#heightOf(input!.transaction) : before ? before.height + 1 : 0;
    this.#run(INSERT, id, bytes, record, record && height);
    for (const [i, output] of outputs.entries()) {
      this.#run("INSERT INTO outputs VALUES (?, ?, ?, ?, NULL)", id, i, encodeScript(output.script), time);
    }
    if (input) {
      const { transaction: spent, output } = input;
      this.#run("UPDATE outputs SET spent_by = ? WHERE transaction_id = ? AND output = ?", id, spent, output);
      // By the whole key: a creation is locked as its mint was. Tokens that nobody spends are many.
      if (!before) this.#run("DELETE FROM mints WHERE lock = ? AND transaction_id = ?", lockBytes(script.lock), spent);
    }
    if (bodyHash && body) this.#keepBody(bodyHash, body);
    if (!record) this.#run("INSERT INTO mints VALUES (?, ?)", lockBytes(script.lock), id);
    else if (!before) this.#begin(record, script, id);
    else if (!isJoin) {
      this.#run("UPDATE records SET head = ?, height = ? WHERE id = ?", id, height, record);
    }
    this.#mean(script, transaction);
  }

  #begin(record: Uint8Array, script: Script, head: Uint8Array): void {
    const { name } = script as { readonly name: string | null };
    this.#run("INSERT INTO records VALUES (?, ?, ?, ?, 0, 0, 0)", record, name, isOfDnet(script.op) ? 1 : 0, head);
  }

  /** What the step changes of what the roles ask. */
  #mean(script: Script, { id, input }: Transaction): void {
    switch (script.op) {
      case "OP_DNET_NODE": {
        const { dnet, slot, member } = script;
        return this.#run(
          "INSERT INTO slots VALUES (?, ?, ?, NULL)",
          dnet,
          operand("slot", slot),
          operand("member", member),
        );
      }
      case "OP_DNET_INVITE":
        return this.#run("INSERT INTO slots VALUES (?, ?, NULL, ?)", script.dnet, operand("slot", script.slot), id);
      case "OP_DNET_JOIN": {
        // Where the owner has taken the address back, whoever joins late joins nothing: in the record's order the removal came after.
        const { dnet, slot, member } = script;
        const set = "UPDATE slots SET member = ? WHERE dnet = ? AND slot = ? AND invitation = ?";
        return this.#run(set, operand("member", member), dnet, operand("slot", slot), input!.transaction);
      }
      case "OP_DNET_NODE_REMOVE":
        return this.#run("DELETE FROM slots WHERE dnet = ? AND slot = ?", script.dnet, operand("slot", script.slot));
      case "OP_DNET_OVX":
        return this.#run("INSERT INTO attachments VALUES (?, ?)", script.dnet, script.ovx);
      case "OP_DNET_OVX_REMOVE":
        return this.#run("DELETE FROM attachments WHERE dnet = ? AND ovx = ?", script.dnet, script.ovx);
      case "OP_DNET_KEY":
        return this.#run("UPDATE records SET epoch = ? WHERE id = ?", script.epoch, script.dnet);
      case "OP_OVX_AUTH": {
        const { ovx, dnet, expiresAt, quotaBytes } = script;
        return this.#run("INSERT OR REPLACE INTO authorisations VALUES (?, ?, ?, ?)", ovx, dnet, expiresAt, quotaBytes);
      }
      case "OP_OVX_REVOKE":
        return this.#run("DELETE FROM authorisations WHERE ovx = ? AND dnet = ?", script.ovx, script.dnet);
      case "OP_DNET_CLOSE":
      case "OP_OVX_CLOSE":
        return this.#run("UPDATE records SET is_closed = 1 WHERE id = ?", recordOf(script));
    }
  }

  #keepEvidence(transaction: Transaction): void {
    const { count } = this.#get<{ count: number }>("SELECT COUNT(*) AS count FROM evidence")!;
    const spent = this.output(transaction.input!)!;
    // Anyone can write such a thing; only the key of what is spent can sign it.
    if (count >= MAX_EVIDENCE || !isWordOf(transaction, spent.script.lock)) return;
    const bytes = encodeTransaction(transaction);
    this.#run("INSERT OR IGNORE INTO evidence VALUES (?, ?, ?)", transaction.id, bytes, spent.spentBy);
  }

  #keepLater(id: Uint8Array, bytes: Uint8Array): Verdict {
    const sql = "SELECT COUNT(*) AS count FROM transactions WHERE substr(bytes, 1, 1) <> ?";
    this.#later ??= this.#get<{ count: number }>(sql, Uint8Array.of(VERSION))!.count;
    if (this.#later >= MAX_LATER) return { status: "refused", id, why: "TOO_MANY_LATER" };
    this.#run(INSERT, id, bytes, null, null);
    this.#later++;
    return { status: "kept", id };
  }

  #heightOf(id: Uint8Array): number {
    return this.#get<{ height: number }>("SELECT height FROM transactions WHERE id = ?", id)!.height;
  }

  #keepBody(hash: Uint8Array, body: Uint8Array): void {
    this.#run("INSERT OR IGNORE INTO bodies VALUES (?, ?)", hash, body);
  }

  #isBody(body: Uint8Array, hash: Uint8Array): boolean {
    return body.length <= MAX_BODY_BYTES && sameBytes(sha256(body), hash);
  }

  #get<Row>(sql: string, ...values: Value[]): Row | null {
    return this.#prepared(sql).get(...values) as Row | null;
  }

  #all<Row>(sql: string, ...values: Value[]): Row[] {
    return this.#prepared(sql).all(...values) as Row[];
  }

  #run(sql: string, ...values: Value[]): void {
    this.#prepared(sql).run(...values);
  }

  #prepared(sql: string): Statement {
    const known = this.#statements.get(sql);
    if (known) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

type Value = Uint8Array | string | number | null;

interface RecordRow {
  readonly name: string | null;
  readonly is_dnet: number;
  readonly head: Uint8Array;
  readonly height: number;
  readonly epoch: number;
  readonly is_closed: number;
}

interface SlotRow {
  readonly slot: Uint8Array;
  readonly member: Uint8Array | null;
}

function operand(kind: "slot" | "member", value: Slot | MemberReference): Uint8Array {
  const w = new Writer();
  OPERANDS[kind].write(w, value as never);
  return w.finish();
}

function readOperand<Kind extends "slot" | "member">(kind: Kind, bytes: Uint8Array): OperandValue<Kind> {
  return OPERANDS[kind].read(new Reader(bytes)) as OperandValue<Kind>;
}

function lockBytes(lock: Lock): Uint8Array {
  const w = new Writer();
  writeLock(w, lock);
  return w.finish();
}
