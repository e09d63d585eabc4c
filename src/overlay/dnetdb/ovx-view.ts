/** A cloud or relay as one reads it: what it is, where it is, whom it serves. All of it stands in clear. */
import { decodeOvx, type OvxContent } from "./contents.ts";
import { newestStep } from "./kept-step.ts";
import type { Lock } from "./lock.ts";
import type { Store } from "./store.ts";
import { decodeTransaction, type Transaction } from "./transaction.ts";

export interface AuthorisedView {
  readonly dnet: Uint8Array;
  /** Ms since 1970; null for never. */
  readonly expiresAt: number | null;
  /** Null for none. */
  readonly quotaBytes: number | null;
  /** Ms since 1970, as its owner says. */
  readonly at: number;
  readonly transaction: Uint8Array;
}

export interface OvxView {
  readonly id: Uint8Array;
  readonly name: string | null;
  /** A cloud or a relay; null when its body is not here. */
  readonly kind: "ovc" | "ovr" | null;
  /** Whether it may be named to strangers. */
  readonly isListed: boolean;
  /** Its own, which it proves in its handshakes. */
  readonly key: Uint8Array;
  /** HOST:PORT. */
  readonly addresses: readonly string[];
  /** By dnets. */
  readonly authorised: readonly AuthorisedView[];
  readonly height: number;
  readonly head: Uint8Array;
  readonly isClosed: boolean;
  readonly lock: Lock;
}

/** One that a dnet has attached. */
export interface AttachedView extends Pick<OvxView, "id" | "name" | "kind" | "isListed" | "addresses" | "isClosed"> {
  /** Null when its record is not here. */
  readonly key: Uint8Array | null;
  /** Whether its owner lets it serve the dnet; until when, and how much. */
  readonly isAuthorised: boolean;
  readonly expiresAt: number | null;
  readonly quotaBytes: number | null;
}

/** Null when no such cloud or relay is here. */
export function readOvx(store: Store, ovx: Uint8Array): OvxView | null {
  const record = store.view(ovx);
  if (!record?.key) return null;
  const { id, name, key, height, head, isClosed, lock } = record;
  const authorised = store.authorised(ovx).map(({ dnet, expiresAt, quotaBytes, bytes }) => {
    const { id: transaction, time: at } = decodeTransaction(bytes) as Transaction;
    return { dnet, expiresAt, quotaBytes, at, transaction };
  });
  return { id, name, key, height, head, isClosed, lock, ...contentOf(store, ovx), authorised };
}

export function readAttached(store: Store, dnet: Uint8Array, ovx: Uint8Array): AttachedView {
  const record = store.view(ovx);
  const authorisation = store.authorisation(ovx, dnet);
  return {
    id: ovx,
    name: record?.name ?? null,
    ...contentOf(store, ovx),
    key: record?.key ?? null,
    isClosed: record?.isClosed ?? false,
    isAuthorised: authorisation !== null,
    expiresAt: authorisation?.expiresAt ?? null,
    quotaBytes: authorisation?.quotaBytes ?? null,
  };
}

/** What its newest body says. */
function contentOf(store: Store, ovx: Uint8Array): { kind: OvxView["kind"] } & Omit<OvxContent, "kind"> {
  const step = newestStep(store, ovx, "OP_OVX_UPDATE") ?? newestStep(store, ovx, "OP_OVX_CREATE");
  const body = step?.body;
  const content = body?.epoch === null ? decodeOvx(body.admission) : null;
  return content ?? { kind: null, isListed: false, addresses: [] };
}
