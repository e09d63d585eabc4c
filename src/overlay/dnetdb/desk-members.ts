/** How members come to a dnet, and go: named by its owner, or joining by an invitation. */
import { sameBytes } from "../../base/bytes.ts";
import { DnetError } from "../../base/error.ts";
import { formatIp } from "../../base/ip.ts";
import { momentText } from "../../base/moment-text.ts";
import { formatPublicKey } from "../../base/public-key.ts";
import { type KeyPair, keyPairFromSeed } from "../../crypto/ed25519.ts";
import { sha256 } from "../../crypto/sha256.ts";
import { EMPTY, encodeInvite, encodeKeyForOne, encodePlace } from "./contents.ts";
import {
  type Composer,
  checkFuture,
  checkKey,
  checkName,
  continueRecord,
  type Desk,
  type Draft,
  readableDnet,
} from "./desk.ts";
import { addKey, checkRoom } from "./desk-dnet.ts";
import type { DnetView, MemberView } from "./dnet-view.ts";
import { formatId, keyHash } from "./ids.ts";
import { type Invitation, MAX_CLOUDS, SEED_BYTES } from "./invitation.ts";
import { type Lock, lockTo, sameLock } from "./lock.ts";
import { memberFor, Roster, slotFor } from "./roster.ts";
import type { Script } from "./script.ts";
import { sealBody, wrapForOne } from "./sealing.ts";
import { AMOUNT, draft, signTransaction } from "./transaction.ts";

export interface NewMember {
  readonly publicKey: Uint8Array;
  /** Null for none. */
  readonly name: string | null;
  /** Null: a free one is found. */
  readonly address: Uint8Array | null;
}

/** Names members; one that is a member already gets a further address, which has to be given. */
export function addMembers(
  desk: Desk,
  dnet: Uint8Array,
  members: readonly NewMember[],
): Draft & { readonly addresses: readonly Uint8Array[] } {
  const { composer } = continueRecord(desk, dnet, "dnet");
  const view = readableDnet(desk, dnet);
  checkRoom(view, members.length);
  const roster = new Roster(desk.store, view);
  const known = new Map<string, Pick<MemberView, "name" | "addresses">>();
  for (const member of view.members) known.set(member.publicKey.toHex(), member);
  const addresses = members.map(({ publicKey, name: asked, address }) => {
    const member = known.get(publicKey.toHex());
    // Each step has the name, so that it stays whichever of the addresses is taken back.
    const name = asked ?? member?.name ?? null;
    const who = name ?? formatPublicKey(publicKey);
    checkKey(publicKey);
    if (name !== null) checkName(name);
    if (member?.name && member.name !== name) throw namedAlready(name!, member.name);
    if (member && address === null) throw alreadyMember(who, member);
    roster.takeName(name, publicKey);
    const ip = roster.takeAddress(address, publicKey, who);
    known.set(publicKey.toHex(), { name, addresses: [...(member?.addresses ?? []), ip] });
    const body = sealBody(desk.random, dnet, "OP_DNET_NODE", view.networkKey, {
      open: keyFor(desk, view, publicKey),
      admission: publicKey,
      members: encodePlace({ ip, name }),
    });
    const words = { op: "OP_DNET_NODE", dnet, slot: slotFor(view, ip), member: memberFor(view, publicKey) } as const;
    composer.add(words, body, `adds ${who} at ${formatIp(ip)}`);
    return ip;
  });
  return { steps: composer.steps, networkKey: null, addresses };
}

/** With all of their addresses; a private dnet gets a new network key, which they do not. */
export function removeMembers(desk: Desk, dnet: Uint8Array, publicKeys: readonly Uint8Array[]): Draft {
  const { composer } = continueRecord(desk, dnet, "dnet");
  const view = readableDnet(desk, dnet);
  const gone = new Set<MemberView>();
  for (const publicKey of publicKeys) {
    const member = view.members.find((each) => sameBytes(each.publicKey, publicKey));
    if (!member) {
      const who = formatPublicKey(publicKey);
      throw new DnetError("NOT_A_MEMBER", `${who} is no member of this dnet`, { failure: "unknown-peer" });
    }
    gone.add(member);
  }
  return takeBack(
    desk,
    composer,
    view,
    [...gone].flatMap(({ given }) => given),
  );
}

/**
 * One of a member's addresses, or the invitation to it. Whoever held that has the network key, so a private dnet gets a new
 * one.
 */
export function removeAddress(desk: Desk, dnet: Uint8Array, ip: Uint8Array): Draft {
  const { composer } = continueRecord(desk, dnet, "dnet");
  const view = readableDnet(desk, dnet);
  if (desk.store.hasSlot(dnet, slotFor(view, ip))) return takeBack(desk, composer, view, [ip]);
  throw new DnetError("ADDRESS_UNKNOWN", `nobody was given ${formatIp(ip)} in this dnet`, { failure: "unknown-peer" });
}

/** Reserves an address for whoever has the invitation. */
export function invite(
  desk: Desk,
  dnet: Uint8Array,
  { name, address, expiresAt }: Omit<NewMember, "publicKey"> & { readonly expiresAt: number | null },
): Draft & { readonly invitation: Invitation; readonly address: Uint8Array } {
  const { composer } = continueRecord(desk, dnet, "dnet");
  const view = readableDnet(desk, dnet);
  checkRoom(view, 1);
  const { networkKey } = view;
  if (name !== null) checkName(name);
  checkFuture(expiresAt, desk.now);
  const seed = desk.random.bytes(SEED_BYTES);
  const { publicKey: seedKey } = keyPairFromSeed(seed);
  const roster = new Roster(desk.store, view);
  roster.takeName(name, seedKey);
  const ip = roster.takeAddress(address, seedKey, "an invitation");
  const body = sealBody(desk.random, dnet, "OP_DNET_INVITE", networkKey, {
    members: encodeInvite({ ip, name, seedKey }),
  });
  const words = { op: "OP_DNET_INVITE", dnet, slot: slotFor(view, ip), expiresAt } as const;
  const note = `invites ${name ?? "someone"} to ${formatIp(ip)}`;
  const transaction = composer.add(words, body, note, { second: lockToKey(seedKey) });
  const invitation = { dnet, transaction, seed, networkKey, clouds: cloudsOf(view) };
  return { steps: composer.steps, networkKey: null, invitation, address: ip };
}

/**
 * What who is invited answers, signed. The dnet's record has to be here. The draft's network key is the dnet's newest, which a
 * member keeps; the name is what it is called: as the owner has said, and else as asked for.
 */
export function join(
  desk: Desk,
  invitation: Invitation,
  { nodeKey, name: asked }: { readonly nodeKey: KeyPair; readonly name: string | null },
): Draft & { readonly address: Uint8Array; readonly name: string | null } {
  const { dnet } = invitation;
  continueRecord(desk, dnet, "dnet");
  const { publicKey } = nodeKey;
  const seedPair = keyPairFromSeed(invitation.seed);
  const { words, time: invitedAt } = openInvitation(desk, invitation, lockToKey(seedPair.publicKey));
  const keyPairs = [seedPair, nodeKey, ...desk.secrets.keyPairs];
  const view = readableDnet(desk, dnet, { networkKey: invitation.networkKey, keyPairs });
  const invited = view.invitations.find(({ transaction }) => sameBytes(transaction, invitation.transaction));
  if (!invited) throw unknownInvitation(dnet);
  const member = view.members.find((each) => sameBytes(each.publicKey, publicKey));
  if (member) throw alreadyMember(formatPublicKey(publicKey), member);
  const { address: ip } = invited;
  const name = invited.name ?? asked;
  if (name !== null) checkName(name);
  if (!invited.name) new Roster(desk.store, view).takeName(name, publicKey);
  const body = sealBody(desk.random, dnet, "OP_DNET_JOIN", view.networkKey, {
    // The owner may give out new keys before it hears of this: they are wrapped for the seed then.
    open: keyFor(desk, view, publicKey, invitation.seed),
    admission: publicKey,
    members: encodePlace({ ip, name }),
  });
  const lock = view.isPrivate ? lockToKey(seedPair.publicKey) : lockToKey(publicKey);
  const script: Script = { op: "OP_DNET_JOIN", dnet, slot: words.slot, member: memberFor(view, publicKey), lock };
  const transaction = draft({
    time: Math.max(desk.now, invitedAt),
    input: { transaction: invitation.transaction, output: 1 },
    outputs: [{ amount: AMOUNT, script }],
    bodyHash: sha256(body),
  });
  const step = {
    transaction: signTransaction(transaction, seedPair),
    body,
    lock: lockToKey(seedPair.publicKey),
    note: `joins as ${name ?? formatPublicKey(publicKey)} at ${formatIp(ip)}`,
  };
  return { steps: [step], networkKey: view.networkKey, address: ip, name };
}

/** Throws DnetError when it can bring nobody in: unknown, used, withdrawn, over. */
function openInvitation(
  { store, now }: Desk,
  { dnet, transaction: id }: Invitation,
  lock: Lock,
): { readonly words: Script<"OP_DNET_INVITE">; readonly time: number } {
  const output = store.output({ transaction: id, output: 1 });
  const words = output?.script;
  const isIt = words?.op === "OP_DNET_INVITE" && sameBytes(words.dnet, dnet) && sameLock(words.lock, lock);
  if (!isIt) throw unknownInvitation(dnet);
  const refuse = (code: string, why: string) =>
    new DnetError(code, why, { hint: "ask the owner of the dnet for another invitation", failure: "not-authorised" });
  if (output!.spentBy) throw refuse("INVITATION_USED", "someone has joined by this invitation already");
  if (!store.hasSlot(dnet, words.slot)) throw refuse("INVITATION_WITHDRAWN", "the owner has withdrawn this invitation");
  const { expiresAt } = words;
  if (expiresAt !== null && now > expiresAt) {
    throw refuse("INVITATION_EXPIRED", `this invitation was good until ${momentText(expiresAt)}`);
  }
  return { words, time: output!.time };
}

/** `ips`: addresses that were given to someone. */
function takeBack(desk: Desk, composer: Composer, view: DnetView, ips: readonly Uint8Array[]): Draft {
  const { id: dnet } = view;
  const gone = new Set(ips.map((ip) => ip.toHex()));
  const holders = new Map<string, MemberView>();
  for (const member of view.members) for (const ip of member.given) holders.set(ip.toHex(), member);
  for (const ip of ips) {
    const member = holders.get(ip.toHex());
    const note = member
      ? `removes ${member.name ?? formatPublicKey(member.publicKey)} from ${formatIp(ip)}`
      : `withdraws the invitation to ${formatIp(ip)}`;
    composer.add({ op: "OP_DNET_NODE_REMOVE", dnet, slot: slotFor(view, ip) }, null, note);
  }
  const isGone = (ip: Uint8Array): boolean => gone.has(ip.toHex());
  // The address of its key is a member's own only while it has another, or was given it.
  const members = view.members.filter(({ given }) => !given.every(isGone));
  const invitations = view.invitations.filter(({ address }) => !isGone(address));
  const kept = new Set(members);
  const isLess = ips.some((ip) => !kept.has(holders.get(ip.toHex())!));
  const networkKey = view.isPrivate && isLess ? addKey(desk, composer, { ...view, members, invitations }) : null;
  return { steps: composer.steps, networkKey };
}

/** The network key, for who is added; with its invitation's seed, for who joins. Nothing in a public dnet. */
function keyFor(
  { random }: Desk,
  { id: dnet, networkKey }: DnetView,
  reader: Uint8Array,
  seed: Uint8Array = EMPTY,
): Uint8Array {
  const keys = networkKey && new Uint8Array([...networkKey.key, ...seed]);
  const wrap = keys && wrapForOne(random, { dnet, epoch: networkKey.epoch }, reader, keys);
  return wrap ? encodeKeyForOne(wrap) : EMPTY;
}

/** Where the dnet's record is to be had: one address of each cloud, then more. */
function cloudsOf({ ovxs }: DnetView): Invitation["clouds"] {
  const clouds = ovxs.flatMap(({ kind, key, addresses, isClosed }) =>
    kind === "ovc" && key && !isClosed ? addresses.map((address, nth) => ({ address, key, nth })) : [],
  );
  return clouds
    .sort((a, b) => a.nth - b.nth)
    .slice(0, MAX_CLOUDS)
    .map(({ address, key }) => ({ address, key }));
}

function lockToKey(publicKey: Uint8Array): Lock {
  return lockTo([keyHash(publicKey)])!;
}

function alreadyMember(who: string, { addresses }: Pick<MemberView, "addresses">): DnetError {
  const at = addresses.map(formatIp).join(", ");
  return new DnetError("ALREADY_A_MEMBER", `${who} is a member of this dnet already, at ${at}`, {
    hint: "name a further address for it, if it shall have one",
  });
}

function namedAlready(asked: string, name: string): DnetError {
  return new DnetError("ALREADY_NAMED", `the member that shall be called ${asked} is called ${name}`, {
    hint: "to give it another name, remove it and add it again",
  });
}

function unknownInvitation(dnet: Uint8Array): DnetError {
  return new DnetError("INVITATION_UNKNOWN", `the dnet ${formatId(dnet)} has no such invitation that is known here`, {
    hint: "its record may not have come yet: dnet db sync",
  });
}
