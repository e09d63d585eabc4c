/**
 * Two that spend the same output: both are kept, and which stands follows from all that is here, not from the order in which it came. Of
 * the clouds that were attached where the two part, each that has witnessed one of them and not the other has a vote; of a tie the lower id
 * wins. So replicas that hold the same agree, and what more than half of the clouds have witnessed cannot be taken back.
 */
import { compareBytes } from "../../base/bytes.ts";
import type { Bodies } from "./bodies.ts";
import { Kind, type Place, type Places, type Row, Standing } from "./places.ts";
import { judgeMeaning } from "./rules.ts";
import type { State } from "./state.ts";
import type { StateChanges } from "./state-changes.ts";
import { decodeTransaction, type Transaction } from "./transaction.ts";
import type { Witnesses } from "./witnesses.ts";

/**
 * Beside what stands in a record: that spend what stands, and that follow from these. Only its owner and the invited can write such. Full:
 * further ones are not kept.
 */
const MAX_LOSERS = 1_024;
/**
 * That spend one output. Full: one that no cloud speaks for makes room, with all that follows from it: what cannot stand, and else the
 * highest id, which would be the last to stand.
 */
const MAX_RIVALS = 8;

export interface RivalParts {
  readonly places: Places;
  readonly state: State;
  readonly changes: StateChanges;
  readonly witnesses: Witnesses;
  readonly bodies: Bodies;
}

export class Rivals {
  readonly #parts: RivalParts;
  readonly #isBounded: boolean;

  /** `isBounded`: only so many are kept. */
  constructor(parts: RivalParts, isBounded: boolean) {
    this.#parts = parts;
    this.#isBounded = isBounded;
  }

  /** Whether one more may be kept there, for which another may have gone. One that is broken takes no other's place. */
  makeRoom(place: Place, id: Uint8Array, isBroken: boolean): boolean {
    const { places } = this.#parts;
    if (!this.#isBounded) return true;
    const rivals = places.lostAt(place);
    if (rivals.length < MAX_RIVALS) return places.countLost(place) < MAX_LOSERS;
    const lost = places.lost(place.record);
    const last = isBroken ? null : this.#lastOf(rivals, lost);
    if (!last || (last.stands !== Standing.broken && compareBytes(id, last.id) > 0)) return false;
    this.#drop(descendantsOf(last, lost));
    return true;
  }

  /**
   * What it would be where it would stand, which is after `parent`: what comes before it is the same wherever it is heard. Its form, its
   * time and its signatures were looked at when it came.
   */
  judge(transaction: Transaction, body: Uint8Array | null, parent: Row): "right" | "broken" | "bodiless" {
    const why = judgeMeaning(transaction, body, this.#parts.state.factsAt(parent.height));
    if (why === null) return "right";
    return why === "NO_BODY" ? "bodiless" : "broken";
  }

  /** One has come in there for which there was no room, as a cloud spoke for it: another goes. */
  trim(place: Place): void {
    const { places } = this.#parts;
    const rivals = places.lostAt(place);
    if (rivals.length <= MAX_RIVALS) return;
    const lost = places.lost(place.record);
    const last = this.#lastOf(rivals, lost);
    if (last) this.#drop(descendantsOf(last, lost));
  }

  /** That goes first; null when clouds speak for all. */
  #lastOf(rivals: readonly Row[], lost: readonly Row[]): Row | null {
    const { witnesses } = this.#parts;
    const unsaid = rivals.filter((row) => !descendantsOf(row, lost).some((each) => witnesses.hasAny(each.id)));
    return unsaid.findLast(({ stands }) => stands === Standing.broken) ?? unsaid.at(-1) ?? null;
  }

  /**
   * Lets those stand that have more for them than what stands, until none has. A whole branch rises in one round, as parents come
   * before children; what was taken back meanwhile, and what follows from it, is looked at in the next.
   */
  settle(record: Uint8Array): void {
    const { places, witnesses } = this.#parts;
    for (;;) {
      const lost = places.lost(record);
      if (lost.filter((row) => this.#mayRise(row, lost)).length > 0) witnesses.prune(record);
      else if (!this.#dropWrong(record, lost)) return;
    }
  }

  /** One more is here that has lost, and nothing was said of it: unless it rises, nothing does. */
  settleNew(row: Row): void {
    if (!this.#mayRise(row, [row])) return;
    this.#parts.witnesses.prune(row.record);
    this.settle(row.record);
  }

  /**
   * What breaks a rule is evidence beside what stands, and nothing where nothing else was said: there it would be refused. Whether any
   * was dropped: what was said of it is no more said of what stands.
   */
  #dropWrong(record: Uint8Array, lost: readonly Row[]): boolean {
    const { places } = this.#parts;
    const alone = places.broken(record).filter((row) => {
      const parent = places.row(row.parent!);
      return parent?.stands === Standing.stands && !places.childOf(parent, row.kind === Kind.join ? 1 : 0);
    });
    // At once: with what was heard in one of them others may come to stand.
    if (alone.length > 0) this.#drop(alone.flatMap((row) => descendantsOf(row, lost)));
    return alone.length > 0;
  }

  /** Whether it stands now. What breaks a rule where it would is not tried again: what comes before it is always the same. */
  #mayRise(row: Row, lost: readonly Row[]): boolean {
    if (row.stands === Standing.broken) return false;
    const { places } = this.#parts;
    const parent = places.row(row.parent!);
    if (parent?.stands !== Standing.stands) return false;
    const rival = places.childOf(parent, row.kind === Kind.join ? 1 : 0);
    if (rival && !this.#outranks(row, rival, lost)) return false;
    const { transaction, body } = this.#read(row);
    const judgement = this.judge(transaction, body, parent);
    if (judgement === "broken") places.passOver(row);
    if (judgement === "right") this.#raise(row, { parent, rival, transaction, body });
    return judgement === "right";
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
  #raise(row: Row, { parent, rival, transaction, body }: Rise): void {
    const { places, changes } = this.#parts;
    const { record, height } = row;
    if (rival && row.kind === Kind.join) places.set(rival, Standing.lost);
    else if (rival) this.#takeBack(record, parent);
    const sequence = places.set(row, Standing.stands);
    changes.note(record, row.id, sequence); // no more as a loser
    changes.apply(transaction, body, height, sequence);
  }

  /** What stands after that one has lost. Joins are known as such either way. */
  #takeBack(record: Uint8Array, { height, bytes }: Row): void {
    const { places, changes } = this.#parts;
    for (const row of places.standing(record, height + 1)) {
      const sequence = places.set(row, Standing.lost);
      if (row.kind === Kind.step) changes.note(record, row.id, sequence);
    }
    changes.takeBack(record, height, decodeTransaction(bytes) as Transaction);
  }

  #drop(branch: readonly Row[]): void {
    const { places, state, changes, witnesses, bodies } = this.#parts;
    const isHeard = branch.some(({ record, id }) => state.isHeard(record, id));
    for (const row of branch) {
      witnesses.forget(row);
      places.delete(row);
      if (row.body) bodies.release(row.record, row.body);
      changes.unhear(row.record, row.id);
      changes.note(row.record, row.id, places.next());
      changes.grow(row.record, -row.bytes.length);
    }
    if (isHeard) witnesses.dropUnknown(branch[0]!.record);
  }

  #read({ record, bytes }: Row): { transaction: Transaction; body: Uint8Array | null } {
    const transaction = decodeTransaction(bytes) as Transaction;
    return { transaction, body: transaction.bodyHash && this.#parts.bodies.get(record, transaction.bodyHash) };
  }
}

/** One that is to stand: what it spends from, and what it stands in the place of. */
interface Rise {
  readonly parent: Row;
  readonly rival: Row | null;
  readonly transaction: Transaction;
  readonly body: Uint8Array | null;
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
