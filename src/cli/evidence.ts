/** Who has said two things: owners whose steps spend the same, and clouds that signed two blocks that cannot both be. */
import { counted } from "../base/counted.ts";
import { formatId } from "../overlay/dnetdb/ids.ts";
import { decodeTransaction, type Transaction } from "../overlay/dnetdb/transaction.ts";
import type { CloudFork } from "../overlay/dnetdb/witness.ts";
import type { DnetDbSession } from "./dnetdb-session.ts";
import { historyOf, type LoggedStep } from "./history.ts";

export interface Conflict {
  readonly lost: LoggedStep;
  /** What spends the same; null where that has lost too: what it follows does not stand. */
  readonly stands: LoggedStep | null;
  /** C2PKH of those who signed both. */
  readonly signedBoth: readonly string[];
}

export interface Evidence {
  readonly record: Uint8Array;
  readonly name: string | null;
  readonly kind: "dnet" | "ovx";
  readonly conflicts: readonly Conflict[];
  /** Of a cloud or relay. */
  readonly fork: CloudFork | null;
}

/** Null where nobody has said two things. */
export function evidenceOf(session: DnetDbSession, record: Uint8Array): Evidence | null {
  const { store, list } = session;
  const fork = store.witnesses.fork(record);
  if (!fork && store.evidence(record).length === 0) return null;
  const steps = historyOf(session, record);
  const spent = (step: LoggedStep) => {
    const { input } = decodeTransaction(store.transaction(step.transaction)!) as Transaction;
    return input && `${input.transaction.toHex()}:${input.output}`;
  };
  const standing = new Map(steps.filter(({ status }) => status !== "lost").map((step) => [spent(step), step]));
  const conflicts = steps
    .filter(({ status }) => status === "lost")
    .map((lost) => {
      const stands = standing.get(spent(lost)) ?? null;
      return { lost, stands, signedBoth: lost.signers.filter((signer) => stands?.signers.includes(signer)) };
    });
  const { isDnet, name } = store.view(record)!;
  return { record, name: name ?? list.find(record)?.name ?? null, kind: isDnet ? "dnet" : "ovx", conflicts, fork };
}

/** How much there is of it about a record and, of a dnet, its clouds: `dnet db evidence` shows it. */
export interface EvidenceCount {
  readonly lost: number;
  /** Ids. */
  readonly forkedClouds: readonly string[];
}

export function countEvidence({ store }: DnetDbSession, record: Uint8Array): EvidenceCount {
  const ovxs = [record, ...store.attached(record).map(({ ovx }) => ovx)];
  const forked = ovxs.filter((ovx) => store.witnesses.fork(ovx) !== null);
  return { lost: store.evidence(record).length, forkedClouds: forked.map(formatId) };
}

/** One line; null where there is none. */
export function evidenceText({ lost, forkedClouds }: EvidenceCount): string | null {
  const parts = [
    ...(lost > 0 ? [`${counted(lost, "step")} lost to others that spend the same`] : []),
    ...forkedClouds.map((ovx) => `${ovx} has signed two blocks, and has no word any more`),
  ];
  return parts.length > 0 ? `${parts.join("; ")}: dnet db evidence` : null;
}
