/** What this machine is in a dnet: its owner, a member, someone who is asked, someone who has yet to join. */
import { sameBytes } from "../base/bytes.ts";
import type { ListedDnet } from "../io/dnet-list.ts";
import { type DnetView, readDnet } from "../overlay/dnetdb/dnet-view.ts";
import { keyHash } from "../overlay/dnetdb/ids.ts";
import type { DnetDbSession } from "./dnetdb-session.ts";

export interface Membership {
  readonly id: Uint8Array;
  readonly name: string | null;
  /** Null when its records are not here. */
  readonly view: DnetView | null;
  readonly isOwner: boolean;
  /** Named by the owner, or joined. */
  readonly isMember: boolean;
  /** A member whose person has said so, or who need not be asked. */
  readonly takesPart: boolean;
  /** It has an invitation that it has yet to answer. */
  readonly isJoining: boolean;
}

export function membershipOf(session: DnetDbSession, id: Uint8Array): Membership {
  const { store, wallet, list } = session;
  const listed: ListedDnet | null = list.find(id);
  const view = readDnet(store, id, session.secrets(id));
  const { publicKey } = wallet.nodeKeyPair;
  const owner = keyHash(wallet.ownerPublicKey);
  const isMember = view?.members.some((member) => sameBytes(member.publicKey, publicKey)) ?? false;
  const isAsked = view?.policy?.needConfirmation ?? true;
  return {
    id,
    name: view?.name ?? listed?.name ?? null,
    view,
    isOwner: view?.lock.keyHashes.some((hash) => sameBytes(hash, owner)) ?? false,
    isMember,
    takesPart: isMember && (!isAsked || (listed?.isAccepted ?? false)),
    isJoining: !isMember && listed !== null && listed.invitation !== null && !listed.isAccepted,
  };
}

/** The list's, in its order, and then whatever else in the records names this machine. */
export function memberships(session: DnetDbSession): Membership[] {
  return [...session.list.read().map(({ id }) => membershipOf(session, id)), ...unlisted(session)];
}

/** What is not in the list, and has this machine for a member or an owner. */
export function unlisted(session: DnetDbSession): Membership[] {
  const listed = session.list.read();
  const others = session.store.state.records("dnet").filter(({ id }) => !listed.some((each) => sameBytes(each.id, id)));
  return others.map(({ id }) => membershipOf(session, id)).filter(({ isMember, isOwner }) => isMember || isOwner);
}

export function membershipText({ view, isOwner, isMember, takesPart, isJoining }: Membership): string {
  const words = [
    ...(isOwner ? ["owner"] : []),
    ...(takesPart ? ["member"] : isMember ? ["pending: dnet accept"] : []),
    ...(isJoining ? ["joining"] : []),
    ...(view?.isClosed ? ["closed"] : []),
    ...(view ? [] : ["its records are not here"]),
  ];
  return words.join(", ") || "neither owner nor member";
}

/** Of the JSON object. */
export function membershipFacts({ isOwner, isMember, takesPart, isJoining }: Membership): object {
  return { isOwner, isMember, isPending: isMember && !takesPart, takesPart, isJoining };
}
