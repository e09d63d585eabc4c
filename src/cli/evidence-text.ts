/** Evidence for people, and the same as JSON. */

import { momentText } from "../base/moment-text.ts";
import { formatPublicKey } from "../base/public-key.ts";
import { formatId } from "../overlay/dnetdb/ids.ts";
import type { Block } from "../overlay/dnetdb/witness.ts";
import { rowsText } from "./dnet-text.ts";
import type { Conflict, Evidence } from "./evidence.ts";
import type { LoggedStep } from "./history.ts";
import { isoMoment } from "./moments.ts";

export function evidenceShown({ record, name, kind, conflicts, fork }: Evidence): string {
  const blocks = fork ? [fork.one, fork.other] : [];
  const rows = [
    ...blocks.map((block): [string, string] => ["signed", blockText(block)]),
    ...conflicts.flatMap(conflictRows),
  ];
  const what = kind === "dnet" ? "dnet" : "cloud or relay";
  const forked = fork ? ", has signed two blocks that cannot both be, and has no word any more" : "";
  return `${name ?? "(sealed)"} (${what} ${formatId(record)})${forked}\n${rowsText(rows)}`;
}

export function evidenceFacts({ record, name, kind, conflicts, fork }: Evidence): object {
  return {
    record: formatId(record),
    name,
    kind,
    conflicts: conflicts.map(({ lost, stands, signedBoth }) => ({
      lost: stepFacts(lost),
      stands: stands && stepFacts(stands),
      signedBoth,
    })),
    blocks: fork && [fork.one, fork.other].map(blockFacts),
  };
}

function conflictRows({ lost, stands, signedBoth }: Conflict): [string, string][] {
  const instead = stands ? stepText(stands) : "nothing: what it follows has lost too";
  return [
    ["lost", stepText(lost)],
    ["instead", `${instead}${signedBoth.length > 0 ? `; both signed by ${signedBoth.join(", ")}` : ""}`],
  ];
}

function stepText({ time, effect, transaction, signers }: LoggedStep): string {
  return `${momentText(time)}  ${effect}  (${formatId(transaction)}, by ${signers.join(", ")})`;
}

function stepFacts({ transaction, time, signers, op, effect, witnesses }: LoggedStep): object {
  return { transaction: formatId(transaction), time: isoMoment(time), signers, op, effect, witnesses };
}

function blockText({ id, height, size, time, key }: Block): string {
  return `${momentText(time)}  block ${height}, ${size} in all  (${formatId(id)}, with the key ${formatPublicKey(key)})`;
}

function blockFacts({ id, height, previous, size, root, time, key }: Block): object {
  const hashes = { block: formatId(id), previous: formatId(previous), root: root.toHex() };
  return { ...hashes, height, size, time: isoMoment(time), key: formatPublicKey(key) };
}
