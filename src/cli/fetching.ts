/** A record by nothing but its id. */
import { type Discovered, discover } from "../io/dnetdb-discovery.ts";
import { replicate } from "../io/dnetdb-sync.ts";
import { withPeer } from "./dht-streams.ts";
import type { DnetDbSession } from "./dnetdb-session.ts";
import { answerPending } from "./joining.ts";
import { Progress } from "./progress.ts";

export interface Fetch {
  readonly id: Uint8Array;
  readonly timeoutMs: number;
  readonly network: { readonly bootstrap: readonly string[]; readonly via: string | undefined };
}

/** What has come by the time that is over is in the store. Throws DnetError when the DHT cannot be asked. */
export function fetchById(session: DnetDbSession, { id, timeoutMs, network }: Fetch): Promise<Discovered> {
  const { store, context } = session;
  // By a key that says nothing: anyone may announce that they share a record, to learn who asks for it.
  return withPeer(network, undefined, context, async (gateway) => {
    const progress = new Progress(context.terminal);
    const replication = replicate(store, { onNews: () => progress.note(() => "records come in") });
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const found = await discover({ gateway, store, replication, signal }, id);
      // Whoever was in step hears of the join.
      if (answerPending(session) && found.replicas > 0) await discover({ gateway, store, replication, signal }, id);
      return found;
    } finally {
      progress.end();
      replication.close();
    }
  });
}
