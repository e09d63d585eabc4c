/**
 * Two that spend the same output: both are kept, and which stands follows from all that is here, not from the order in which it came. Of
 * the clouds that were attached where the two part, each that has witnessed one of them and not the other has a vote; of a tie the lower id
 * wins. So replicas that hold the same agree, and what more than half of the clouds have witnessed cannot be taken back.
 */
import { compareBytes, sameBytes } from "../../base/bytes.ts";
import { Kind, type Place, type Places, type Row, Standing } from "./places.ts";
import type { Facts } from "./rules.ts";
import { judge } from "./rules.ts";
import type { Sql } from "./sql.ts";
import type { State } from "./state.ts";
import { decodeTransaction, type Transaction } from "./transaction.ts";
import type { Witnesses } from "./witnesses.ts";

/** Beside what stands in a record, with all that follows from it: only its owner can write such. Full: further ones are not kept. */
const MAX_LOSERS = 1_024;
/** That spend one output. Full: the highest id makes room; it would be the last to stand. */
const MAX_RIVALS = 8;
/** Thrown, and caught here, to take back a change that cannot be. */
const CANNOT_STAND = new Error("the rules refuse it where it would stand");

export interface RivalParts {
  readonly sql: Sql;
  readonly places: Places;
  readonly state: State;
  readonly witnesses: Witnesses;
  readonly facts: Facts;
  readonly body: (record: Uint8Array, hash: Uint8Array) => Uint8Array | null;
}

export class Rivals {
  readonly #parts: RivalParts;

  constructor(parts: RivalParts) {
    this.#parts = parts;
  }

  /** Whether one more may be kept there; another may have gone for it. */
  makeRoom({ record, height, kind, parent }: Place, id: Uint8Array): boolean {
    const { places, witnesses } = this.#parts;
    const lost = places.lost(record);
    if (lost.length >= MAX_LOSERS) return false;
    const rivals = lost.filter((row) => row.height === height && row.kind === kind && sameBytes(row.parent!, parent!));
    if (rivals.length < MAX_RIVALS) return true;
    const isAlone = (row: Row) => !witnesses.hasAny(row.id) && !lost.some((each) => sameBytes(each.parent!, row.id));
    const last = rivals.findLast(isAlone);
    if (!last || compareBytes(id, last.id) > 0) return false;
    this.#drop(last);
    return true;
  }

  /** Lets those stand that have more for them than what stands, until none has. */
  settle(record: Uint8Array): void {
    const { places, witnesses } = this.#parts;
    for (let isSettled = false; !isSettled; ) {
      const lost = places.lost(record);
      isSettled = lost.every((row) => !this.#mayRise(row, lost));
      if (!isSettled) witnesses.prune(record);
    }
  }

  /** Whether anything has changed by it: it stands now, or, where it would, the rules refuse it, and it is gone. */
  #mayRise(row: Row, lost: readonly Row[]): boolean {
    const { places, sql } = this.#parts;
    const parent = places.row(row.parent!);
    if (parent?.stands !== Standing.stands) return false;
    const rival = places.childOf(parent, row.kind === Kind.join ? 1 : 0);
    if (rival && !this.#outranks(row, rival, lost)) return false;
    try {
      sql.atomically(() => this.#raise(row, rival));
    } catch (error) {
      if (error !== CANNOT_STAND) throw error;
      for (const each of descendantsOf(row, lost)) this.#drop(each);
    }
    return true;
  }

  #outranks(row: Row, rival: Row, lost: readonly Row[]): boolean {
    const { witnesses } = this.#parts;
    const { record, height, kind } = row;
    const isJoin = kind === Kind.join;
    const branch = isJoin ? [row] : descendantsOf(row, lost);
    const votes = { row: 0, rival: 0 };
    // A step is judged by those that were attached before it, a join by those that were when it was invited.
    for (const cloud of witnesses.cloudsAt(record, isJoin ? height : height - 1)) {
      const forRow = branch.some(({ id }) => witnesses.has(cloud, id));
      const forRival = isJoin ? witnesses.has(cloud, rival.id) : witnesses.supports(cloud, record, height);
      if (forRow && !forRival) votes.row++;
      if (forRival && !forRow) votes.rival++;
    }
    if (votes.row !== votes.rival) return votes.row > votes.rival;
    return compareBytes(row.id, rival.id) < 0;
  }

  /** In the place of the other, and of all that came after that one. */
  #raise(row: Row, rival: Row | null): void {
    const { places, state, facts } = this.#parts;
    const { record, height, kind } = row;
    const isRebuilt = rival !== null && kind !== Kind.join;
    const bytes = state.bytesOf(record);
    if (isRebuilt) this.#takeBack(record, height);
    else if (rival) places.set(rival, Standing.lost);
    const { transaction, body } = this.#read(row);
    // Its time was looked at when it came.
    if (judge(transaction, body, facts, transaction.time)) throw CANNOT_STAND;
    const sequence = places.set(row, Standing.stands);
    if (!isRebuilt) state.note(record, row.id, sequence); // no more as a loser
    state.apply(transaction, body, height, sequence);
    if (isRebuilt) this.#restore(record, bytes, sequence);
  }

  /** What stands from that height on has lost; what follows from the rest is made anew. */
  #takeBack(record: Uint8Array, height: number): void {
    const { places, state } = this.#parts;
    for (const row of places.standing(record, height)) places.set(row, Standing.lost);
    const sequence = places.next();
    state.forget(record);
    for (const row of places.standing(record)) {
      const { transaction, body } = this.#read(row);
      state.apply(transaction, body, row.height, sequence);
    }
  }

  /** What a record has beside its chain. Last: it may have begun anew with another creation. */
  #restore(record: Uint8Array, bytes: number, sequence: number): void {
    const { places, state, witnesses } = this.#parts;
    for (const { id } of places.lost(record)) state.note(record, id, sequence);
    for (const known of witnesses.knownBy(record)) state.note(record, known, sequence);
    state.grow(record, bytes);
  }

  #drop(row: Row): void {
    const { places, state, sql } = this.#parts;
    places.delete(row);
    sql.run("DELETE FROM statements WHERE transaction_id = ?", row.id);
    state.note(row.record, row.id, places.next());
    state.grow(row.record, -row.bytes.length);
  }

  #read({ record, bytes }: Row): { transaction: Transaction; body: Uint8Array | null } {
    const transaction = decodeTransaction(bytes) as Transaction;
    return { transaction, body: transaction.bodyHash && this.#parts.body(record, transaction.bodyHash) };
  }
}

/** With what follows from it, among those that lost. */
function descendantsOf(first: Row, lost: readonly Row[]): Row[] {
  const ids = new Set([first.id.toHex()]);
  const branch = [first];
  for (const each of lost) {
    if (!ids.has(each.parent!.toHex())) continue;
    ids.add(each.id.toHex());
    branch.push(each);
  }
  return branch;
}
