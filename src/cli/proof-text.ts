/** What a proof proves, for people, and the same as JSON; all of it stands in clear. */
import { counted } from "../base/counted.ts";
import { momentText } from "../base/moment-text.ts";
import { formatPublicKey } from "../base/public-key.ts";
import { formatC2pkh, formatId, keyHash, recordId } from "../overlay/dnetdb/ids.ts";
import { OPERANDS } from "../overlay/dnetdb/operands.ts";
import type { Proof } from "../overlay/dnetdb/proof.ts";
import { recordOf } from "../overlay/dnetdb/rules.ts";
import { formatScript } from "../overlay/dnetdb/script.ts";
import { rowsText } from "./dnet-text.ts";
import { isoMoment } from "./moments.ts";

export function proofText(proof: Proof): string {
  const { transaction, script, signers, record, member, address } = partsOf(proof);
  const { earlier } = proof;
  const { block, position } = proof.statement;
  const later = proof.transactions.length - 1;
  return rowsText([
    ["step", `${script.op}, ${formatId(transaction.id)}`],
    ["of", record],
    ["member", member],
    ["address", address],
    ["signed", `${momentText(transaction.time)} by ${signers.join(", ")}`],
    ["script", formatScript(script)],
    ["accepted by", `the cloud ${formatId(block.ovx)}, key ${formatPublicKey(block.key)}`],
    [
      "at",
      `${momentText(block.time)}, in block ${block.height}${later > 0 ? `, ${counted(later, "step")} later` : ""}`,
    ],
    ["place", `${position} of ${block.size} in its log`],
    ["the log", earlier && `begins as in block ${earlier.block.height}, ${momentText(earlier.block.time)}`],
  ]);
}

export function proofFacts(proof: Proof): object {
  const { transaction, script, signers, record, member, address } = partsOf(proof);
  const { earlier } = proof;
  const { block, position } = proof.statement;
  return {
    transaction: formatId(transaction.id),
    op: script.op,
    record,
    member,
    address,
    time: isoMoment(transaction.time),
    signers,
    script: formatScript(script),
    cloud: formatId(block.ovx),
    key: formatPublicKey(block.key),
    acceptedAt: isoMoment(block.time),
    laterSteps: proof.transactions.length - 1,
    block: { height: block.height, size: block.size, position },
    earlier: earlier && { height: earlier.block.height, size: earlier.block.size, time: isoMoment(earlier.block.time) },
  };
}

/** `member`, `address`: null where the step names none; in a private dnet they are tags. */
function partsOf({ transactions: [transaction] }: Proof) {
  const { script } = transaction!.outputs[0]!;
  return {
    transaction: transaction!,
    script,
    signers: transaction!.signatures.map(({ publicKey }) => formatC2pkh(keyHash(publicKey))),
    record: formatId(recordOf(script) ?? recordId(transaction!.id)),
    member: "member" in script ? OPERANDS.member.format(script.member) : null,
    address: "slot" in script ? OPERANDS.slot.format(script.slot) : null,
  };
}
