import { formatAddress } from "../base/address.ts";
import { DnetError } from "../base/error.ts";
import { formatPublicKey } from "../base/public-key.ts";
import type { FoundPeers } from "../dht/operations.ts";
import { command } from "./command.ts";
import { networkOptions, TARGET_HELP } from "./dht-options.ts";
import { tableText } from "./dht-text.ts";

interface Peer {
  readonly publicKey: string;
  readonly relayAddresses: readonly string[];
  /** How many nodes told of it. */
  readonly nodes: number;
}

export const dhtLookup = command({
  name: "lookup",
  summary: "Show who has announced itself under a topic",
  details: `TOPIC is ${TARGET_HELP}\nExit code 5: nobody has.`,
  arguments: [{ name: "TOPIC" }],
  options: networkOptions,
  async run({ positionals: [text = ""], values }, context) {
    const { inDht } = await import("./dht-session.ts");
    const { parseTarget } = await import("./dht-target.ts");
    const topic = parseTarget("topic", text);
    await inDht(values, context, topic.words, async (session) => {
      const peers = new Map<string, Peer>();
      let told = 0;
      session.found = () => `${told} with peers`;
      await session.takeAll(session.gateway.lookup(topic.bytes), (found) => {
        if (found.peers.length > 0) told++;
        collect(peers, found);
      });
      const { answers, isLate } = session;
      if (peers.size === 0) throw isLate ? session.tooLate() : nobody(topic.hex, answers);
      session.warnIfLate();
      const found = [...peers.values()].sort((a, b) => b.nodes - a.nodes);
      const facts = { schema: "dnet.dht-lookup/1", topic: topic.hex, isComplete: !isLate, answers, peers: found };
      context.terminal.stdout.write(values.json ? `${JSON.stringify(facts)}\n` : peersText(found));
    });
  },
});

function collect(peers: Map<string, Peer>, found: FoundPeers): void {
  for (const { publicKey, relayAddresses } of found.peers) {
    const key = formatPublicKey(publicKey);
    const known = peers.get(key) ?? { publicKey: key, relayAddresses: relayAddresses.map(formatAddress), nodes: 0 };
    peers.set(key, { ...known, nodes: known.nodes + 1 });
  }
}

function peersText(peers: readonly Peer[]): string {
  const rows = peers.map(({ publicKey, nodes, relayAddresses }) => {
    return [publicKey, String(nodes), relayAddresses.join(", ") || "-"];
  });
  return tableText(["PEER", "NODES", "RELAYS"], rows);
}

function nobody(topic: string, answers: number): DnetError {
  return new DnetError("NOT_FOUND", `nobody is announced under ${topic}; ${answers} nodes answered`, {
    failure: "unknown-peer",
    hint: "dnet dht announce TOPIC; an announcement lasts 20 minutes",
  });
}
