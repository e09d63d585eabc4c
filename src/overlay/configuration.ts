/**
 * What an application has to know of a dnet to connect its machines: whose it is, who the others are and where, and who serves them. All of
 * it follows from the dnet's record. As JSON text that is the same for the same record, so whoever writes it sees whether it has changed.
 */
import { sameBytes } from "../base/bytes.ts";
import { formatIp } from "../base/ip.ts";
import { formatPublicKey } from "../base/public-key.ts";
import type { DnetView, MemberView } from "./dnetdb/dnet-view.ts";
import { formatId } from "./dnetdb/ids.ts";
import type { AttachedView } from "./dnetdb/ovx-view.ts";

/** `self` is null for a machine that is no member; `now`: ms since 1970, for authorisations that are over. */
export function configurationText(view: DnetView, nodeKey: Uint8Array, now: number): string {
  const isSelf = ({ publicKey }: MemberView): boolean => sameBytes(publicKey, nodeKey);
  const serving = view.ovxs.filter((ovx) => !ovx.isClosed && isAuthorised(ovx, now));
  const self = view.members.find(isSelf);
  const configuration = {
    schema: "dnet.configuration/1",
    dnet: formatId(view.id),
    name: view.name,
    self: self ? memberOf(self) : null,
    peers: view.members.filter((member) => !isSelf(member)).map(memberOf),
    clouds: serving.filter(({ kind }) => kind === "ovc").map(serverOf),
    relays: serving.filter(({ kind }) => kind === "ovr").map(serverOf),
  };
  return `${JSON.stringify(configuration, null, 2)}\n`;
}

function memberOf({ name, publicKey, c2pkh, addresses }: MemberView): object {
  return { name, c2pkh, publicKey: formatPublicKey(publicKey), addresses: addresses.map(formatIp) };
}

function serverOf({ id, name, key, addresses }: AttachedView): object {
  return { id: formatId(id), name, publicKey: key && formatPublicKey(key), addresses };
}

function isAuthorised({ isAuthorised: is, expiresAt }: AttachedView, now: number): boolean {
  return is && (expiresAt === null || now <= expiresAt);
}
