/**
 * What an owner does with a dnet as a whole: makes it, chooses who serves it and by what policy, gives it new keys, hands it
 * on, ends it.
 */
import { counted } from "../../base/counted.ts";
import { DnetError } from "../../base/error.ts";
import type { Prefix } from "../../base/ip.ts";
import { defaultRange4 } from "./addresses.ts";
import { EMPTY, encodeCreate, encodeKeyForOne, encodeWraps, MAX_BODY_BYTES } from "./contents.ts";
import { beginRecord, type Composer, checkName, continueRecord, type Desk, type Draft, readableDnet } from "./desk.ts";
import type { DnetView } from "./dnet-view.ts";
import { formatC2pkh, formatId } from "./ids.ts";
import { type Lock, sameLock } from "./lock.ts";
import { deriveKey, NETWORK_KEY_BYTES, type NetworkKey } from "./network-key.ts";
import { policyFlaw } from "./policy.ts";
import { MOST_AHEAD_MS } from "./rules.ts";
import { sealBody, wrapForAll, wrapForOne } from "./sealing.ts";

/** A new network key takes 64 bytes for each, in a body of 1 MiB; the rest is for clouds and relays. */
const MAX_PRIVATE_MEMBERS = 16_000;

/** `range4`: where the members' IPv4 addresses lie; null for none, "default" for 10.x.0.0/16. */
export function createDnet(
  desk: Desk,
  options: {
    readonly lock: Lock;
    readonly name: string;
    readonly isPrivate: boolean;
    readonly range4: Prefix | null | "default";
  },
): Draft & { readonly dnet: Uint8Array; readonly range4: Prefix | null } {
  const { lock, name, isPrivate } = options;
  checkName(name);
  const { random } = desk;
  const { composer, record: dnet } = beginRecord(desk, lock);
  const range4 = options.range4 === "default" ? defaultRange4(dnet) : options.range4;
  const networkKey = isPrivate ? { epoch: 0, key: random.bytes(NETWORK_KEY_BYTES) } : null;
  const body = sealBody(random, dnet, "OP_DNET_CREATE", networkKey, {
    open: networkKey ? encodeWraps(wrapForAll(random, { dnet, epoch: 0 }, networkKey.key, desk.ownerKeys, [])) : EMPTY,
    members: encodeCreate({ name, range4, slotKey: isPrivate ? random.bytes(NETWORK_KEY_BYTES) : null }),
  });
  composer.add(
    { op: "OP_DNET_CREATE", dnet, name: isPrivate ? null : name },
    body,
    `creates the ${isPrivate ? "private" : "public"} dnet ${name}`,
  );
  return { steps: composer.steps, networkKey, dnet, range4 };
}

/** A new epoch of a private dnet's network key, for all that belong. */
export function rekey(desk: Desk, dnet: Uint8Array): Draft {
  const { composer } = continueRecord(desk, dnet, "dnet");
  const view = readableDnet(desk, dnet);
  if (!view.isPrivate) {
    throw new DnetError("DNET_PUBLIC", `the dnet ${formatId(dnet)} is public: its record has no key`);
  }
  return { steps: composer.steps, networkKey: addKey(desk, composer, view) };
}

/**
 * `view`: as it is after the steps so far. The members, owners, open invitations, and attached clouds and relays get the new
 * key: who has joined and is not heard of yet gets it by the invitation.
 */
export function addKey(desk: Desk, composer: Composer, view: DnetView): NetworkKey {
  const { random, now } = desk;
  const { id: dnet, members, sealed } = view;
  const before = view.networkKey!;
  const networkKey = { epoch: before.epoch + 1, key: random.bytes(NETWORK_KEY_BYTES) };
  // Clouds take joins for so long after its end; the seed stands in those, for who joined meanwhile.
  const invited = view.invitations.filter(({ expiresAt }) => expiresAt === null || expiresAt > now - MOST_AHEAD_MS);
  const readers = [
    ...desk.ownerKeys,
    ...members.map(({ publicKey }) => publicKey),
    ...invited.flatMap(({ seedKey }) => seedKey ?? []),
  ];
  const ovxs = view.ovxs.flatMap(({ id: ovx, key, isClosed }) => (key && !isClosed ? [{ ovx, key }] : []));
  const body = sealBody(random, dnet, "OP_DNET_KEY", networkKey, {
    open: encodeWraps(wrapForAll(random, { dnet, epoch: networkKey.epoch }, networkKey.key, readers, ovxs)),
    admission: deriveKey(dnet, before.key, "admission"),
    members: before.key,
  });
  if (body.length > MAX_BODY_BYTES) throw tooMany(readers.length);
  const leftOut = sealed > 0 ? `; ${sealed} whose steps cannot be read go without` : "";
  const guests = `${invited.length} who ${invited.length === 1 ? "is" : "are"} invited`;
  const known = [
    ...(members.length > 0 ? [counted(members.length, "member")] : []),
    ...(invited.length > 0 ? [guests] : []),
  ];
  const note = `gives a new network key to ${known.join(" and ") || "nobody but its owners"}${leftOut}`;
  composer.add({ op: "OP_DNET_KEY", dnet, epoch: networkKey.epoch }, body, note);
  return networkKey;
}

/** That so many more can come: where no new network key can be given to all, nobody can be removed. */
export function checkRoom({ isPrivate, members, invitations }: DnetView, more: number): void {
  const count = members.length + invitations.length + more;
  if (isPrivate && count > MAX_PRIVATE_MEMBERS) throw tooMany(count);
}

function tooMany(count: number): DnetError {
  return new DnetError("TOO_MANY_MEMBERS", `${count} are more than a private dnet's network key can be given to`, {
    hint: `a private dnet has ${MAX_PRIVATE_MEMBERS} members and invitations at most; a public one any number`,
  });
}

/** Lets a cloud or relay serve the dnet, as far as its own owner authorises that. */
export function attach(desk: Desk, dnet: Uint8Array, ovx: Uint8Array): Draft {
  const { composer } = continueRecord(desk, dnet, "dnet");
  const { record } = continueRecord(desk, ovx, "ovx");
  const { store, random } = desk;
  if (store.isAttached(dnet, ovx)) {
    throw new DnetError("ALREADY_ATTACHED", `${record.name ?? formatId(ovx)} is attached to this dnet already`);
  }
  const isPrivate = store.record(dnet)!.isPrivate;
  const networkKey = isPrivate ? readableDnet(desk, dnet).networkKey! : null;
  const admission = networkKey && deriveKey(dnet, networkKey.key, "admission");
  const wrap = admission && wrapForOne(random, { dnet, epoch: networkKey.epoch, ovx }, record.key!, admission);
  if (networkKey && !wrap) {
    throw new DnetError("KEY_INVALID", `the key of ${record.name ?? formatId(ovx)} is no public key`, {
      hint: "its owner has to give it another: dnet ovx update",
    });
  }
  const body = sealBody(random, dnet, "OP_DNET_OVX", networkKey, { open: wrap ? encodeKeyForOne(wrap) : EMPTY });
  composer.add({ op: "OP_DNET_OVX", dnet, ovx }, body, `attaches ${record.name ?? formatId(ovx)}`);
  return { steps: composer.steps, networkKey: null };
}

/** In a private dnet with a new key, so that it does not learn who is admitted later. */
export function detach(desk: Desk, dnet: Uint8Array, ovx: Uint8Array): Draft {
  const { composer } = continueRecord(desk, dnet, "dnet");
  const { store } = desk;
  const name = store.view(ovx)?.name ?? formatId(ovx);
  if (!store.isAttached(dnet, ovx)) throw new DnetError("NOT_ATTACHED", `${name} is not attached to this dnet`);
  const view = store.record(dnet)!.isPrivate ? readableDnet(desk, dnet) : null;
  composer.add({ op: "OP_DNET_OVX_REMOVE", dnet, ovx }, null, `detaches ${name}`);
  if (!view) return { steps: composer.steps, networkKey: null };
  const ovxs = view.ovxs.filter(({ id }) => formatId(id) !== formatId(ovx));
  return { steps: composer.steps, networkKey: addKey(desk, composer, { ...view, ovxs }) };
}

/** `text`: the whole policy, a JSON document. */
export function setPolicy(desk: Desk, dnet: Uint8Array, text: string): Draft {
  const { composer } = continueRecord(desk, dnet, "dnet");
  const flaw = policyFlaw(text);
  if (flaw !== null) {
    throw new DnetError("POLICY_INVALID", `that is no policy: ${flaw}`, {
      hint: "as dnet net policy prints it",
      failure: "configuration",
    });
  }
  const { networkKey } = readableDnet(desk, dnet);
  const body = sealBody(desk.random, dnet, "OP_DNET_POLICY", networkKey, { members: new TextEncoder().encode(text) });
  composer.add({ op: "OP_DNET_POLICY", dnet }, body, "sets the policy");
  return { steps: composer.steps, networkKey: null };
}

/**
 * The record goes to other owners, for good. Of a private dnet they get no key by that: they have to be members, or be told it.
 */
export function transfer(desk: Desk, dnet: Uint8Array, to: Lock): Draft {
  const { composer, record } = continueRecord(desk, dnet, "dnet");
  const owners = to.keyHashes.map(formatC2pkh).join(", ");
  if (sameLock(record.lock, to)) throw new DnetError("SAME_OWNER", `the dnet belongs to ${owners} already`);
  const needed = to.keyHashes.length > 1 ? `${to.needed} of ` : "";
  composer.add({ op: "OP_DNET_TRANSFER", dnet }, null, `hands the dnet over to ${needed}${owners}`, { to });
  return { steps: composer.steps, networkKey: null };
}

/** For good. */
export function closeDnet(desk: Desk, dnet: Uint8Array): Draft {
  const { composer, record } = continueRecord(desk, dnet, "dnet");
  composer.add({ op: "OP_DNET_CLOSE", dnet }, null, `closes the dnet ${record.name ?? formatId(dnet)} for good`);
  return { steps: composer.steps, networkKey: null };
}
