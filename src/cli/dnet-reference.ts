/** How people name records: by the whole id, by the beginning of one, or by name. */
import { sameBytes } from "../base/bytes.ts";
import { DnetError } from "../base/error.ts";
import { formatId, parseId } from "../overlay/dnetdb/ids.ts";
import type { Store } from "../overlay/dnetdb/store.ts";
import type { DnetDbSession } from "./dnetdb-session.ts";
import { nearest } from "./nearest.ts";
import { printable } from "./printable.ts";

/** Fewer characters of an id would name another one tomorrow. */
const LEAST_PREFIX = 4;

interface Candidate {
  readonly id: Uint8Array;
  /** Null where it has none that is known. */
  readonly name: string | null;
}

/** Names are those of the list on this machine, ids those of the list and of all records here. Throws DnetError. */
export function findDnet(session: Pick<DnetDbSession, "list" | "store">, text: string): Uint8Array {
  return find(text, "dnet", dnets(session));
}

/** Among the records here. Throws DnetError. */
export function findOvx(store: Store, text: string): Uint8Array {
  return find(text, "cloud or relay", store.state.records("ovx"));
}

/** A dnet, or a cloud or relay. Throws DnetError. */
export function findRecord(session: Pick<DnetDbSession, "list" | "store">, text: string): Uint8Array {
  return find(text, "record", [...dnets(session), ...session.store.state.records("ovx")]);
}

function dnets({ list, store }: Pick<DnetDbSession, "list" | "store">): Candidate[] {
  const listed = list.read();
  const others = store.state.records("dnet").filter(({ id }) => !listed.some((each) => sameBytes(each.id, id)));
  // What was but drafted has taken no name yet.
  const named = listed.map(({ id, name }) => ({ id, name: store.view(id) && name }));
  return [...named, ...others.map(({ id }) => ({ id, name: null }))];
}

function find(text: string, kind: string, candidates: readonly Candidate[]): Uint8Array {
  const named = candidates.filter(({ name }) => name === text);
  const isPrefix = text.length >= LEAST_PREFIX;
  const found = named.length > 0 ? named : candidates.filter(({ id }) => isPrefix && formatId(id).startsWith(text));
  if (found.length === 1) return found[0]!.id;
  if (found.length > 1) {
    const ids = found.map(({ id }) => formatId(id)).join(", ");
    throw new DnetError("AMBIGUOUS", `${printable(text)} names ${found.length}: ${ids}`, {
      failure: "usage",
      hint: "more of the id",
    });
  }
  const id = parseId(text);
  if (id) {
    throw new DnetError("RECORD_ABSENT", `the records of ${text} are not here`, {
      failure: "unknown-peer",
      hint: "dnet db sync, with a replica that has them, or dnet db import",
    });
  }
  const near = nearest(
    text,
    candidates.flatMap(({ name }) => name ?? []),
  );
  throw new DnetError("UNKNOWN_RECORD", `no ${kind} is named ${printable(text)} here`, {
    failure: "unknown-peer",
    hint: near ?? (kind === "cloud or relay" ? "dnet ovx list" : "dnet net list"),
  });
}
