import { DnetError } from "../base/error.ts";
import type { Replication, SyncLink } from "../io/dnetdb-sync.ts";
import { command } from "./command.ts";
import { networkOptions } from "./dht-options.ts";
import { stateOptions } from "./dnetdb-options.ts";
import type { Keeping } from "./keeping.ts";

/** How soon what another process of this machine has written goes on, and what is new is witnessed. */
const LOOK_EVERY_MS = 1_000;

export const dbServe = command({
  name: "serve",
  summary: "Share the records with other replicas, until Ctrl-C",
  details: [
    "With processes of this machine by a socket in the state directory; with --dht also with whoever calls its node key, by dnet db",
    "sync KEY, or knows the id of a record, by dnet db fetch ID. The records that this machine owns then stand in the DHT, too, as",
    "long as this runs. What private dnets have is sealed, so whoever calls may read all. A cloud witnesses what it accepts.",
  ].join("\n"),
  options: {
    dht: { type: "boolean", description: "to be reached by other machines, through the DHT" },
    all: {
      type: "boolean",
      description: "take every record that is offered, as a cloud does; without it those of this machine's dnets",
    },
    publish: {
      type: "string",
      isRepeated: true,
      placeholder: "RECORD,...",
      description: "with --dht: keep these in the DHT as well, as those that this machine owns",
    },
    bootstrap: networkOptions.bootstrap,
    via: networkOptions.via,
    ...stateOptions,
  },
  async run({ values }, context) {
    const { formatId, formatPublicKey, inDnetDb } = await import("./dnetdb-run.ts");
    const { connectUnix, listenUnix, replicate } = await import("../io/dnetdb-sync.ts");
    const { interestsOf, sealBlocks } = await import("./replicating.ts");
    const { keepRecords } = await import("./keeping.ts");
    const { optionConflict, splitLists } = await import("./option-values.ts");
    const { aborted, shortKey, withPeer } = await import("./dht-streams.ts");
    const isForDht = values.publish.length + values.bootstrap.length > 0 || values.via !== undefined;
    if (isForDht && !values.dht)
      throw optionConflict("--publish, --bootstrap and --via are of --dht", "--dht with them");
    const stop = context.stopSignal();
    await inDnetDb(values, context, async (session) => {
      const { store, state, wallet } = session;
      await refuseSecond(() => connectUnix(state.socket), state.socket);
      const replication = replicate(store, {
        onNews: ({ record }, from) => from !== null && session.printWords(`${from}: ${formatId(record)}\n`),
      });
      const links = new Set<SyncLink>();
      const interests = () => (values.all ? "all" : interestsOf(session));
      const take = (stream: Parameters<Replication["attach"]>[0], peer: string) => {
        try {
          const link = replication.attach(stream, { peer, interests: interests() });
          links.add(link);
          void link.closed.then((why) => {
            links.delete(link);
            if (why !== null) session.printWords(`${why}\n`);
          });
        } catch (error) {
          stream.destroy();
          if (!(error instanceof DnetError)) throw error;
          session.printWords(`warning: ${error.message}\n`);
        }
      };
      const failed = Promise.withResolvers<never>();
      failed.promise.catch(() => {}); // whoever waits is told
      const named = splitLists(values.publish).map((text) => session.record(text));
      let keeping: Keeping | null = null;
      let asked = 0;
      const look = () => {
        try {
          sealBlocks(session);
          replication.changed();
          const wanted = interests();
          if (wanted !== "all" && wanted.length !== asked) for (const link of links) link.follow(wanted);
          asked = wanted.length;
          keeping?.look();
        } catch (error) {
          failed.reject(error);
        }
      };
      const listener = await listenUnix(state.socket, (stream) => take(stream, "a process of this machine"));
      const looking = setInterval(look, LOOK_EVERY_MS);
      const serve = async (publicKey: string | null) => {
        const text = `${publicKey ?? state.socket}\n`;
        session.print(values.json, "dnet.db-serve/1", { socket: state.socket, publicKey }, text);
        session.printWords(`others: dnet db sync ${publicKey ?? state.socket}\n`);
        await Promise.race([aborted(stop), failed.promise]);
      };
      try {
        look();
        if (!values.dht) await serve(null);
        else {
          await withPeer(values, wallet.nodeKeyPair, context, async (gateway) => {
            const server = gateway.createServer({}, (stream) => take(stream, shortKey(stream.remotePublicKey)));
            await server.listen(wallet.nodeKeyPair);
            const kept = keepRecords(session, gateway, server, named);
            keeping = kept;
            look();
            await serve(formatPublicKey(wallet.nodeKeyPair.publicKey)).finally(() => kept.close());
          });
        }
      } finally {
        clearInterval(looking);
        listener.close();
        replication.close();
      }
    });
  },
});

async function refuseSecond(connect: () => Promise<{ destroy(): unknown }>, path: string): Promise<void> {
  const stream = await connect().catch(() => null);
  if (!stream) return;
  stream.destroy();
  throw new DnetError("ALREADY_SERVED", `another dnet db serve answers at ${path}`, {
    hint: "end that one, or leave it be",
  });
}
