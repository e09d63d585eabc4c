/** What the commands about records load once one of them runs; the command table does without it. */
export { formatIp, formatPrefix, parseIp } from "../base/ip.ts";
export { formatPublicKey, parsePublicKey } from "../base/public-key.ts";
export { parseRange4 } from "../overlay/dnetdb/addresses.ts";
export { checkName } from "../overlay/dnetdb/desk.ts";
export * from "../overlay/dnetdb/desk-dnet.ts";
export * from "../overlay/dnetdb/desk-members.ts";
export * from "../overlay/dnetdb/desk-ovx.ts";
export { findMember } from "../overlay/dnetdb/dnet-view.ts";
export { formatC2pkh, formatId, keyHash, parseId } from "../overlay/dnetdb/ids.ts";
export { formatInvitation, parseInvitation } from "../overlay/dnetdb/invitation.ts";
export { sameLock } from "../overlay/dnetdb/lock.ts";
export { readOvx } from "../overlay/dnetdb/ovx-view.ts";
export { DEFAULT_POLICY, parsePolicy } from "../overlay/dnetdb/policy.ts";
export { carryOut } from "./carry-out.ts";
export { type DnetDbSession, inDnetDb } from "./dnetdb-session.ts";
export { ownersFacts, parseOwners, parseOwnerWords } from "./owners.ts";
