/** How people name records: by the whole id, by the beginning of one, or by name. */
import { sameBytes } from "../base/bytes.ts";
import { DnetError } from "../base/error.ts";
import { formatId, parseId, recordId } from "../overlay/dnetdb/ids.ts";
import { recordOf } from "../overlay/dnetdb/rules.ts";
import type { Store } from "../overlay/dnetdb/store.ts";
import { decodeTransaction, type Transaction } from "../overlay/dnetdb/transaction.ts";
import type { DnetDbSession } from "./dnetdb-session.ts";
import { unlisted } from "./membership.ts";
import { nearest } from "./nearest.ts";
import { printable } from "./printable.ts";

/** Fewer characters of an id would name another one tomorrow. */
const LEAST_PREFIX = 4;
/** What can be named, and where it is found. */
const LISTS = {
  dnet: "dnet net list",
  "dnet of the list": "dnet net list",
  "cloud or relay": "dnet ovx list",
  record: "dnet net list, dnet ovx list",
  transaction: "dnet db log, with a record",
};

interface Candidate {
  readonly id: Uint8Array;
  /** Null where it has none that is known. */
  readonly name: string | null;
  /** Its name is another's first, who has the same: it is closed, or but drafted. */
  readonly isSecond?: boolean;
}

/** Names are those of `dnet net list`, ids those of the list and of all records here. Throws DnetError. */
export function findDnet(session: DnetDbSession, text: string): Uint8Array {
  return find(text, "dnet", dnets(session, text));
}

/** What `dnet net list` shows, its records here or not. Throws DnetError. */
export function findListed(session: DnetDbSession, text: string): Uint8Array {
  return find(text, "dnet of the list", [...session.list.read(), ...unlisted(session)]);
}

/** Among the records here. Throws DnetError. */
export function findOvx(store: Store, text: string): Uint8Array {
  return find(text, "cloud or relay", ovxs(store));
}

/** A dnet, or a cloud or relay. Throws DnetError. */
export function findRecord(session: DnetDbSession, text: string): Uint8Array {
  return find(text, "record", [...dnets(session, text), ...ovxs(session.store)]);
}

/** A transaction of a record here, by its id or the beginning of it. Throws DnetError. */
export function findTransaction(store: Store, text: string): { readonly record: Uint8Array; readonly id: Uint8Array } {
  const wanted = parseId(text);
  const bytes = wanted && store.transaction(wanted);
  const transaction = bytes && decodeTransaction(bytes);
  if (transaction && !("version" in transaction))
    return { record: recordOfTransaction(transaction), id: transaction.id };
  const all = wanted ? [] : (["dnet", "ovx"] as const).flatMap((kind) => store.state.records(kind));
  const candidates = all.flatMap(({ id: record }) =>
    store.transactionsOf(record).map((each) => ({ record, id: decodeTransaction(each)!.id, name: null })),
  );
  const id = find(text, "transaction", candidates);
  return candidates.find((each) => each.id === id)!;
}

function recordOfTransaction({ id, outputs }: Transaction): Uint8Array {
  return recordOf(outputs[0]!.script) ?? recordId(id);
}

function dnets(session: DnetDbSession, text: string): Candidate[] {
  const { list, store } = session;
  const listed = list.read().map(({ id, name }) => ({ id, name, isSecond: store.view(id)?.isClosed ?? true }));
  const others = store.state.records("dnet").filter(({ id }) => !listed.some((each) => sameBytes(each.id, id)));
  const known: Candidate[] = [...listed, ...others.map(({ id }) => ({ id, name: null }))];
  // Those that name this machine, and its person has not accepted, go by their names where nothing else does: all have to be read for it.
  const isKnown = known.some(({ id, name }) => name === text || formatId(id).startsWith(text));
  return isKnown ? known : [...known, ...unlisted(session)];
}

function ovxs({ state }: Store): Candidate[] {
  return state.records("ovx").map(({ id, name, isClosed }) => ({ id, name, isSecond: isClosed }));
}

function find(text: string, kind: keyof typeof LISTS, candidates: readonly Candidate[]): Uint8Array {
  const named = candidates.filter(({ name }) => name === text);
  const first = named.filter(({ isSecond }) => !isSecond);
  const begun = candidates.filter(({ id }) => text !== "" && formatId(id).startsWith(text));
  const isPrefix = text.length >= LEAST_PREFIX;
  const found = first.length > 0 ? first : named.length > 0 ? named : isPrefix ? begun : [];
  if (found.length === 1) return found[0]!.id;
  if (found.length > 1) {
    const ids = found.map(({ id }) => formatId(id)).join(", ");
    throw new DnetError("AMBIGUOUS", `${printable(text)} names ${found.length}: ${ids}`, {
      failure: "usage",
      hint: "more of the id",
    });
  }
  if (parseId(text) && kind !== "dnet of the list") {
    const what = kind === "transaction" ? `the transaction ${text} is` : `the records of ${text} are`;
    throw new DnetError("RECORD_ABSENT", `${what} not here`, {
      failure: "unknown-peer",
      hint: "dnet db sync, with a replica that has them, or dnet db import",
    });
  }
  const names = candidates.flatMap(({ name }) => name ?? []);
  throw new DnetError("UNKNOWN_RECORD", `no ${kind} is named ${printable(text)} here`, {
    failure: "unknown-peer",
    hint: begun.length > 0 ? `${LEAST_PREFIX} characters of the id, or more` : (nearest(text, names) ?? LISTS[kind]),
  });
}
