/** What steps change: what holds from now on when one stands, and again when it is taken back. */
import { formatPrefix, type Prefix } from "../../base/ip.ts";
import { decodeBody, decodeCreate } from "./contents.ts";
import { lockBytes } from "./lock.ts";
import { operandBytes } from "./operands.ts";
import { isCreation, isOfDnet, recordOf } from "./rules.ts";
import { OPS, type OpName, type Script } from "./script.ts";
import type { Sql } from "./sql.ts";
import type { State } from "./state.ts";
import type { Transaction } from "./transaction.ts";

const DIGEST_BYTES = 16;
/** What says what is so now until another of its op does. */
const REPLACED: ReadonlySet<OpName> = new Set(["OP_DNET_POLICY", "OP_OVX_UPDATE"]);
/** What holds for a time, by the column that names the record. */
const TABLES = { slots: "dnet", attachments: "dnet", authorisations: "ovx", settings: "record" } as const;

export class StateChanges {
  readonly #sql: Sql;
  readonly #state: State;

  constructor(sql: Sql, state: State) {
    this.#sql = sql;
    this.#state = state;
  }

  /** A step is here, whether it stands or not: what it says of clouds is what their word is known by, wherever that is heard first. */
  hear({ id, outputs }: Transaction): void {
    const { script } = outputs[0]!;
    if (script.op === "OP_DNET_OVX") {
      this.#sql.run("INSERT INTO ever_attached VALUES (?, ?, ?)", script.dnet, script.ovx, id);
    } else if (script.op === "OP_OVX_CREATE" || script.op === "OP_OVX_UPDATE") {
      this.#sql.run("INSERT INTO ovx_keys VALUES (?, ?, ?)", script.ovx, script.key, id);
    }
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
    sql.run(set, record, head.id, height, lockBytes(head.outputs[0]!.script.lock), this.#state.epochAt(record, height));
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
        return void sql.run(insert, dnet, operandBytes("slot", slot), height, operandBytes("member", member), id);
      }
      case "OP_DNET_INVITE": {
        const insert = "INSERT INTO slots VALUES (?, ?, ?, NULL, NULL, ?, ?)";
        return void sql.run(insert, script.dnet, operandBytes("slot", script.slot), height, id, id);
      }
      case "OP_DNET_JOIN": {
        // Also where the owner has taken the address back, before or after: in the record's order that comes later.
        const set = "UPDATE slots SET member = ?, set_by = ? WHERE dnet = ? AND slot = ? AND invitation = ?";
        return void sql.run(
          set,
          operandBytes("member", script.member),
          id,
          script.dnet,
          operandBytes("slot", script.slot),
          parent,
        );
      }
      case "OP_DNET_NODE_REMOVE": {
        const set = "UPDATE slots SET until = ? WHERE dnet = ? AND slot = ? AND until IS NULL";
        return void sql.run(set, height, script.dnet, operandBytes("slot", script.slot));
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

/** Of a public creation's body; null where it is none, or has none. */
function rangeOf(body: Uint8Array): Prefix | null {
  const content = decodeCreate(decodeBody(body)?.members ?? new Uint8Array(0));
  return content?.range4 ?? null;
}
