/** A dnet as it was: its steps up to a moment, taken again in memory, and read by the keys of today. */
import { DnetError } from "../base/error.ts";
import { momentText } from "../base/moment-text.ts";
import { type DnetView, readDnetAt } from "../overlay/dnetdb/dnet-view.ts";
import type { DnetDbSession } from "./dnetdb-session.ts";

/** Null when it did not exist yet. */
export function dnetAt(session: DnetDbSession, dnet: Uint8Array, moment: number): DnetView | null {
  const { store, file } = session;
  return readDnetAt(store, dnet, moment, session.secrets(dnet), file.emptyDatabase());
}

export function notYet(dnet: string, moment: number): DnetError {
  return new DnetError("NOT_YET", `${dnet} did not exist yet on ${momentText(moment)}`, {
    failure: "unknown-peer",
    hint: "a later date; dnet db log shows when it began",
  });
}
