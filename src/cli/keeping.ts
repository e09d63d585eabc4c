/** What `dnet db serve --dht` keeps in the DHT. */
import type { Published } from "../io/dnetdb-dht.ts";
import { type Keeper, keepInDht } from "../io/dnetdb-keeper.ts";
import type { Gateway } from "../io/gateway/gateway.ts";
import type { Server } from "../io/gateway/server.ts";
import { formatId } from "../overlay/dnetdb/ids.ts";
import type { DnetDbSession } from "./dnetdb-session.ts";
import { publishedWords } from "./published-words.ts";
import { interestsOf, ownRecords, withAttached } from "./replicating.ts";

/** How often is asked anew which records are kept; that one of them has changed is seen at each look. */
const LOOKS_BETWEEN = 60;

export interface Keeping {
  /** Once a second: the store may have changed. */
  look(): void;
  close(): void;
}

/** This machine's own records and those `named` are put there; all that are here are announced. `server` listens by the node key. */
export function keepRecords(
  session: DnetDbSession,
  gateway: Gateway,
  server: Server,
  named: readonly Uint8Array[],
): Keeping {
  const { store, wallet } = session;
  const keeper: Keeper = keepInDht({
    store,
    gateway,
    keyPair: wallet.nodeKeyPair,
    nodes: () => server.nodes,
    onPublished: (record: Uint8Array, published: Published | null) =>
      session.printWords(publishedWords(formatId(record), published)),
  });
  let looks = 0;
  return {
    look() {
      keeper.changed();
      if (looks++ % LOOKS_BETWEEN > 0) return;
      const shared = interestsOf(session).filter((id) => store.headOf(id));
      keeper.keep({ published: withAttached(store, [...named, ...ownRecords(session)]), shared });
    },
    close: () => keeper.close(),
  };
}
