/** A dnet for people, and the same as JSON; as it is now, or as it was at some moment. Never a secret of it. */
import { counted, countedBytes } from "../base/counted.ts";
import { formatIp, formatPrefix } from "../base/ip.ts";
import { momentText } from "../base/moment-text.ts";
import { formatPublicKey } from "../base/public-key.ts";
import { ula48 } from "../overlay/dnetdb/addresses.ts";
import type { DnetView, InvitationView, MemberView } from "../overlay/dnetdb/dnet-view.ts";
import { formatId } from "../overlay/dnetdb/ids.ts";
import type { AttachedView } from "../overlay/dnetdb/ovx-view.ts";
import { tableText } from "./dht-text.ts";
import { isoMoment } from "./moments.ts";
import { ownersFacts, ownersText } from "./owners.ts";

/** Whose machine looks at it. */
export interface Beholder {
  readonly ownerKeyHash: Uint8Array;
  readonly nodeKey: Uint8Array;
  /** Ms since 1970: what has expired by then, has. */
  readonly now: number;
}

export type Row = readonly [label: string, text: string | null];

/** One block of facts, then members, then invitations. `more`: rows of the caller's. */
export function dnetText(view: DnetView, beholder: Beholder, more: readonly Row[] = []): string {
  const { name, isPrivate, isClosed } = view;
  const kind = `${isClosed ? "closed, " : ""}${isPrivate ? "private" : "public"}`;
  const rows: Row[] = [
    ["id", formatId(view.id)],
    ["owner", ownerText(view, beholder)],
    ["addresses", addressesText(view)],
    ...view.ovxs.map((ovx): Row => [ovx.kind === "ovr" ? "relay" : "cloud", attachedText(ovx, beholder.now)]),
    ["incomplete", missingText(view, beholder.now)],
    ["policy", policyText(view)],
    ...more,
    ...view.flaws.map((flaw): Row => ["flaw", flaw]),
  ];
  const blocks = [`${name ?? "(sealed)"} (${kind})\n${rowsText(rows)}`, membersText(view, beholder)];
  return blocks.filter((block) => block !== "").join("\n");
}

export function membersText(view: DnetView, { nodeKey, now }: Beholder): string {
  const { members, invitations, reads } = view;
  const table = [
    ...members.map((member) => memberRow(member, nodeKey)),
    ...invitations.map((invitation) => invitationRow(invitation, now)),
  ];
  const count = view.sealed > 0 ? `addresses whose holders are sealed: ${view.sealed}; ` : "";
  const sealed = reads === "everything" ? "" : `${count}${SEALED[reads]}\n`;
  if (table.length === 0) return sealed || "no members\n";
  return `${tableText(["MEMBER", "ADDRESS", "IPV6", "KEY", "SINCE"], table)}${sealed}`;
}

export function dnetFacts(view: DnetView, now: number): object {
  const { id, name, isPrivate, reads, range4, epoch, height, head, isClosed, lock, members, policy, sealed, flaws } =
    view;
  return {
    dnet: formatId(id),
    name,
    isPrivate,
    isClosed,
    reads,
    range4: range4 && formatPrefix(range4),
    range6: formatPrefix(ula48(id)),
    ...ownersFacts(lock),
    epoch,
    height,
    head: formatId(head),
    members: members.map(memberFacts),
    invitations: view.invitations.map((invitation) => invitationFacts(invitation, now)),
    sealed,
    ovxs: view.ovxs.map((ovx) => attachedFacts(ovx, now)),
    missing: missingKinds(view, now),
    policy,
    flaws,
  };
}

export function memberFacts({ publicKey, c2pkh, name, addresses, how, at, transaction }: MemberView): object {
  const texts = addresses.map(formatIp);
  return {
    name,
    publicKey: formatPublicKey(publicKey),
    c2pkh,
    addresses: texts,
    how,
    at: isoMoment(at),
    transaction: formatId(transaction),
  };
}

export function invitationFacts({ address, name, expiresAt, at, transaction }: InvitationView, now: number): object {
  const isExpired = expiresAt !== null && expiresAt < now;
  const when = { at: isoMoment(at), expiresAt: isoMoment(expiresAt), isExpired };
  return { name, address: formatIp(address), ...when, transaction: formatId(transaction) };
}

function attachedFacts(ovx: AttachedView, now: number): object {
  const { id, name, kind, isListed, key, addresses, isClosed, expiresAt, quotaBytes } = ovx;
  const serves = { isAuthorised: doesServe(ovx, now), expiresAt: isoMoment(expiresAt), quotaBytes };
  return { ovx: formatId(id), name, kind, isListed, key: key && formatPublicKey(key), addresses, isClosed, ...serves };
}

/** What a dnet lacks to be complete: a cloud to be found by, a relay where nothing else gets through. */
function missingKinds({ ovxs }: DnetView, now: number): ("cloud" | "relay")[] {
  const has = (kind: AttachedView["kind"]) => ovxs.some((ovx) => ovx.kind === kind && doesServe(ovx, now));
  return [...(has("ovc") ? [] : ["cloud" as const]), ...(has("ovr") ? [] : ["relay" as const])];
}

/** Its owner lets it, and it is still there. */
function doesServe({ isAuthorised, isClosed, expiresAt }: AttachedView, now: number): boolean {
  return isAuthorised && !isClosed && (expiresAt === null || expiresAt > now);
}

function memberRow({ name, addresses, publicKey, at }: MemberView, nodeKey: Uint8Array): string[] {
  const isSelf = formatPublicKey(nodeKey) === formatPublicKey(publicKey);
  const derived = addresses.at(-1)!;
  const given = addresses.slice(0, -1).map(formatIp).join(", ");
  const who = `${name ?? "(unnamed)"}${isSelf ? " (this machine)" : ""}`;
  return [who, given || "-", formatIp(derived), formatPublicKey(publicKey), momentText(at)];
}

function invitationRow({ name, address, expiresAt }: InvitationView, now: number): string[] {
  const state = expiresAt === null ? "open" : expiresAt < now ? "expired" : `until ${momentText(expiresAt)}`;
  return [`${name ?? "(unnamed)"} (invited)`, formatIp(address), "", "", state];
}

function ownerText({ lock }: DnetView, { ownerKeyHash }: Beholder): string {
  return ownersText(lock, ownerKeyHash);
}

function addressesText({ id, range4 }: DnetView): string {
  return [...(range4 ? [formatPrefix(range4)] : []), formatPrefix(ula48(id))].join(", ");
}

function attachedText(ovx: AttachedView, now: number): string {
  const { name, id, addresses, isClosed, isAuthorised, expiresAt, quotaBytes } = ovx;
  const isOver = expiresAt !== null && expiresAt <= now;
  const serves = isClosed
    ? "closed"
    : !isAuthorised
      ? "not authorised by its owner"
      : isOver
        ? `authorisation expired ${momentText(expiresAt)}`
        : `authorised${expiresAt === null ? "" : ` until ${momentText(expiresAt)}`}`;
  const quota = quotaBytes === null ? "" : `, ${countedBytes(quotaBytes)} at most`;
  return `${name ?? formatId(id)}${addresses.length > 0 ? ` at ${addresses.join(", ")}` : ""}: ${serves}${quota}`;
}

function missingText(view: DnetView, now: number): string | null {
  const missing = missingKinds(view, now);
  return missing.length === 0 || view.isClosed
    ? null
    : `no ${missing.join(" and no ")} serves it: dnet ovx list, dnet net attach`;
}

function policyText({ policy }: DnetView): string {
  if (!policy) return "(sealed)";
  const { witnesses, needConfirmation, rules } = policy;
  const confirmed = needConfirmation ? "members confirm by dnet accept" : "members take part unasked";
  return `a step is final when ${counted(witnesses, "cloud")} witnessed it, ${confirmed}, ${counted(rules.length, "rule")}`;
}

const SEALED: { readonly [Reads in DnetView["reads"]]: string } = {
  everything: "",
  past: "this machine does not have the newest network key: who came with it is sealed",
  keys: "this machine sees whose keys are admitted alone",
  nothing: "this machine has no key of this dnet",
};

/** Labels in one column, and what they say in the next. */
export function rowsText(rows: readonly Row[]): string {
  const shown = rows.filter((row): row is readonly [string, string] => row[1] !== null);
  const width = Math.max(...shown.map(([label]) => label.length));
  return shown.map(([label, text]) => `  ${label.padEnd(width)}  ${text}\n`).join("");
}
