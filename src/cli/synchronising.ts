/** One exchange of records with one other replica. */
import { DnetError } from "../base/error.ts";
import { formatPublicKey } from "../base/public-key.ts";
import { connectUnix, replicate } from "../io/dnetdb-sync.ts";
import { withPeer } from "./dht-streams.ts";
import type { DnetDbSession } from "./dnetdb-session.ts";
import { answerPending } from "./joining.ts";
import { Progress } from "./progress.ts";
import { interestsOf } from "./replicating.ts";

/** A dnet tells of its clouds, and an invitation is answered: two more rounds; further ones would be of no use. */
const MAX_ROUNDS = 3;

export interface Exchange {
  /** A machine's key, or the path of a socket. */
  readonly to: Uint8Array | string;
  /** Records to be asked for beside those that are here. */
  readonly more: readonly Uint8Array[];
  readonly isAll: boolean;
  readonly timeoutMs: number;
  readonly network: { readonly bootstrap: readonly string[]; readonly via: string | undefined };
}

type Connect = () => Promise<Parameters<ReturnType<typeof replicate>["attach"]>[0]>;

/** Returns the records that have changed here. Throws DnetError when it is not done in time; what has come stays. */
export async function synchronise(session: DnetDbSession, exchange: Exchange): Promise<Uint8Array[]> {
  const { to, network } = exchange;
  if (typeof to === "string") return rounds(session, exchange, () => connectUnix(to));
  return withPeer(network, session.wallet.nodeKeyPair, session.context, (gateway) =>
    rounds(session, exchange, async () => {
      const stream = gateway.connect(to);
      await stream.opened;
      return stream;
    }),
  );
}

async function rounds(
  session: DnetDbSession,
  { to, more, isAll, timeoutMs }: Exchange,
  connect: Connect,
): Promise<Uint8Array[]> {
  const changed = new Map<string, Uint8Array>();
  const name = typeof to === "string" ? to : formatPublicKey(to);
  const progress = new Progress(session.terminal);
  const late = Promise.withResolvers<never>();
  late.promise.catch(() => {}); // whoever waits is told
  const deadline = setTimeout(() => late.reject(tooLate(name, timeoutMs)), timeoutMs);
  const replication = replicate(session.store, {
    onNews: ({ record }) => {
      changed.set(record.toHex(), record);
      progress.note(() => `${changed.size} records have changed`);
    },
  });
  try {
    for (let round = 0, asked = -1; round < MAX_ROUNDS; round++) {
      const interests = interestsOf(session, more);
      const isNew = isAll ? round === 0 : interests.length > asked;
      const isAnswered = round > 0 && answerPending(session);
      if (!isNew && !isAnswered) break;
      asked = interests.length;
      const stream = await Promise.race([connect(), late.promise]);
      const link = replication.attach(stream, { peer: name, interests: isAll ? "all" : interests });
      await Promise.race([link.settled, late.promise]).finally(() => link.close());
    }
    return [...changed.values()];
  } finally {
    clearTimeout(deadline);
    progress.end();
    replication.close();
  }
}

function tooLate(name: string, timeoutMs: number): DnetError {
  return new DnetError("TIMED_OUT", `not in step with ${name} within ${timeoutMs / 1_000} s; what has come stays`, {
    failure: "unreachable",
    hint: "again, or a longer --timeout",
  });
}
