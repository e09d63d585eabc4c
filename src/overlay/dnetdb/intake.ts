/**
 * What came from a peer, into the store: in one step of the database, within the bounds, and never a mint without what it
 * begins.
 */
import { sameBytes } from "../../base/bytes.ts";
import type { Admission } from "./admission.ts";
import { recordId } from "./ids.ts";
import { isCreation, isOfMeaning, recordOf } from "./rules.ts";
import type { OpName } from "./script.ts";
import type { Store, StoreRefusal, Verdict } from "./store.ts";
import type { Item } from "./sync-messages.ts";
import type { News } from "./sync-serve.ts";
import { decodeTransaction, type Transaction, type UnknownTransaction } from "./transaction.ts";
import type { StatementVerdict } from "./witnesses.ts";

type TransactionItem = Extract<Item, { kind: "transaction" }>;

export interface Taken {
  /** What was not here, committed by now. */
  readonly news: News[];
  bodies: number;
  /** Accepted without a body that it has. */
  isBodyMissing: boolean;
  /** Something may pass later: what it needs is not here, or our clock is behind. */
  isEarly: boolean;
  /** Something cannot be kept, for want of room, or as it is of a later version. */
  isFull: boolean;
  /** How much breaks the rules, which no honest replica passes on. */
  refused: number;
}

/** Not the peer's fault: it may know what we do not, or our clock may be wrong. */
const EARLY: ReadonlySet<StoreRefusal | string> = new Set([
  "UNKNOWN_INPUT",
  "NO_BODY",
  "ABSURD_TIME",
  "UNKNOWN_CLOUD",
  "UNKNOWN_TRANSACTION",
  "NOT_A_WITNESS",
]);
/** Neither: it is only not kept. */
const FULL: ReadonlySet<StoreRefusal | string> = new Set(["SPENT_INPUT", "TOO_MANY_LATER", "FORKED_CLOUD"]);
/** What comes after so many is not looked at: each may have cost a signature. */
export const MAX_REFUSED = 32;
/** Thrown, and caught here, to take a mint back. */
const NOT_BEGUN = new Error("the creation was refused");

export class Intake {
  readonly #store: Store;
  readonly #admission: Admission;
  readonly #peer: string;

  /** `peer` names whoever brings it, in the bounds. */
  constructor(store: Store, admission: Admission, peer: string) {
    this.#store = store;
    this.#admission = admission;
    this.#peer = peer;
  }

  /** `time`: ms since 1970. All of it is, or says, something of that record. */
  take(time: number, record: Uint8Array, items: readonly Item[]): Taken {
    const taken: Taken = { news: [], bodies: 0, isBodyMissing: false, isEarly: false, isFull: false, refused: 0 };
    const before = this.#store.bytesOf(record);
    const transactions = items.flatMap((item) => (item.kind === "transaction" ? [item.bytes] : []));
    this.#store.inBulk(transactions, () => this.#store.atomically(() => this.#takeAll(time, record, items, taken)));
    this.#admission.noteGrowth(this.#store.bytesOf(record) - before);
    return taken;
  }

  #takeAll(time: number, record: Uint8Array, items: readonly Item[], taken: Taken): void {
    const isHere = items.length === 0 || this.#store.headOf(record) !== null;
    const rest = isHere ? items : items.slice(this.#begin(time, record, items, taken));
    let bytes = this.#store.bytesOf(record);
    for (const item of rest) {
      if (taken.refused > MAX_REFUSED) return;
      const more = contentBytes(item);
      if (this.#admission.mayGrow(bytes, more)) this.#keep(time, record, item, taken);
      else taken.isFull = true;
      bytes += more;
    }
  }

  #keep(time: number, record: Uint8Array, item: Item, taken: Taken): void {
    if (item.kind === "transaction") this.#keepTransaction(time, record, item, taken);
    else if (item.kind === "body") taken.bodies += this.#store.acceptBody(record, item.body) ? 1 : 0;
    else {
      const statement = item.bytes.slice();
      const verdict = this.#store.acceptStatement(time, statement);
      note(verdict, taken);
      if (verdict.status === "accepted") taken.news.push({ record: verdict.record, statement });
    }
  }

  #keepTransaction(time: number, record: Uint8Array, { bytes, body }: TransactionItem, taken: Taken): void {
    const transaction = decodeTransaction(bytes);
    // A mint that is not here begins nothing here.
    const isOfRecord =
      transaction && ("version" in transaction || placeOf(transaction) === null || isOf(transaction, record));
    if (!isOfRecord) taken.refused++;
    else if ("version" in transaction || placeOf(transaction)) {
      this.#note(this.#store.accept(time, bytes, body, transaction), record, { transaction, body }, taken);
    }
  }

  /**
   * The record is not here: it begins with the first two items, and nothing of it is kept without them. Returns how many are
   * done with.
   */
  #begin(time: number, record: Uint8Array, items: readonly Item[], taken: Taken): number {
    const [first, second] = items;
    if (first?.kind !== "transaction" || second?.kind !== "transaction") {
      // A later version's stands alone.
      const isLater = first?.kind === "transaction" && first.bytes[0] !== undefined && isLaterVersion(first.bytes);
      if (!isLater) taken.isEarly = true;
      return isLater ? 0 : items.length;
    }
    const [mint, creation] = [decodeTransaction(first.bytes), decodeTransaction(second.bytes)];
    if (!mint || !creation || "version" in mint || "version" in creation) return this.#refuse(items, taken);
    const { script } = mint.outputs[0]!;
    const begins = script.op === "OP_MINT" && sameBytes(recordId(mint.id), record);
    if (!begins || !isOf(creation, record) || !isCreation(creation.outputs[0]!.script.op))
      return this.#refuse(items, taken);
    const bytes = first.bytes.length + second.bytes.length + (second.body?.length ?? 0);
    if (!this.#admission.mayBegin(this.#peer, script.lock) || !this.#admission.mayGrow(0, bytes)) {
      taken.isFull = true;
      return items.length;
    }
    try {
      this.#store.atomically(() => {
        note(this.#store.accept(time, first.bytes, null, mint), taken);
        const verdict = this.#store.accept(time, second.bytes, second.body, creation);
        this.#note(verdict, record, { transaction: creation, body: second.body }, taken);
        if (!this.#store.headOf(record)) throw NOT_BEGUN;
      });
    } catch (error) {
      if (error !== NOT_BEGUN) throw error;
      return items.length;
    }
    this.#admission.noteBegin(this.#peer);
    return 2;
  }

  #refuse(items: readonly Item[], taken: Taken): number {
    taken.refused++;
    return items.length;
  }

  #note(
    verdict: Verdict,
    record: Uint8Array,
    { transaction, body }: { transaction: Transaction | UnknownTransaction; body: Uint8Array | null },
    taken: Taken,
  ): void {
    note(verdict, taken, "version" in transaction ? null : transaction.outputs[0]!.script.op);
    const { status, id } = verdict;
    if (status === "refused" || status === "known") return;
    taken.news.push({ record: record.slice(), transaction: id });
    if (status === "kept") taken.isFull = true;
    if (!body && !("version" in transaction) && transaction.bodyHash) taken.isBodyMissing = true;
  }
}

/** `op`: of the step that it is about. */
function note(verdict: Verdict | StatementVerdict, taken: Taken, op: OpName | null = null): void {
  if (verdict.status !== "refused") return;
  const { why } = verdict;
  if (EARLY.has(why)) taken.isEarly = true;
  // Beside another chain that is evidence, and an honest peer may have that one.
  else if (FULL.has(why) || (op && isOfMeaning(why, op))) taken.isFull = true;
  else taken.refused++;
}

function contentBytes(item: Item): number {
  if (item.kind === "body") return item.body.length;
  return item.bytes.length + (item.kind === "transaction" ? (item.body?.length ?? 0) : 0);
}

function isOf(transaction: Transaction, record: Uint8Array): boolean {
  const of = placeOf(transaction);
  return of !== null && sameBytes(of, record);
}

/** Null for a mint. */
function placeOf({ outputs }: Transaction): Uint8Array | null {
  return recordOf(outputs[0]!.script);
}

function isLaterVersion(bytes: Uint8Array): boolean {
  const transaction = decodeTransaction(bytes);
  return transaction !== null && "version" in transaction;
}
