/** What an operator does with the record of a cloud or relay: registers it, says where it is, and whom it serves. */
import { countedBytes } from "../../base/counted.ts";
import { DnetError } from "../../base/error.ts";
import { momentText } from "../../base/moment-text.ts";
import { encodeOvx, isHostPort, MAX_OVX_ADDRESSES, type OvxContent } from "./contents.ts";
import { beginRecord, checkFuture, checkKey, checkName, continueRecord, type Desk, type Draft } from "./desk.ts";
import { formatId } from "./ids.ts";
import type { Lock } from "./lock.ts";
import { readOvx } from "./ovx-view.ts";
import { sealBody } from "./sealing.ts";

export interface OvxFields extends OvxContent {
  /** Its own, which it proves in its handshakes. */
  readonly key: Uint8Array;
}

export function createOvx(
  desk: Desk,
  { lock, name, key, ...content }: OvxFields & { readonly lock: Lock; readonly name: string },
): Draft & { readonly ovx: Uint8Array } {
  checkName(name);
  const { composer, record: ovx } = beginRecord(desk, lock);
  const body = bodyOf(desk, ovx, "OP_OVX_CREATE", { ...content, key });
  composer.add({ op: "OP_OVX_CREATE", ovx, name, key }, body, `registers the ${wordFor(content.kind)} ${name}`);
  return { steps: composer.steps, networkKey: null, ovx };
}

/** What is not given stays as it is. */
export function updateOvx(desk: Desk, ovx: Uint8Array, fields: Partial<Omit<OvxFields, "kind">>): Draft {
  const { composer } = continueRecord(desk, ovx, "ovx");
  const { name, kind, key, isListed, addresses } = readOvx(desk.store, ovx)!;
  if (!kind) {
    throw new DnetError("BODY_UNKNOWN", `what ${name ?? formatId(ovx)} is and where is not known here`, {
      hint: "its record is here without the body: dnet db sync",
    });
  }
  const now = { kind, key, isListed, addresses, ...fields };
  const body = bodyOf(desk, ovx, "OP_OVX_UPDATE", now);
  composer.add({ op: "OP_OVX_UPDATE", ovx, key: now.key }, body, `changes what is known of ${name ?? formatId(ovx)}`);
  return { steps: composer.steps, networkKey: null };
}

/**
 * Lets it serve a dnet, until a moment (ms since 1970) and up to so many bytes; null for no limit. Said again, it replaces what
 * was.
 */
export function authorise(
  desk: Desk,
  ovx: Uint8Array,
  {
    dnet,
    expiresAt,
    quotaBytes,
  }: { readonly dnet: Uint8Array; readonly expiresAt: number | null; readonly quotaBytes: number | null },
): Draft {
  const { composer } = continueRecord(desk, ovx, "ovx");
  checkFuture(expiresAt, desk.now);
  if (quotaBytes !== null && !(Number.isSafeInteger(quotaBytes) && quotaBytes > 0)) {
    throw new DnetError("QUOTA_INVALID", `${quotaBytes} is no quota: a number of bytes, at least 1`, {
      failure: "usage",
    });
  }
  const until = expiresAt === null ? "" : ` until ${momentText(expiresAt)}`;
  const most = quotaBytes === null ? "" : `, ${countedBytes(quotaBytes)} at most`;
  composer.add(
    { op: "OP_OVX_AUTH", ovx, dnet, expiresAt, quotaBytes },
    null,
    `serves the dnet ${formatId(dnet)}${until}${most}`,
  );
  return { steps: composer.steps, networkKey: null };
}

export function revoke(desk: Desk, ovx: Uint8Array, dnet: Uint8Array): Draft {
  const { composer } = continueRecord(desk, ovx, "ovx");
  if (!desk.store.isAuthorised(ovx, dnet)) {
    throw new DnetError("NOT_AUTHORISED", `the dnet ${formatId(dnet)} is not one that this cloud or relay serves`);
  }
  composer.add({ op: "OP_OVX_REVOKE", ovx, dnet }, null, `serves the dnet ${formatId(dnet)} no more`);
  return { steps: composer.steps, networkKey: null };
}

/** For good. */
export function closeOvx(desk: Desk, ovx: Uint8Array): Draft {
  const { composer, record } = continueRecord(desk, ovx, "ovx");
  composer.add({ op: "OP_OVX_CLOSE", ovx }, null, `closes ${record.name ?? formatId(ovx)} for good`);
  return { steps: composer.steps, networkKey: null };
}

function bodyOf(desk: Desk, ovx: Uint8Array, op: "OP_OVX_CREATE" | "OP_OVX_UPDATE", fields: OvxFields): Uint8Array {
  const { key, kind, isListed, addresses } = fields;
  checkKey(key);
  if (addresses.length > MAX_OVX_ADDRESSES) {
    throw new DnetError(
      "TOO_MANY_ADDRESSES",
      `${addresses.length} addresses; at most ${MAX_OVX_ADDRESSES} can be named`,
    );
  }
  const wrong = addresses.find((address, i) => !isHostPort(address) || addresses.indexOf(address) !== i);
  if (wrong !== undefined) {
    throw new DnetError("ADDRESS_INVALID", `${JSON.stringify(wrong.slice(0, 100))} is no address, or named twice`, {
      hint: "HOST:PORT, as in cloud.example.org:1776, 192.0.2.1:1776 or [2001:db8::1]:1776",
      failure: "usage",
    });
  }
  return sealBody(desk.random, ovx, op, null, { admission: encodeOvx({ kind, isListed, addresses }) });
}

function wordFor(kind: OvxContent["kind"]): string {
  return kind === "ovc" ? "cloud" : "relay";
}
