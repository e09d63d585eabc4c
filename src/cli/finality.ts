/** Whether a step can still be taken back: `pending` until as many clouds as are asked for have witnessed it, then `final`. */
import { counted } from "../base/counted.ts";
import { readDnet } from "../overlay/dnetdb/dnet-view.ts";
import { DEFAULT_POLICY } from "../overlay/dnetdb/policy.ts";
import { LateError } from "./command.ts";
import type { DnetDbSession } from "./dnetdb-session.ts";
import { parseSpanOption } from "./option-values.ts";
import { Progress } from "./progress.ts";

const LOOK_EVERY_MS = 250;

export interface Finality {
  readonly status: "pending" | "final";
  /** How many have witnessed it, and how many have to. */
  readonly witnesses: number;
  readonly needed: number;
}

export function finalityOf(session: DnetDbSession, record: Uint8Array, transaction: Uint8Array): Finality {
  return finalityBy(session, neededFor(session, record), transaction);
}

/** `needed`: as `neededFor` says; for many steps of one record. */
export function finalityBy({ store }: DnetDbSession, needed: number, transaction: Uint8Array): Finality {
  const witnesses = store.witnesses.of(transaction).length;
  return { status: witnesses >= needed ? "final" : "pending", witnesses, needed };
}

/** How many clouds have to witness the steps of a record: of a dnet, what its policy says; of a cloud's own, itself. */
export function neededFor(session: DnetDbSession, record: Uint8Array): number {
  const policy = readDnet(session.store, record, session.secrets(record))?.policy ?? DEFAULT_POLICY;
  return session.store.view(record)?.isDnet ? policy.witnesses : 1;
}

/** `pending until 1 cloud has witnessed it, 0 so far`. */
export function finalityText({ status, witnesses, needed }: Finality): string {
  const have = needed === 1 ? "has" : "have";
  return status === "final"
    ? "final"
    : `pending until ${counted(needed, "cloud")} ${have} witnessed it, ${witnesses} so far`;
}

/** Throws LateError when it takes too long: its caller prints the result whatever comes. */
export async function untilFinal(
  session: DnetDbSession,
  record: Uint8Array,
  transaction: Uint8Array,
  span: string,
): Promise<void> {
  const spanMs = parseSpanOption("timeout", span);
  const until = performance.now() + spanMs;
  const progress = new Progress(session.terminal);
  for (;;) {
    const finality = finalityOf(session, record, transaction);
    const isOver = finality.status === "final" || performance.now() >= until;
    if (isOver) progress.end();
    if (finality.status === "final") return session.printWords("final\n");
    if (isOver) {
      throw new LateError("NOT_FINAL", `done, and after ${spanMs / 1_000} s still ${finalityText(finality)}`, {
        failure: "unreachable",
        hint: "dnet db sync with a cloud that is attached; dnet db log shows when it is final",
      });
    }
    progress.note(() => `waiting: ${finalityText(finality)}`);
    await Bun.sleep(LOOK_EVERY_MS);
  }
}
