/**
 * What a replica keeps, in SQLite: every transaction that it accepted, and what follows from them. One is accepted in one step of the
 * database, or not at all; what it is held against is `rules.ts`, what follows `state.ts`, the tables `schema.ts`.
 * What becomes of two that spend the same is `contention.ts`.
 */
import type { Database } from "bun:sqlite";
import { sameBytes } from "../../base/bytes.ts";
import type { KeyPair } from "../../crypto/ed25519.ts";
import { sha256 } from "../../crypto/sha256.ts";
import { type Ahead, NOTHING_AHEAD } from "./ahead.ts";
import { Bodies } from "./bodies.ts";
import { CloudLog } from "./cloud-log.ts";
import { Contention } from "./contention.ts";
import { MAX_BODY_BYTES } from "./contents.ts";
import type { Lock } from "./lock.ts";
import type { MemberReference, Slot } from "./operands.ts";
import { Kind, Places, type Row, Standing } from "./places.ts";
import { Rivals } from "./rivals.ts";
import { type Facts, judge, type KnownOutput, type RecordFacts, type Refusal } from "./rules.ts";
import { migrate } from "./schema.ts";
import type { OpName } from "./script.ts";
import { Sql } from "./sql.ts";
import { type Authorisation, type RecordView, type SlotView, State } from "./state.ts";
import { StateChanges } from "./state-changes.ts";
import { decodeTransaction, type OutputReference, type Transaction, type UnknownTransaction } from "./transaction.ts";
import { type Block, decodeStatement } from "./witness.ts";
import { type StatementVerdict, Witnesses } from "./witnesses.ts";

/** Transactions of later versions: anyone can write them, for nothing. Full: further ones are refused. */
export const MAX_LATER = 1_024;
export const STORE_ID_BYTES = 16;

export type Verdict =
  | { readonly status: "accepted" | "known"; readonly id: Uint8Array }
  /** Of a later version: kept, and not applied. */
  | { readonly status: "kept"; readonly id: Uint8Array }
  /** Its signer has said two things, and the other one stands: kept as evidence. */
  | { readonly status: "lost"; readonly id: Uint8Array; readonly why: "SPENT_INPUT" }
  | { readonly status: "refused"; readonly id: Uint8Array | null; readonly why: StoreRefusal };

export type StoreRefusal = Refusal | "MALFORMED" | "WRONG_HASH";

/** How far a record has come here, to be compared with another replica's. */
export interface RecordHead {
  readonly record: Uint8Array;
  readonly height: number;
  readonly head: Uint8Array;
  /** 16 bytes: of what is not of the chain; equal where the same joins, losers and statements are here. */
  readonly digest: Uint8Array;
  /** Where this store's log has its last change. */
  readonly changed: number;
}

/** A transaction as it is passed on. */
export interface KeptTransaction {
  readonly id: Uint8Array;
  readonly bytes: Uint8Array;
  readonly height: number;
  /** The hash of its body; null when it has none. */
  readonly body: Uint8Array | null;
  /** Its place in this store's log. */
  readonly sequence: number;
}

export class Store implements Facts {
  readonly state: State;
  readonly witnesses: Witnesses;
  /** Of a cloud that this machine is. */
  readonly log: CloudLog;
  readonly #sql: Sql;
  readonly #changes: StateChanges;
  readonly #bodies: Bodies;
  readonly #places: Places;
  readonly #rivals: Rivals;
  readonly #ahead: Ahead;
  readonly #contention: Contention;
  /** That was accepted: an owner's next step spends it, and is held against it without decoding it again (3 of 90 µs). */
  #newest: Transaction | null = null;

  /**
   * Makes the tables where there are none; `newId` names a store that is made now. `isBounded` is false for one that is built anew from
   * another: what clouds spoke for once may be more than is kept of what they never did. Throws DnetError for one of a later version.
   */
  constructor(
    database: Database,
    newId: Uint8Array = new Uint8Array(STORE_ID_BYTES),
    ahead: Ahead = NOTHING_AHEAD,
    isBounded = true,
  ) {
    this.#ahead = ahead;
    this.#sql = new Sql(database);
    migrate(database, this.#sql, newId);
    this.state = new State(this.#sql);
    this.#changes = new StateChanges(this.#sql, this.state);
    this.#bodies = new Bodies(this.#sql, this.#changes);
    this.#places = new Places(this.#sql);
    const parts = { sql: this.#sql, state: this.state, changes: this.#changes, places: this.#places };
    const settle = (record: Uint8Array) => this.#rivals.settle(record);
    this.witnesses = new Witnesses({ ...parts, next: () => this.#places.next(), settle });
    this.log = new CloudLog(this.#sql, this.witnesses);
    this.#rivals = new Rivals({ ...parts, witnesses: this.witnesses, bodies: this.#bodies }, isBounded);
    this.#contention = new Contention({
      ...{ ...parts, bodies: this.#bodies, witnesses: this.witnesses, rivals: this.#rivals },
      output: (reference) => this.output(reference),
    });
  }

  /** 16 bytes: other replicas know by it how far they have read this one. */
  get id(): Uint8Array {
    return this.#sql.get<{ store: Uint8Array }>("SELECT store FROM identity")!.store;
  }

  /** The newest place in this store's log: it counts every change of a record. */
  get sequence(): number {
    return this.#places.sequence;
  }

  /**
   * `now`: ms since 1970. `body`: what the transaction has beside the chain; null when it has none, or that is not at hand. `transaction`:
   * what the bytes say, for whoever has read them already.
   */
  accept(now: number, bytes: Uint8Array, body: Uint8Array | null, transaction = decodeTransaction(bytes)): Verdict {
    if (!transaction) return { status: "refused", id: null, why: "MALFORMED" };
    const isVerified = !("version" in transaction) && this.#ahead.take(transaction);
    // As a part of a step of the database that is going on its own savepoint would cost 12 µs more: SQLite keeps a copy of every page that it changes.
    const work = () => this.#accept(now, transaction, bytes, body, isVerified);
    return this.#sql.isInside ? work() : this.atomically(work);
  }

  /** In one step of the database: another process may say something else meanwhile. Whatever it throws ends the whole. */
  #accept(
    now: number,
    transaction: Transaction | UnknownTransaction,
    bytes: Uint8Array,
    body: Uint8Array | null,
    isVerified: boolean,
  ): Verdict {
    const { id } = transaction;
    const isKnown = this.#sql.has("SELECT 1 FROM transactions WHERE id = ?", id);
    if ("version" in transaction) return isKnown ? { status: "known", id } : this.#keepLater(id, bytes);
    const { bodyHash } = transaction;
    const isBody = body === null || (bodyHash !== null && isBodyOf(body, bodyHash));
    if (isKnown) {
      if (body && isBody) this.#keepLateBody(this.#places.row(id)!, bodyHash!, body);
      return { status: "known", id };
    }
    const why = isBody ? judge(transaction, body, this, now, isVerified) : "WRONG_HASH";
    if (why === "SPENT_INPUT") return this.#contention.contend(now, { transaction, bytes, body, isVerified });
    if (why === "UNKNOWN_INPUT") return this.#contention.letWait(now, { transaction, bytes, body, isVerified });
    if (why) return { status: "refused", id, why };
    const place = this.#places.placeOf(transaction);
    this.#places.insert(transaction, bytes, place, Standing.stands);
    this.#changes.hear(transaction);
    const more = bytes.length + (body ? this.#bodies.put(place.record, bodyHash!, body) : 0);
    this.#changes.apply(transaction, body, place.height, this.sequence, more);
    this.#newest = transaction;
    return { status: "accepted", id };
  }

  /** What a cloud says of a transaction that is here, or the proof that a cloud has no word. It may decide which of two stands. */
  acceptStatement(now: number, bytes: Uint8Array): StatementVerdict {
    return this.atomically(() => {
      const verdict = this.witnesses.accept(now, bytes);
      const isUnknown = verdict.status === "refused" && verdict.why === "UNKNOWN_TRANSACTION";
      const first = isUnknown ? this.#contention.letIn(now, decodeStatement(bytes)!) : null;
      if (!first) return verdict;
      const again = this.witnesses.accept(now, bytes);
      this.#rivals.trim(first);
      return again;
    });
  }

  /** A block of what was accepted since the cloud's last, signed; null when there is nothing new. */
  seal(now: number, ovx: Uint8Array, keyPair: KeyPair): Block | null {
    return this.atomically(() => this.log.seal(now, ovx, keyPair));
  }

  /** A body that says what is so now in that record, and was not here. */
  acceptBody(record: Uint8Array, body: Uint8Array): boolean {
    const hash = sha256(body);
    if (!this.#bodies.isWanted(record, hash, body)) return false;
    this.atomically(() => this.#bodies.keep(record, hash, body));
    return true;
  }

  /** In `work` these are accepted, in that order, in one step of the database or in several: their signatures may be verified ahead. */
  inBulk<Result>(transactions: readonly Uint8Array[], work: () => Result): Result {
    this.#ahead.begin(transactions);
    try {
      return work();
    } finally {
      this.#ahead.end();
    }
  }

  /** Many steps of the database as one: much faster, and all or nothing. */
  atomically<Result>(work: () => Result): Result {
    if (!this.#sql.isInside) this.#places.refresh();
    try {
      return this.#sql.atomically(work);
    } catch (error) {
      this.#places.refresh();
      throw error;
    }
  }

  /** The database is the caller's, to be closed after it. */
  close(): void {
    this.#sql.close();
  }

  // What is here

  /** Its bytes; null when it is not here. */
  transaction(id: Uint8Array): Uint8Array | null {
    return this.#sql.get<{ bytes: Uint8Array }>("SELECT bytes FROM transactions WHERE id = ?", id)?.bytes ?? null;
  }

  /** Or it waits for a cloud to speak for it. */
  isHere(id: Uint8Array): boolean {
    return this.transaction(id) !== null || this.#contention.isWaiting(id);
  }

  body(record: Uint8Array, hash: Uint8Array): Uint8Array | null {
    return this.#bodies.get(record, hash);
  }

  /** In the record's order: its mint, then each step, and right after an invitation whoever joined by it. */
  transactionsOf(record: Uint8Array): Uint8Array[] {
    return this.#places.standing(record).map(({ bytes }) => bytes);
  }

  /** Steps from a height on, lowest first; -1 is the mint. Joins are not among them. */
  stepsOf(record: Uint8Array, fromHeight: number, limit: number): KeptTransaction[] {
    const sql =
      "SELECT id, bytes, height, body, sequence FROM transactions WHERE record = ? AND height >= ? AND kind < 2 AND stands = 1 ORDER BY height LIMIT ?";
    return this.#sql.all<KeptTransaction>(sql, record, fromHeight, limit);
  }

  /** What is not of the chain, from that place of the log on: joins, and the losers of two that spend the same. */
  besideOf(record: Uint8Array, since: number, limit: number): KeptTransaction[] {
    const sql =
      "SELECT id, bytes, height, body, sequence FROM transactions WHERE record = ? AND (kind = 2 OR stands <> 1) AND sequence > ? ORDER BY sequence LIMIT ?";
    return this.#sql.all<KeptTransaction>(sql, record, since, limit);
  }

  /** Transactions that lost to another that spends the same, and what follows from them: their signer has said two things. */
  evidence(record: Uint8Array): Row[] {
    return this.#places.lost(record);
  }

  /** Of one record; null when it is not here. */
  headOf(record: Uint8Array): RecordHead | null {
    return this.#sql.get<RecordHead>(`${HEAD} WHERE id = ?`, record);
  }

  /** Records that changed after that place of the log, in the order of their last change. */
  changedSince(sequence: number, limit: number): RecordHead[] {
    return this.#sql.all<RecordHead>(`${HEAD} WHERE changed > ? ORDER BY changed LIMIT ?`, sequence, limit);
  }

  /** Hashes of bodies that say what is so now, and are not here. */
  missingBodies(record: Uint8Array, limit: number): Uint8Array[] {
    return this.#bodies.missing(record, limit);
  }

  /** Drops the bodies that say nothing of what is so now, and returns how many: the chain still verifies, its past can no more be read. */
  collectBodies(): number {
    return this.atomically(() => this.#bodies.collect());
  }

  /** What is kept of what clouds said about a record, from that place of the log on. */
  statementsOf(
    record: Uint8Array,
    since: number,
    limit?: number,
  ): { readonly bytes: Uint8Array; readonly sequence: number }[] {
    return this.witnesses.statements(record, since, limit);
  }

  /** What a record takes, its bodies included; 0 for one that is not here. */
  bytesOf(record: Uint8Array): number {
    return this.state.bytesOf(record);
  }

  /** Of all records. Counts them: keep the result. */
  usage(): { readonly records: number; readonly bytes: number } {
    return this.#sql.get("SELECT COUNT(*) AS records, IFNULL(SUM(bytes), 0) AS bytes FROM records")!;
  }

  /** How many records this lock has begun, whoever owns them now. */
  recordsBegunBy(lock: Lock): number {
    return this.state.begunBy(lock);
  }

  /** How far a log that goes by that name was read; 0 when it was not, or not for long. */
  cursorOf(name: Uint8Array): number {
    return this.#sql.get<{ sequence: number }>("SELECT sequence FROM cursors WHERE name = ?", name)?.sequence ?? 0;
  }

  keepCursor(now: number, name: Uint8Array, sequence: number): void {
    this.#sql.run("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?)", name, sequence, now);
    // Full: whoever was read longest ago is read from the start again.
    const sql = "DELETE FROM cursors WHERE name NOT IN (SELECT name FROM cursors ORDER BY used DESC LIMIT ?)";
    this.#sql.run(sql, MAX_CURSORS);
  }

  // Of its state

  view(id: Uint8Array): RecordView | null {
    return this.state.view(id);
  }

  slots(dnet: Uint8Array): SlotView[] {
    return this.state.slots(dnet);
  }

  slotsOf(dnet: Uint8Array, member: MemberReference): Slot[] {
    return this.state.slotsOf(dnet, member);
  }

  attached(dnet: Uint8Array): { readonly ovx: Uint8Array; readonly bytes: Uint8Array }[] {
    return this.state.attached(dnet);
  }

  authorised(ovx: Uint8Array): Authorisation[] {
    return this.state.authorised(ovx);
  }

  authorisation(ovx: Uint8Array, dnet: Uint8Array): Authorisation | null {
    return this.state.authorisation(ovx, dnet);
  }

  /** The newest step of that op whose body says what is so now. */
  latest(record: Uint8Array, op: OpName): Uint8Array | null {
    return this.state.settings(record, op).at(-1) ?? null;
  }

  /** Every new key of a dnet, in the order of epochs. */
  keySteps(dnet: Uint8Array): Uint8Array[] {
    return this.state.settings(dnet, "OP_DNET_KEY");
  }

  // Facts

  output({ transaction: id, output }: OutputReference): KnownOutput | null {
    const row = this.#places.row(id);
    if (!row || row.kind === Kind.later) return null;
    const isNewest = this.#newest !== null && sameBytes(id, this.#newest.id);
    const { outputs, time } = isNewest ? this.#newest! : (decodeTransaction(row.bytes) as Transaction);
    const script = outputs[output]?.script;
    if (!script) return null;
    // Whatever follows one that does not stand is held against it alone.
    const spentBy = row.stands === Standing.stands ? (this.#places.childOf(row, output)?.id ?? null) : id;
    return { script, time, spentBy };
  }

  record(id: Uint8Array): RecordFacts | null {
    return this.state.facts(id);
  }

  hasSlot(dnet: Uint8Array, slot: Slot): boolean {
    return this.state.hasSlot(dnet, slot);
  }

  isAttached(dnet: Uint8Array, ovx: Uint8Array): boolean {
    return this.state.isAttached(dnet, ovx);
  }

  isAuthorised(ovx: Uint8Array, dnet: Uint8Array): boolean {
    return this.state.isAuthorised(ovx, dnet);
  }

  #keepLater(id: Uint8Array, bytes: Uint8Array): Verdict {
    if (this.#places.later() >= MAX_LATER) return { status: "refused", id, why: "TOO_MANY_LATER" };
    this.#places.insertLater(id, bytes);
    return { status: "kept", id };
  }

  /** Whoever told us of the step first did not have it. A creation may have waited for it to stand. */
  #keepLateBody({ record, stands }: Row, hash: Uint8Array, body: Uint8Array): void {
    this.#bodies.keep(record, hash, body);
    if (stands === Standing.lost) this.#rivals.settle(record);
  }
}

const HEAD = "SELECT id AS record, height, head, digest, changed FROM records";
const MAX_CURSORS = 1_024;

function isBodyOf(body: Uint8Array, hash: Uint8Array): boolean {
  return body.length <= MAX_BODY_BYTES && sameBytes(sha256(body), hash);
}
