/** What follows from the steps that stand: the answers to the rules' questions, and to those of the roles. */
import { formatPrefix, type Prefix, parsePrefix } from "../../base/ip.ts";
import { Reader } from "../../wire/reader.ts";
import { Writer } from "../../wire/writer.ts";
import { decodeBody, decodeCreate } from "./contents.ts";
import { type Lock, readLock, writeLock } from "./lock.ts";
import { type MemberReference, OPERANDS, type OperandValue, type Slot } from "./operands.ts";
import { isCreation, isOfDnet, type RecordFacts, recordOf, type StepFacts } from "./rules.ts";
import { OPS, type OpName, type Script } from "./script.ts";
import type { Sql } from "./sql.ts";
import type { Transaction } from "./transaction.ts";

export interface RecordView {
  readonly id: Uint8Array;
  /** Null when it is sealed. */
  readonly name: string | null;
  readonly isDnet: boolean;
  readonly lock: Lock;
  /** The transaction that its next step spends. */
  readonly head: Uint8Array;
  /** Steps since the creation, which is 0. */
  readonly height: number;
  readonly epoch: number;
  readonly isClosed: boolean;
  /** Of a public dnet. */
  readonly range4: Prefix | null;
  /** A cloud's or relay's own. */
  readonly key: Uint8Array | null;
}

/** An address that is taken, by whom and since when. */
export interface SlotView {
  readonly slot: Slot;
  /** Null: it is reserved by an invitation. */
  readonly member: MemberReference | null;
  /** The invitation that reserved it, joined or not; null where the owner named the member. */
  readonly invitation: Uint8Array | null;
  /** The transaction that set it so, and its height. */
  readonly bytes: Uint8Array;
  readonly height: number;
}

export interface Authorisation {
  readonly dnet: Uint8Array;
  /** Ms since 1970; null for never. */
  readonly expiresAt: number | null;
  /** Null for none. */
  readonly quotaBytes: number | null;
  /** The step that says so. */
  readonly bytes: Uint8Array;
}

const AUTHORISATION =
  "SELECT dnet, expires_at AS expiresAt, quota_bytes AS quotaBytes, bytes FROM authorisations JOIN transactions ON id = set_by";
const DIGEST_BYTES = 16;
/** Higher than any record comes. */
const NOW = 2 ** 48;
const HELD = "since <= ? AND (until IS NULL OR until > ?)";
/** What says what is so now until another of its op does. */
const REPLACED: ReadonlySet<OpName> = new Set(["OP_DNET_POLICY", "OP_OVX_UPDATE"]);
/** What holds for a time, by the column that names the record. */
const TABLES = { slots: "dnet", attachments: "dnet", authorisations: "ovx", settings: "record" } as const;

export class State {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  // Answers

  view(id: Uint8Array): RecordView | null {
    const row = this.#sql.get<RecordRow>("SELECT * FROM records WHERE id = ?", id);
    return row && viewOf(row);
  }

  facts(id: Uint8Array): RecordFacts | null {
    const sql = "SELECT name, epoch, range FROM records WHERE id = ?";
    const row = this.#sql.get<{ name: string | null; epoch: number; range: string | null }>(sql, id);
    return row && { isPrivate: row.name === null, epoch: row.epoch, range4: rangeFrom(row.range) };
  }

  /** As they were when the record's steps had come to that height. */
  factsAt(height: number): StepFacts {
    return {
      record: (id) => {
        const facts = this.facts(id);
        return facts && { ...facts, epoch: this.#epochAt(id, height) };
      },
      hasSlot: (dnet, slot) => this.hasSlot(dnet, slot, height),
      isAttached: (dnet, ovx) => this.isAttached(dnet, ovx, height),
      isAuthorised: (ovx, dnet) => this.isAuthorised(ovx, dnet, height),
    };
  }

  records(kind: "dnet" | "ovx"): RecordView[] {
    const sql = "SELECT * FROM records WHERE is_dnet = ? ORDER BY name, id";
    return this.#sql.all<RecordRow>(sql, kind === "dnet" ? 1 : 0).map(viewOf);
  }

  /** How many records this lock has begun, whoever owns them now. */
  begunBy(lock: Lock): number {
    const sql = "SELECT COUNT(*) AS count FROM records WHERE begun_by = ?";
    return this.#sql.get<{ count: number }>(sql, lockBytes(lock))!.count;
  }

  /** Addresses that are taken, in the order in which they came to be. */
  slots(dnet: Uint8Array): SlotView[] {
    const sql =
      "SELECT slot, member, invitation, bytes, height FROM slots JOIN transactions ON id = set_by WHERE dnet = ? AND until IS NULL ORDER BY height, slot";
    return this.#sql.all<SlotRow>(sql, dnet).map((row) => ({
      ...row,
      slot: readOperand("slot", row.slot),
      member: row.member && readOperand("member", row.member),
    }));
  }

  /** A member's addresses; none for who is none. */
  slotsOf(dnet: Uint8Array, member: MemberReference): Slot[] {
    const sql = "SELECT slot FROM slots WHERE dnet = ? AND member = ? AND until IS NULL ORDER BY slot";
    return this.#sql.all<SlotRow>(sql, dnet, operand("member", member)).map(({ slot }) => readOperand("slot", slot));
  }

  hasSlot(dnet: Uint8Array, slot: Slot, height = NOW): boolean {
    const sql = `SELECT 1 FROM slots WHERE dnet = ? AND slot = ? AND ${HELD}`;
    return this.#sql.has(sql, dnet, operand("slot", slot), height, height);
  }

  /** Clouds and relays that are attached now, in the order of their attachment, each with the step that did it. */
  attached(dnet: Uint8Array): { readonly ovx: Uint8Array; readonly bytes: Uint8Array }[] {
    const sql =
      "SELECT ovx, bytes FROM attachments JOIN transactions ON id = set_by WHERE dnet = ? AND until IS NULL ORDER BY since";
    return this.#sql.all(sql, dnet);
  }

  /** Those that are attached now, and then those that any step here attaches, whether it stands or not. */
  everAttached(dnet: Uint8Array): Uint8Array[] {
    const sql = `SELECT DISTINCT ovx FROM ever_attached WHERE dnet = ?1 ORDER BY ovx NOT IN
      (SELECT ovx FROM attachments WHERE dnet = ?1 AND until IS NULL)`;
    return this.#sql.all<{ ovx: Uint8Array }>(sql, dnet).map(({ ovx }) => ovx);
  }

  /** Those that were when the dnet's steps had come to that height. */
  attachedAt(dnet: Uint8Array, height: number): Uint8Array[] {
    const sql = `SELECT ovx FROM attachments WHERE dnet = ? AND ${HELD}`;
    return this.#sql.all<{ ovx: Uint8Array }>(sql, dnet, height, height).map(({ ovx }) => ovx);
  }

  isAttached(dnet: Uint8Array, ovx: Uint8Array, height = NOW): boolean {
    const sql = `SELECT 1 FROM attachments WHERE dnet = ? AND ovx = ? AND ${HELD}`;
    return this.#sql.has(sql, dnet, ovx, height, height);
  }

  /** By any step here, whether it stands or not. */
  wasAttached(dnet: Uint8Array, ovx: Uint8Array): boolean {
    return this.#sql.has("SELECT 1 FROM ever_attached WHERE dnet = ? AND ovx = ?", dnet, ovx);
  }

  /** The dnets that a cloud or relay serves. */
  authorised(ovx: Uint8Array): Authorisation[] {
    return this.#sql.all<Authorisation>(`${AUTHORISATION} WHERE ovx = ? AND until IS NULL ORDER BY dnet`, ovx);
  }

  authorisation(ovx: Uint8Array, dnet: Uint8Array): Authorisation | null {
    return this.#sql.get<Authorisation>(`${AUTHORISATION} WHERE ovx = ? AND dnet = ? AND until IS NULL`, ovx, dnet);
  }

  isAuthorised(ovx: Uint8Array, dnet: Uint8Array, height = NOW): boolean {
    const sql = `SELECT 1 FROM authorisations WHERE ovx = ? AND dnet = ? AND ${HELD}`;
    return this.#sql.has(sql, ovx, dnet, height, height);
  }

  /** Steps of that op whose bodies say what is so now, oldest first: every key, otherwise the newest. */
  settings(record: Uint8Array, op: OpName): Uint8Array[] {
    const sql =
      "SELECT bytes FROM settings JOIN transactions ON id = set_by WHERE settings.record = ? AND op = ? AND until IS NULL ORDER BY since";
    return this.#sql.all<{ bytes: Uint8Array }>(sql, record, OPS[op].code).map(({ bytes }) => bytes);
  }

  /** By any step here, whether it stands or not. */
  isKeyOf(ovx: Uint8Array, key: Uint8Array): boolean {
    return this.#sql.has("SELECT 1 FROM ovx_keys WHERE ovx = ? AND key = ?", ovx, key);
  }

  // Changes

  /** A step is here, whether it stands or not: what it says of clouds is what their word is known by, wherever that is heard first. */
  hear({ id, outputs }: Transaction): void {
    const { script } = outputs[0]!;
    if (script.op === "OP_DNET_OVX") {
      this.#sql.run("INSERT INTO ever_attached VALUES (?, ?, ?)", script.dnet, script.ovx, id);
    } else if (script.op === "OP_OVX_CREATE" || script.op === "OP_OVX_UPDATE") {
      this.#sql.run("INSERT INTO ovx_keys VALUES (?, ?, ?)", script.ovx, script.key, id);
    }
  }

  /** Whether it says something of clouds. */
  isHeard(record: Uint8Array, step: Uint8Array): boolean {
    const sql =
      "SELECT 1 FROM ever_attached WHERE dnet = ?1 AND step = ?2 UNION ALL SELECT 1 FROM ovx_keys WHERE ovx = ?1 AND step = ?2";
    return this.#sql.has(sql, record, step);
  }

  /** It is no more. */
  unhear(record: Uint8Array, step: Uint8Array): void {
    this.#sql.run("DELETE FROM ever_attached WHERE dnet = ? AND step = ?", record, step);
    this.#sql.run("DELETE FROM ovx_keys WHERE ovx = ? AND step = ?", record, step);
  }

  /** `body` is the transaction's; it stands at `height` of its record from now on, which takes `bytes` more by it. */
  apply(transaction: Transaction, body: Uint8Array | null, height: number, sequence: number, bytes = 0): void {
    const { id, input, outputs } = transaction;
    const { script } = outputs[0]!;
    const record = recordOf(script);
    if (!record) return;
    if (isCreation(script.op)) this.#begin(record, script, body, id, sequence, bytes);
    else if (script.op === "OP_DNET_JOIN") {
      this.note(record, id, sequence);
      this.grow(record, bytes);
    } else {
      const sql = "UPDATE records SET head = ?, height = ?, changed = ?, bytes = bytes + ? WHERE id = ?";
      this.#sql.run(sql, id, height, sequence, bytes, record);
    }
    this.#mean(script, id, input?.transaction ?? null, height);
  }

  /** What is not of the chain, by what it is known by (at least 16 bytes): once it is here, twice it is not. */
  note(record: Uint8Array, known: Uint8Array, sequence: number): void {
    const row = this.#sql.get<{ digest: Uint8Array }>("SELECT digest FROM records WHERE id = ?", record);
    if (!row) return;
    const digest = row.digest.map((byte, i) => byte ^ known[i]!);
    this.#sql.run("UPDATE records SET digest = ?, changed = ? WHERE id = ?", digest, sequence, record);
  }

  /** What a record takes; 0 for one that is not here. */
  bytesOf(record: Uint8Array): number {
    return this.#sql.get<{ bytes: number }>("SELECT bytes FROM records WHERE id = ?", record)?.bytes ?? 0;
  }

  grow(record: Uint8Array, bytes: number): void {
    this.#sql.run("UPDATE records SET bytes = bytes + ? WHERE id = ?", bytes, record);
  }

  /**
   * As it was when its steps had come to that height, with `head`; what it has beside them stays. Below 0 it has none, but is as it was
   * until the creation that is to follow.
   */
  takeBack(record: Uint8Array, height: number, head: Transaction): void {
    const sql = this.#sql;
    for (const [table, column] of Object.entries(TABLES)) {
      sql.run(`DELETE FROM ${table} WHERE ${column} = ? AND since > ?`, record, height);
      sql.run(`UPDATE ${table} SET until = NULL WHERE ${column} = ? AND until > ?`, record, height);
    }
    const key =
      "SELECT key FROM settings JOIN ovx_keys ON ovx = record AND step = set_by WHERE record = ?1 ORDER BY since DESC LIMIT 1";
    const set = `UPDATE records SET head = ?2, height = ?3, lock = ?4, epoch = ?5, key = (${key}), is_closed = 0 WHERE id = ?1`;
    sql.run(set, record, head.id, height, lockBytes(head.outputs[0]!.script.lock), this.#epochAt(record, height));
  }

  /** Each key has an epoch of its own, one after another from 1 on. */
  #epochAt(dnet: Uint8Array, height: number): number {
    const sql = "SELECT COUNT(*) AS epoch FROM settings WHERE record = ? AND op = ? AND since <= ?";
    return this.#sql.get<{ epoch: number }>(sql, dnet, OPS.OP_DNET_KEY.code, height)!.epoch;
  }

  #begin(
    record: Uint8Array,
    script: Script,
    body: Uint8Array | null,
    head: Uint8Array,
    sequence: number,
    bytes: number,
  ): void {
    const { op, lock, name } = script as Script<"OP_DNET_CREATE" | "OP_OVX_CREATE">;
    const isDnet = isOfDnet(op);
    const range4 = isDnet && name !== null && body ? rangeOf(body) : null;
    const owner = lockBytes(lock);
    const values = [record, name, isDnet ? 1 : 0, owner, owner, head, range4 && formatPrefix(range4)] as const;
    // In place of another creation, what it has beside its chain stays.
    const sql = `INSERT INTO records (id, name, is_dnet, lock, begun_by, head, range, height, epoch, is_closed, digest, changed, bytes)
      VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, ?, ?) ON CONFLICT DO UPDATE SET name = excluded.name, is_dnet = excluded.is_dnet,
      lock = excluded.lock, begun_by = excluded.begun_by, head = excluded.head, range = excluded.range, height = 0, changed = excluded.changed`;
    this.#sql.run(sql, ...values, new Uint8Array(DIGEST_BYTES), sequence, bytes);
  }

  #mean(script: Script, id: Uint8Array, parent: Uint8Array | null, height: number): void {
    const sql = this.#sql;
    switch (script.op) {
      case "OP_DNET_NODE": {
        const { dnet, slot, member } = script;
        const insert = "INSERT INTO slots VALUES (?, ?, ?, NULL, ?, NULL, ?)";
        return void sql.run(insert, dnet, operand("slot", slot), height, operand("member", member), id);
      }
      case "OP_DNET_INVITE": {
        const insert = "INSERT INTO slots VALUES (?, ?, ?, NULL, NULL, ?, ?)";
        return void sql.run(insert, script.dnet, operand("slot", script.slot), height, id, id);
      }
      case "OP_DNET_JOIN": {
        // Also where the owner has taken the address back, before or after: in the record's order that comes later.
        const set = "UPDATE slots SET member = ?, set_by = ? WHERE dnet = ? AND slot = ? AND invitation = ?";
        return void sql.run(
          set,
          operand("member", script.member),
          id,
          script.dnet,
          operand("slot", script.slot),
          parent,
        );
      }
      case "OP_DNET_NODE_REMOVE": {
        const set = "UPDATE slots SET until = ? WHERE dnet = ? AND slot = ? AND until IS NULL";
        return void sql.run(set, height, script.dnet, operand("slot", script.slot));
      }
      case "OP_DNET_OVX":
        return void sql.run("INSERT INTO attachments VALUES (?, ?, ?, NULL, ?)", script.dnet, script.ovx, height, id);
      case "OP_DNET_OVX_REMOVE": {
        const set = "UPDATE attachments SET until = ? WHERE dnet = ? AND ovx = ? AND until IS NULL";
        return void sql.run(set, height, script.dnet, script.ovx);
      }
      case "OP_DNET_KEY":
        sql.run("UPDATE records SET epoch = ? WHERE id = ?", script.epoch, script.dnet);
        return this.#set(script.dnet, script.op, id, height);
      case "OP_DNET_TRANSFER":
        return void sql.run("UPDATE records SET lock = ? WHERE id = ?", lockBytes(script.lock), script.dnet);
      case "OP_DNET_CREATE":
      case "OP_DNET_POLICY":
        return this.#set(script.dnet, script.op, id, height);
      case "OP_OVX_CREATE":
      case "OP_OVX_UPDATE":
        sql.run("UPDATE records SET key = ? WHERE id = ?", script.key, script.ovx);
        return this.#set(script.ovx, script.op, id, height);
      case "OP_OVX_AUTH": {
        const { ovx, dnet, expiresAt, quotaBytes } = script;
        this.#revoke(ovx, dnet, height);
        const insert = "INSERT INTO authorisations VALUES (?, ?, ?, NULL, ?, ?, ?)";
        return void sql.run(insert, ovx, dnet, height, expiresAt, quotaBytes, id);
      }
      case "OP_OVX_REVOKE":
        return this.#revoke(script.ovx, script.dnet, height);
      case "OP_DNET_CLOSE":
      case "OP_OVX_CLOSE":
        return void sql.run("UPDATE records SET is_closed = 1 WHERE id = ?", recordOf(script));
    }
  }

  #revoke(ovx: Uint8Array, dnet: Uint8Array, height: number): void {
    const sql = "UPDATE authorisations SET until = ? WHERE ovx = ? AND dnet = ? AND until IS NULL";
    this.#sql.run(sql, height, ovx, dnet);
  }

  #set(record: Uint8Array, op: OpName, id: Uint8Array, height: number): void {
    const { code } = OPS[op];
    const end = "UPDATE settings SET until = ? WHERE record = ? AND op = ? AND until IS NULL";
    if (REPLACED.has(op)) this.#sql.run(end, height, record, code);
    this.#sql.run("INSERT INTO settings VALUES (?, ?, ?, NULL, ?)", record, code, height, id);
  }
}

interface RecordRow {
  readonly id: Uint8Array;
  readonly name: string | null;
  readonly is_dnet: number;
  readonly lock: Uint8Array;
  readonly head: Uint8Array;
  readonly height: number;
  readonly epoch: number;
  readonly is_closed: number;
  readonly range: string | null;
  readonly key: Uint8Array | null;
}

interface SlotRow {
  readonly slot: Uint8Array;
  readonly member: Uint8Array | null;
  readonly invitation: Uint8Array | null;
  readonly bytes: Uint8Array;
  readonly height: number;
}

function viewOf(row: RecordRow): RecordView {
  const { id, name, head, height, epoch, key } = row;
  const [isDnet, isClosed] = [row.is_dnet === 1, row.is_closed === 1];
  const lock = readLock(new Reader(row.lock))!;
  return { id, name, isDnet, lock, head, height, epoch, isClosed, range4: rangeFrom(row.range), key };
}

/** Of a public creation's body; null where it is none, or has none. */
function rangeOf(body: Uint8Array): Prefix | null {
  const content = decodeCreate(decodeBody(body)?.members ?? new Uint8Array(0));
  return content?.range4 ?? null;
}

function rangeFrom(text: string | null): Prefix | null {
  return text === null ? null : parsePrefix(text);
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
