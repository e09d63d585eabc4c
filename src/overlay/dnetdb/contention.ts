/**
 * What becomes of a step whose output another has spent, or that follows what has lost: it is kept beside what stands (`rivals.ts`), or
 * waits for room there (`waiting.ts`), or is refused.
 */
import type { Bodies } from "./bodies.ts";
import { type Places, type Row, Standing } from "./places.ts";
import type { Rivals } from "./rivals.ts";
import { judgeWord, type KnownOutput, recordOf } from "./rules.ts";
import type { StateChanges } from "./state-changes.ts";
import type { Verdict } from "./store.ts";
import type { OutputReference, Transaction } from "./transaction.ts";
import { Waiting } from "./waiting.ts";
import type { Statement } from "./witness.ts";
import type { Witnesses } from "./witnesses.ts";

export interface ContentionParts {
  readonly places: Places;
  readonly changes: StateChanges;
  readonly bodies: Bodies;
  readonly witnesses: Witnesses;
  readonly rivals: Rivals;
  readonly output: (reference: OutputReference) => KnownOutput | null;
}

/** A step as it was sent. */
export interface Sent {
  readonly transaction: Transaction;
  readonly bytes: Uint8Array;
  readonly body: Uint8Array | null;
  /** Its signatures were found to be their keys'. */
  readonly isVerified: boolean;
}

export class Contention {
  readonly #parts: ContentionParts;
  readonly #waiting = new Waiting();

  constructor(parts: ContentionParts) {
    this.#parts = parts;
  }

  isWaiting(id: Uint8Array): boolean {
    return this.#waiting.has(id);
  }

  /** What it spends is spent, or does not stand: it is kept beside, if its signer may say it, and may come to stand. */
  contend(now: number, { transaction, bytes, body, isVerified }: Sent, { isSpokenFor = false } = {}): Verdict {
    const { places, rivals, changes, bodies, output } = this.#parts;
    const { id, input, bodyHash } = transaction;
    const why = judgeWord(transaction, output(input!)!, now, isVerified);
    if (why) return { status: "refused", id, why };
    const place = places.placeOf(transaction);
    const parent = places.row(input!.transaction)!;
    const isBroken = parent.stands === Standing.stands && rivals.judge(transaction, body, parent) === "broken";
    if (!isSpokenFor && !rivals.makeRoom(place, id, isBroken)) {
      this.#waiting.add(transaction, bytes);
      return { status: "refused", id, why: "SPENT_INPUT" };
    }
    places.insert(transaction, bytes, place, isBroken ? Standing.broken : Standing.lost);
    changes.hear(transaction);
    changes.grow(place.record, bytes.length + (body ? bodies.put(place.record, bodyHash!, body) : 0));
    changes.note(place.record, id, places.sequence);
    rivals.settleNew(places.row(id)!);
    const isStanding = places.row(id)?.stands === Standing.stands;
    return isStanding ? { status: "accepted", id } : { status: "lost", id, why: "SPENT_INPUT" };
  }

  /** What it spends is not here. It may follow what waits. */
  letWait(now: number, { transaction, bytes, isVerified }: Sent): Verdict {
    const { id, input } = transaction;
    const spent = this.#waiting.output(input!);
    const why = spent && judgeWord(transaction, spent, now, isVerified);
    if (!spent || why) return { status: "refused", id, why: why ?? "UNKNOWN_INPUT" };
    this.#waiting.add(transaction, bytes);
    return { status: "refused", id, why: "SPENT_INPUT" };
  }

  /** A cloud speaks for what waits: it and what it follows come in. Returns the first of them; null when none has. */
  letIn(now: number, { block: { ovx }, transaction: about }: Statement): Row | null {
    const { places, witnesses, output } = this.#parts;
    const branch = this.#waiting.branchOf(about);
    const record = branch[0] && recordOf(branch[0].transaction.outputs[0]!.script);
    if (!record || !witnesses.isWitness(ovx, record) || witnesses.fork(ovx)) return null;
    for (const { transaction, bytes } of branch) {
      this.#waiting.delete(transaction.id);
      // What it spends may have gone meanwhile.
      if (places.row(transaction.id) || !output(transaction.input!)) continue;
      // Its signatures were looked at when it came.
      this.contend(now, { transaction, bytes, body: null, isVerified: true }, { isSpokenFor: true });
    }
    return places.row(branch[0]!.transaction.id);
  }
}
