/**
 * What clouds have said of the transactions here. Of each cloud the newest statement about a
 * record's chain is kept, as it covers all before it, and one about each join and each end of a branch that lost. A cloud that has signed two
 * blocks that cannot both be has no word any more: they are kept, and nothing else of what it said.
 */
import { compareBytes, sameBytes } from "../../base/bytes.ts";
import { sha256 } from "../../crypto/sha256.ts";
import { Kind, type Row, Standing } from "./places.ts";
import { MOST_AHEAD_MS } from "./rules.ts";
import type { Sql } from "./sql.ts";
import type { State } from "./state.ts";
import type { StateChanges } from "./state-changes.ts";
import {
  type Block,
  type CloudFork,
  canBoth,
  decodeBlock,
  decodeFork,
  decodeStatement,
  encodeBlock,
  encodeFork,
  encodeStatement,
  keyOfStatement,
  type Statement,
} from "./witness.ts";

/**
 * Of each other cloud: enough to see one that says two things. Full: that goes which is farthest from the one that came now, so that a
 * block of some enormous height has the others forgotten no sooner than any.
 */
const MAX_HEADERS = 256;

/** Each with what it means; the words are stable. */
export const STATEMENT_REFUSALS = {
  MALFORMED: "no statement, or its block does not bear it out, or its key has not signed it",
  UNKNOWN_CLOUD: "the cloud's record is not here, or never named that key; it may come yet",
  UNKNOWN_TRANSACTION: "it is about a transaction that is not here; it may come yet",
  NOT_A_WITNESS: "no step that is here attaches that cloud to the dnet; it may come yet",
  FORKED_CLOUD: "that cloud has signed two blocks that cannot both be, and has no word any more",
  ABSURD_TIME: "its time is far ahead of ours",
} as const;

export type StatementVerdict =
  | { readonly status: "accepted"; readonly record: Uint8Array }
  | { readonly status: "known" }
  | { readonly status: "refused"; readonly why: keyof typeof STATEMENT_REFUSALS };

export interface WitnessParts {
  readonly sql: Sql;
  readonly state: State;
  readonly changes: StateChanges;
  /** Gives the store's log one place more. */
  readonly next: () => number;
  /** Is told of a record in which another may come to stand. */
  readonly settle: (record: Uint8Array) => void;
}

export class Witnesses {
  readonly #sql: Sql;
  readonly #state: State;
  readonly #changes: StateChanges;
  readonly #next: () => number;
  readonly #settle: (record: Uint8Array) => void;

  constructor({ sql, state, changes, next, settle }: WitnessParts) {
    this.#sql = sql;
    this.#state = state;
    this.#changes = changes;
    this.#next = next;
    this.#settle = settle;
  }

  accept(now: number, bytes: Uint8Array): StatementVerdict {
    const fork = decodeFork(bytes);
    if (fork) return this.#acceptFork(fork);
    const statement = decodeStatement(bytes);
    if (!statement) return { status: "refused", why: "MALFORMED" };
    const { block, transaction } = statement;
    if (!this.#state.isKeyOf(block.ovx, block.key)) return { status: "refused", why: "UNKNOWN_CLOUD" };
    if (block.time > now + MOST_AHEAD_MS) return { status: "refused", why: "ABSURD_TIME" };
    const about = this.#place(transaction);
    if (!about) return { status: "refused", why: "UNKNOWN_TRANSACTION" };
    if (!this.isWitness(block.ovx, about.record)) return { status: "refused", why: "NOT_A_WITNESS" };
    if (this.fork(block.ovx)) return { status: "refused", why: "FORKED_CLOUD" };
    // What it says is not believed any more; that it said it is news.
    if (!this.#noteBlock(block)) return { status: "accepted", record: block.ovx };
    if (!this.#keep(statement, about, bytes)) return { status: "known" };
    this.#settle(about.record);
    return { status: "accepted", record: about.record };
  }

  /** Whether that cloud has a word by that key. */
  hears(ovx: Uint8Array, key: Uint8Array): boolean {
    return this.#state.isKeyOf(ovx, key) && this.fork(ovx) === null;
  }

  /** Its proof, of a cloud that said two things; null of one that did not. */
  fork(ovx: Uint8Array): CloudFork | null {
    const row = this.#sql.get<{ bytes: Uint8Array }>("SELECT bytes FROM forked_clouds WHERE ovx = ?", ovx);
    return row && decodeFork(row.bytes);
  }

  /** What is kept of what was said about a record, from that place of the log on; `limit`: so many at most, all when negative. */
  statements(
    record: Uint8Array,
    since: number,
    limit = -1,
  ): { readonly bytes: Uint8Array; readonly sequence: number }[] {
    const sql = `SELECT bytes, sequence FROM statements WHERE record = ? AND sequence > ?
      UNION ALL SELECT bytes, sequence FROM forked_clouds WHERE ovx = ? AND sequence > ? ORDER BY sequence LIMIT ?`;
    return this.#sql.all(sql, record, since, record, since, limit);
  }

  /** The clouds, attached now, that have accepted a transaction which stands. Of a cloud's own record: itself. */
  of(transaction: Uint8Array): Uint8Array[] {
    const about = this.#place(transaction);
    if (!about || about.stands !== Standing.stands) return [];
    const { record, height, kind } = about;
    return this.cloudsAt(record).filter((cloud) =>
      kind === Kind.join ? this.has(cloud, transaction) : this.supports(cloud, record, height),
    );
  }

  /**
   * Whose word counts: those that were attached when the record had come to that height; left out, those that are now. Before it began nobody's:
   * of two creations each may name a cloud, or be one.
   */
  cloudsAt(record: Uint8Array, height = Infinity): Uint8Array[] {
    if (height < 0) return [];
    return this.#state.view(record)?.isDnet ? this.#state.attachedAt(record, height) : [record];
  }

  /** Whether that cloud says so of this very transaction. */
  has(cloud: Uint8Array, transaction: Uint8Array): boolean {
    return this.#sql.has("SELECT 1 FROM statements WHERE transaction_id = ? AND ovx = ?", transaction, cloud);
  }

  /** Whether it has accepted the step that stands at that height of the record, or anything that follows it, lost or not. */
  supports(cloud: Uint8Array, record: Uint8Array, height: number): boolean {
    const isSaid = (kind: "steps" | "joins") => this.#said(record, cloud, kind).some(({ upTo }) => upTo >= height);
    return isSaid("steps") || isSaid("joins");
  }

  hasAny(transaction: Uint8Array): boolean {
    return this.#sql.has("SELECT 1 FROM statements WHERE transaction_id = ?", transaction);
  }

  /** All that was said of a transaction, which goes. */
  forget({ id, record }: Row): void {
    for (const each of this.#sql.all<Kept>(`${KEPT} WHERE transaction_id = ?`, id)) this.#forget(record, each);
  }

  /** A cloud's own statements, of the block that it has just signed. */
  say(statements: readonly Statement[]): void {
    for (const statement of statements) {
      const { block, transaction } = statement;
      const about = this.#place(transaction)!;
      if (this.#noteBlock(block) && this.isWitness(block.ovx, about.record)) {
        this.#keep(statement, about, encodeStatement(statement));
      }
    }
  }

  /** Returns whether it says more than what is here. Of two about one transaction the one of the earlier block is kept. */
  #keep({ block, transaction }: Statement, about: Row, bytes: Uint8Array): boolean {
    const { ovx } = block;
    const { record, height, kind, stands } = about;
    const same = this.#sql.get<Kept>(`${KEPT} WHERE transaction_id = ? AND ovx = ?`, transaction, ovx);
    if (same && (same.block < block.height || (same.block === block.height && compareBytes(same.bytes, bytes) <= 0))) {
      return false;
    }
    const isJoin = kind === Kind.join;
    const isOfChain = !isJoin && stands === Standing.stands;
    if (isOfChain && this.#isCovered(this.#said(record, ovx), height)) return false;
    if (same) this.#forget(record, same);
    const sequence = this.#next();
    const insert = "INSERT INTO statements VALUES (?, ?, ?, ?, ?, ?, ?)";
    this.#sql.run(insert, transaction, ovx, record, isJoin ? 1 : 0, block.height, sequence, bytes);
    this.#changes.note(record, sha256(bytes), sequence);
    this.#changes.grow(record, bytes.length);
    if (!isJoin) this.#dropCovered(record, ovx);
    return true;
  }

  /** Drops what others cover, now that other steps stand. */
  prune(record: Uint8Array): void {
    const clouds = this.#sql.all<Kept>("SELECT DISTINCT ovx FROM statements WHERE record = ? AND is_join = 0", record);
    for (const { ovx } of clouds) this.#dropCovered(record, ovx);
  }

  /** Of a record from which steps have gone: what was said in it, or by it, and would not be taken any more. A proof by such a key is none. */
  dropUnknown(record: Uint8Array): void {
    const isOurs = (key: Uint8Array) => this.#state.isKeyOf(record, key);
    const fork = this.fork(record);
    if (fork && ![fork.one, fork.other].every(({ key }) => isOurs(key))) {
      this.#sql.run("DELETE FROM forked_clouds WHERE ovx = ?", record);
      this.#changes.note(record, forkMark(record), this.#next());
    }
    const headers = this.#sql.all<{ height: number; bytes: Uint8Array }>(
      "SELECT height, bytes FROM headers WHERE ovx = ?",
      record,
    );
    for (const { height, bytes } of headers) {
      if (!isOurs(keyOfStatement(bytes)))
        this.#sql.run("DELETE FROM headers WHERE ovx = ? AND height = ?", record, height);
    }
    const said = this.#sql.all<Kept & { record: Uint8Array }>(`${KEPT_OF} WHERE record = ? OR ovx = ?`, record, record);
    const isKnown = (each: (typeof said)[number]) =>
      this.isWitness(each.ovx, each.record) && this.#state.isKeyOf(each.ovx, keyOfStatement(each.bytes));
    this.#forgetAll(said.filter((each) => !isKnown(each)));
  }

  #dropCovered(record: Uint8Array, cloud: Uint8Array): void {
    const said = this.#said(record, cloud);
    for (const { id, stands, upTo } of said) {
      if (stands !== Standing.stands || !this.#isCovered(said, upTo)) continue;
      this.#forget(record, this.#sql.get<Kept>(`${KEPT} WHERE transaction_id = ? AND ovx = ?`, id, cloud)!);
    }
  }

  /** Whether more of the chain was said than up to that height. What has lost covers the step that it follows. */
  #isCovered(said: readonly Said[], height: number): boolean {
    return said.some(({ stands, upTo }) => (stands === Standing.stands ? upTo > height : upTo >= height));
  }

  /** What that cloud has said, each with the height up to which it covers the chain. Of steps that is little, of joins as many as there are. */
  #said(record: Uint8Array, cloud: Uint8Array, kind: "steps" | "joins" = "steps"): Said[] {
    const sql = `SELECT id, height, stands FROM statements JOIN transactions ON id = transaction_id
      WHERE statements.record = ? AND is_join = ? AND ovx = ?`;
    const rows = this.#sql.all<Row>(sql, record, kind === "joins" ? 1 : 0, cloud);
    const hasLost = rows.some(({ stands }) => stands !== Standing.stands);
    const roots = hasLost ? this.#roots(record) : null;
    return rows.map(({ id, height, stands }) => ({ id, stands, upTo: roots?.get(id.toHex()) ?? height }));
  }

  /** Of all that does not stand, by ids in hex: the height of the last step that stands before it. */
  #roots(record: Uint8Array): Map<string, number> {
    const sql =
      "SELECT id, height, kind, parent FROM transactions WHERE record = ? AND stands <> 1 ORDER BY height, kind";
    const roots = new Map<string, number>();
    for (const { id, height, kind, parent } of this.#sql.all<Row>(sql, record)) {
      roots.set(id.toHex(), roots.get(parent!.toHex()) ?? (kind === Kind.join ? height : height - 1));
    }
    return roots;
  }

  #forget(record: Uint8Array, { about, ovx, bytes }: Kept): void {
    this.#sql.run("DELETE FROM statements WHERE transaction_id = ? AND ovx = ?", about, ovx);
    this.#changes.note(record, sha256(bytes), this.#next());
    this.#changes.grow(record, -bytes.length);
  }

  // Blocks

  /** Keeps a block's header; its key is the cloud's. False of a cloud that said two things, now or before. */
  #noteBlock(block: Block): boolean {
    const { ovx, height } = block;
    if (this.fork(ovx)) return false;
    const blocks = NEIGHBOURS.flatMap((sql) => this.#sql.all<{ bytes: Uint8Array }>(sql, ovx, height)).map(
      ({ bytes }) => decodeBlock(bytes)!,
    );
    const rival = blocks.find((each) => !canBoth(each, block));
    if (rival) {
      this.#noteFork({ one: rival, other: block });
      return false;
    }
    this.#sql.run("INSERT OR IGNORE INTO headers VALUES (?, ?, ?, ?)", ovx, height, block.size, encodeBlock(block));
    const tooFar = `DELETE FROM headers WHERE ovx = ?1 AND height IN (SELECT height FROM headers WHERE ovx = ?1
      AND NOT EXISTS (SELECT 1 FROM sealed WHERE ovx = ?1) ORDER BY ABS(height - ?2) LIMIT -1 OFFSET ?3)`;
    this.#sql.run(tooFar, ovx, height, MAX_HEADERS);
    return true;
  }

  #acceptFork(fork: CloudFork): StatementVerdict {
    const { ovx } = fork.one;
    const isOfOne = [fork.one, fork.other].every(({ key }) => this.#state.isKeyOf(ovx, key));
    if (!isOfOne) return { status: "refused", why: "UNKNOWN_CLOUD" };
    if (this.fork(ovx)) return { status: "known" };
    this.#noteFork(fork);
    return { status: "accepted", record: ovx };
  }

  #noteFork(fork: CloudFork): void {
    const { ovx } = fork.one;
    const sequence = this.#next();
    this.#sql.run("INSERT INTO forked_clouds VALUES (?, ?, ?)", ovx, sequence, encodeFork(fork));
    this.#changes.note(ovx, forkMark(ovx), sequence);
    const said = this.#sql.all<Kept & { record: Uint8Array }>(`${KEPT_OF} WHERE ovx = ?`, ovx);
    this.#forgetAll(said);
  }

  #forgetAll(said: readonly (Kept & { record: Uint8Array })[]): void {
    for (const each of said) this.#forget(each.record, each);
    for (const record of new Map(said.map((each) => [each.record.toHex(), each.record])).values()) this.#settle(record);
  }

  /** Whether its word about that record may count somewhere. */
  isWitness(ovx: Uint8Array, record: Uint8Array): boolean {
    return sameBytes(ovx, record) || this.#state.wasAttached(record, ovx);
  }

  #place(transaction: Uint8Array): Row | null {
    const sql = "SELECT * FROM transactions WHERE id = ? AND record IS NOT NULL";
    return this.#sql.get<Row>(sql, transaction);
  }
}

const FORK_DOMAIN = new TextEncoder().encode("dnetdb fork 1\0");
const KEPT = "SELECT transaction_id AS about, ovx, statements.bytes, block FROM statements";
const KEPT_OF = "SELECT record, transaction_id AS about, ovx, bytes, block FROM statements";
/** Of a block: the one of its height, the nearest below and above. */
const NEIGHBOURS = [
  "SELECT bytes FROM headers WHERE ovx = ? AND height = ?",
  "SELECT bytes FROM headers WHERE ovx = ? AND height < ? ORDER BY height DESC LIMIT 1",
  "SELECT bytes FROM headers WHERE ovx = ? AND height > ? ORDER BY height LIMIT 1",
];

interface Said {
  readonly id: Uint8Array;
  readonly stands: number;
  readonly upTo: number;
}

interface Kept {
  readonly about: Uint8Array;
  readonly ovx: Uint8Array;
  readonly bytes: Uint8Array;
  readonly block: number;
}

/** What the digest of a cloud's record has once it has no word: whichever two blocks prove it. */
function forkMark(ovx: Uint8Array): Uint8Array {
  return sha256(FORK_DOMAIN, ovx);
}
