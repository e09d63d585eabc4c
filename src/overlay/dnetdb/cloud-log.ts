/**
 * The log of a cloud that this machine is: all that it has accepted, in its order, as one tree, and the blocks that it signs over it. With
 * them it shows that something is in the log, and that a later log has all of an earlier one.
 */
import { sameBytes } from "../../base/bytes.ts";
import { DnetError } from "../../base/error.ts";
import type { KeyPair } from "../../crypto/ed25519.ts";
import { formatId } from "./ids.ts";
import { completedBy, consistencyPath, inclusionPath, leafHash, type Subtrees, treeRoot } from "./merkle.ts";
import { Kind, type Row } from "./places.ts";
import { MOST_AHEAD_MS } from "./rules.ts";
import type { Sql } from "./sql.ts";
import { decodeTransaction, type Transaction } from "./transaction.ts";
import { type Block, decodeBlock, NO_BLOCK, type Statement, signBlock } from "./witness.ts";
import type { Witnesses } from "./witnesses.ts";

export class CloudLog {
  readonly #sql: Sql;
  readonly #witnesses: Witnesses;

  constructor(sql: Sql, witnesses: Witnesses) {
    this.#sql = sql;
    this.#witnesses = witnesses;
  }

  /**
   * Adds what was accepted since the last block, and signs the next; null when there is nothing. Not a join whose invitation was over, and
   * of two that spend the same only the one that was there first. Null also for a cloud that has no word any more, or none by that key.
   * Throws DnetError when its last block is not of this log: signing another would take its word away.
   */
  seal(now: number, ovx: Uint8Array, keyPair: KeyPair): Block | null {
    if (!this.#witnesses.hears(ovx, keyPair.publicKey)) return null;
    const from = this.#sql.get<{ sequence: number }>("SELECT sequence FROM sealed WHERE ovx = ?", ovx)?.sequence ?? 0;
    const sql = "SELECT * FROM transactions WHERE sequence > ? AND stands = 1 AND kind < 3 ORDER BY sequence";
    const rows = this.#sql.all<Row & { sequence: number }>(sql, from);
    if (rows.length === 0) return null;
    this.#sql.run("INSERT OR REPLACE INTO sealed VALUES (?, ?)", ovx, rows.at(-1)!.sequence);
    const before = this.size(ovx);
    let size = before;
    // The newest of a record speaks for all before it; a join speaks for itself.
    const newest = new Map<string, Row>();
    for (const row of rows) {
      if (!this.#mayAdd(now, ovx, row)) continue;
      this.#append(ovx, size++, row.id);
      newest.set((row.kind === Kind.join ? row.id : row.record).toHex(), row);
    }
    if (size === before) return null;
    const block = this.#sign(now, ovx, size, keyPair);
    this.#witnesses.say([...newest.values()].map((row) => this.prove(ovx, row.id, block)!));
    return block;
  }

  /** How many transactions it has here; 0 for a cloud that is elsewhere. */
  size(ovx: Uint8Array): number {
    return this.#sql.get<{ size: number }>("SELECT COUNT(*) AS size FROM log WHERE ovx = ?", ovx)!.size;
  }

  lastBlock(ovx: Uint8Array): Block | null {
    const sql = "SELECT bytes FROM headers WHERE ovx = ? ORDER BY height DESC LIMIT 1";
    const row = this.#sql.get<{ bytes: Uint8Array }>(sql, ovx);
    return row && decodeBlock(row.bytes);
  }

  /** That the tree of that block has the transaction; null when it does not. */
  prove(ovx: Uint8Array, transaction: Uint8Array, block = this.lastBlock(ovx)): Statement | null {
    const sql = "SELECT position FROM log WHERE ovx = ? AND transaction_id = ?";
    const row = this.#sql.get<{ position: number }>(sql, ovx, transaction);
    if (!row || !block || row.position >= block.size) return null;
    const path = inclusionPath(row.position, block.size, this.#subtrees(ovx));
    return { block, transaction, position: row.position, path };
  }

  /** That the tree of `size` begins with the one of `from`; null when it has not come so far. */
  proveConsistency(ovx: Uint8Array, from: number, size: number): Uint8Array[] | null {
    return from <= size && size <= this.size(ovx) ? consistencyPath(from, size, this.#subtrees(ovx)) : null;
  }

  #sign(now: number, ovx: Uint8Array, size: number, keyPair: KeyPair): Block {
    const last = this.lastBlock(ovx);
    if (last && !this.#hasMade(last)) throw elsewhere(last);
    const root = treeRoot(size, this.#subtrees(ovx));
    const [height, previous] = last ? [last.height + 1, last.id] : [0, NO_BLOCK];
    const time = Math.max(now, last?.time ?? 0);
    return signBlock({ ovx, height, previous, size, root, time, key: keyPair.publicKey }, keyPair);
  }

  #hasMade({ ovx, size, root }: Block): boolean {
    return size <= this.size(ovx) && sameBytes(treeRoot(size, this.#subtrees(ovx)), root);
  }

  #append(ovx: Uint8Array, position: number, id: Uint8Array): void {
    this.#sql.run("INSERT INTO log VALUES (?, ?, ?)", ovx, position, id);
    for (const { level, position: at, hash } of completedBy(position, leafHash(id), this.#subtrees(ovx))) {
      this.#sql.run("INSERT INTO log_nodes VALUES (?, ?, ?, ?)", ovx, level, at, hash);
    }
  }

  #subtrees(ovx: Uint8Array): Subtrees {
    const sql = "SELECT hash FROM log_nodes WHERE ovx = ? AND level = ? AND position = ?";
    return (level, position) => this.#sql.get<{ hash: Uint8Array }>(sql, ovx, level, position)!.hash;
  }

  #mayAdd(now: number, ovx: Uint8Array, { id, record, height, kind, parent, bytes }: Row): boolean {
    const has = "SELECT 1 FROM log WHERE transaction_id = ? AND ovx = ?";
    // A step that has lost speaks against all that stands from its height on, a join only against another by its invitation.
    const lost = `SELECT 1 FROM transactions JOIN log ON transaction_id = id WHERE record = ? AND stands <> 1 AND ovx = ?
      AND ((kind = ${Kind.step} AND height <= ?) OR (kind = ${Kind.join} AND kind = ? AND parent = ?))`;
    if (this.#sql.has(has, id, ovx) || this.#sql.has(lost, record, ovx, height, kind, parent)) return false;
    return kind !== Kind.join || now <= this.#endOf(bytes) + MOST_AHEAD_MS;
  }

  /** Of the invitation that a join spends; Infinity for one that has none. */
  #endOf(join: Uint8Array): number {
    const { input } = decodeTransaction(join) as Transaction;
    const row = this.#sql.get<Row>("SELECT * FROM transactions WHERE id = ?", input!.transaction)!;
    const { script } = (decodeTransaction(row.bytes) as Transaction).outputs[0]!;
    return script.op === "OP_DNET_INVITE" && script.expiresAt !== null ? script.expiresAt : Infinity;
  }
}

function elsewhere({ ovx, height }: Block): DnetError {
  const message = `block ${height} of the cloud ${formatId(ovx)} was not made from the log that is here`;
  return new DnetError("CLOUD_ELSEWHERE", message, {
    hint: "run each cloud on one machine, and not from an old copy of its store; to go on here, make a new cloud: dnet ovx create",
  });
}
