/** How an invitation is answered: at once, or as soon as the records of its dnet are here. */
import { DnetError } from "../base/error.ts";
import { formatIp } from "../base/ip.ts";
import { formatPublicKey } from "../base/public-key.ts";
import { join } from "../overlay/dnetdb/desk-members.ts";
import { findMember } from "../overlay/dnetdb/dnet-view.ts";
import { formatId } from "../overlay/dnetdb/ids.ts";
import { type Invitation, parseInvitation } from "../overlay/dnetdb/invitation.ts";
import { accept, carryOut } from "./carry-out.ts";
import type { OwnerValues } from "./dnetdb-options.ts";
import type { DnetDbSession } from "./dnetdb-session.ts";
import { membershipOf } from "./membership.ts";

/** Throws DnetError; the invitation is kept when all that is missing are the dnet's records. */
export function answer(
  session: DnetDbSession,
  values: OwnerValues,
  invitation: Invitation,
  name: string | null,
): Promise<void> {
  const { dnet } = invitation;
  const { wallet, list, store } = session;
  const { publicKey } = wallet.nodeKeyPair;
  const facts = { dnet: formatId(dnet), publicKey: formatPublicKey(publicKey) };
  const schema = "dnet.join/1";
  return carryOut(session, values, () => {
    const { view, isMember } = membershipOf(session, dnet);
    if (view && isMember) {
      const member = findMember(view, formatPublicKey(publicKey))!;
      list.set(dnet, { name: view.name, networkKey: view.networkKey, isAccepted: true });
      const address = formatIp(member.addresses[0]!);
      const named = { ...facts, name: view.name, memberName: member.name, address };
      const words = "this machine is a member already\n";
      return { steps: [], record: dnet, schema, facts: named, text: `${address}\n`, words };
    }
    if (!store.transaction(invitation.transaction)) throw notHereYet(invitation);
    const { steps, networkKey, address, name: memberName } = attempt(session, invitation, name);
    const dnetName = view?.name ?? null;
    return {
      steps,
      networkKey,
      record: dnet,
      listed: { name: dnetName, isAccepted: true },
      schema,
      facts: { ...facts, name: dnetName, memberName, address: formatIp(address) },
      text: `${formatIp(address)}\n`,
    };
  });
}

/** Those that wait for records which may have come; whether there were any. Words for people tell what became of them. */
export function answerPending(session: DnetDbSession): boolean {
  let isAnswered = false;
  for (const { id, invitation: code, isAccepted, askedName } of session.list.read()) {
    const invitation = code === null || isAccepted ? null : parseInvitation(code);
    if (!invitation || !session.store.transaction(invitation.transaction)) continue;
    try {
      const { steps, name } = session.store.atomically(() => {
        const { steps, networkKey } = attempt(session, invitation, askedName);
        const { name } = session.view(id);
        accept(session, steps, { record: id, networkKey, listed: { name, isAccepted: true } });
        return { steps, name };
      });
      for (const { note } of steps) session.printWords(`${name ?? formatId(id)}: ${note}\n`);
      isAnswered = true;
    } catch (error) {
      if (!(error instanceof DnetError)) throw error;
      if (session.list.find(id)?.isAccepted) continue; // by another process of this machine
      session.printWords(`warning: the invitation to ${formatId(id)} could not be answered: ${error.message}\n`);
    }
  }
  return isAnswered;
}

/** An invitation that can bring nobody in is forgotten. */
function attempt(session: DnetDbSession, invitation: Invitation, name: string | null): ReturnType<typeof join> {
  const { dnet } = invitation;
  try {
    return join(session.desk(dnet), invitation, { nodeKey: session.wallet.nodeKeyPair, name });
  } catch (error) {
    if (error instanceof DnetError && error.code.startsWith("INVITATION_")) forget(session, dnet);
    throw error;
  }
}

function forget({ list }: DnetDbSession, dnet: Uint8Array): void {
  const { isAccepted, name } = list.find(dnet)!;
  if (isAccepted) return; // answered by another process of this machine
  if (name === null) list.remove(dnet);
  else list.set(dnet, { invitation: null });
}

export function noInvitation(text: string): DnetError {
  const found = text === "" ? "nothing" : `${text.length} characters that are none, or have a typo`;
  return new DnetError("BAD_INVITATION", `expected an invitation, and got ${found}`, {
    failure: "configuration",
    hint: "the whole line that dnet invite printed, from dnet1: on",
  });
}

function notHereYet({ dnet, clouds }: Invitation): DnetError {
  const [cloud] = clouds;
  const where = cloud
    ? `dnet db sync ${formatPublicKey(cloud.key)} --bootstrap ${cloud.address}`
    : `dnet db fetch ${formatId(dnet)}, dnet db sync KEY, or dnet db import`;
  return new DnetError("RECORD_ABSENT", `the records of ${formatId(dnet)} are not here yet; the invitation is kept`, {
    failure: "unreachable",
    hint: `${where}: it is answered then`,
  });
}
