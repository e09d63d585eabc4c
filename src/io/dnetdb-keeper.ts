/** Keeps records in the DHT, and this machine where those are found who share them. When what is due: `publishing.ts`. */
import type { Address } from "../base/address.ts";
import { DnetError } from "../base/error.ts";
import type { KeyPair } from "../crypto/ed25519.ts";
import { dhtTopic } from "../overlay/dnetdb/dht-record.ts";
import { type Kept, Publishing, type PublishingOutput } from "../overlay/dnetdb/publishing.ts";
import type { Store } from "../overlay/dnetdb/store.ts";
import { type Published, publishRecord } from "./dnetdb-dht.ts";
import { drive } from "./drive.ts";
import type { Gateway } from "./gateway/gateway.ts";

export interface Keeper {
  /** From now on these, and no others. */
  keep(kept: Kept): void;
  /** The store may have changed. */
  changed(): void;
  /** What is under way ends by itself, or with the gateway. */
  close(): void;
}

export interface KeeperOptions {
  readonly store: Store;
  readonly gateway: Gateway;
  /** By which whoever looks for a replica calls this machine: it listens under it. */
  readonly keyPair: KeyPair;
  /** The nodes that lead to it, as `Server.nodes` has them. */
  readonly nodes: () => readonly Address[];
  /** A record was looked after: null when it is too long, or not here. */
  readonly onPublished?: (record: Uint8Array, published: Published | null) => void;
}

export function keepInDht({ store, gateway, keyPair, nodes, onPublished }: KeeperOptions): Keeper {
  const publishing = new Publishing(store);
  let isClosed = false;
  const work = async (output: PublishingOutput) => {
    const { type, record } = output;
    if (type === "announce") return gateway.announce(dhtTopic(record), keyPair, nodes()).finished();
    const published = await publishRecord(gateway, store, record, output.values);
    if (!isClosed) onPublished?.(record, published);
  };
  const driven = drive<PublishingOutput>(publishing, (output) => {
    if (isClosed) return;
    const done = (isDone: boolean) => isClosed || driven.input((now) => publishing.done(now, output, isDone));
    work(output).then(
      () => done(true),
      (error) => {
        if (!(error instanceof DnetError)) throw error;
        done(false); // the network is away: it is tried again
      },
    );
  });
  return {
    keep: (kept) => driven.input((now) => publishing.keep(now, kept)),
    changed: () => driven.input((now) => publishing.changed(now)),
    close() {
      isClosed = true;
      driven.stop();
    },
  };
}
