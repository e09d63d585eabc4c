import { formatAddress } from "../base/address.ts";
import { isBogon } from "../base/address-classes.ts";
import { formatPublicKey } from "../base/public-key.ts";
import { command } from "./command.ts";
import { keyFileOption, networkOptions, TARGET_HELP } from "./dht-options.ts";
import { parseIp4AddressOption, splitLists } from "./option-values.ts";

const DETAILS = `TOPIC is ${TARGET_HELP}`;

export const dhtAnnounce = command({
  name: "announce",
  summary: "Announce a key under a topic, for 20 minutes",
  details: [
    DETAILS,
    "It prints the public key. Without --key-file that is a new one, which is forgotten: nobody can take it away again.",
    "Relays are nodes that know the way to the peer; three are kept, and on the public network only public addresses.",
  ].join("\n"),
  arguments: [{ name: "TOPIC" }],
  options: {
    "key-file": keyFileOption,
    relay: { type: "string", isRepeated: true, placeholder: "ADDR,...", description: "where the peer is asked for" },
    ...networkOptions,
  },
  async run({ positionals: [text = ""], values }, context) {
    const { inDht } = await import("./dht-session.ts");
    const { parseTarget } = await import("./dht-target.ts");
    const relays = splitLists(values.relay).map((relay) => parseIp4AddressOption("relay", relay));
    const keyPair = await keyPairOf(values["key-file"]);
    const topic = parseTarget("topic", text);
    await inDht(values, context, topic.words, async (session) => {
      const { gateway } = session;
      const kept = relays.filter(({ host }) => !(gateway.hardened && isBogon(host))).slice(0, MAX_RELAYS);
      if (kept.length < relays.length) {
        session.printWords(`warning: of ${relays.length} relays ${kept.length} can be announced\n`);
      }
      const stream = gateway.announce(topic.bytes, keyPair ?? gateway.defaultKeyPair, kept);
      await session.within(stream.finished());
      const publicKey = formatPublicKey((keyPair ?? gateway.defaultKeyPair).publicKey);
      const nodes = stream.closestNodes.map(formatAddress);
      const facts = { topic: topic.hex, publicKey, relayAddresses: kept.map(formatAddress), nodes };
      context.terminal.stdout.write(
        `${values.json ? JSON.stringify({ schema: "dnet.dht-announce/1", ...facts }) : publicKey}\n`,
      );
      session.printWords(`announced to ${nodes.length} nodes, for 20 minutes\n`);
    });
  },
});
/** So many a node keeps. */
const MAX_RELAYS = 3;

export const dhtUnannounce = command({
  name: "unannounce",
  summary: "Take a key's announcement under a topic away",
  details: DETAILS,
  arguments: [{ name: "TOPIC" }],
  options: { "key-file": keyFileOption, ...networkOptions },
  async run({ positionals: [text = ""], values }, context) {
    const { inDht } = await import("./dht-session.ts");
    const { parseTarget } = await import("./dht-target.ts");
    const { requireKeyPair } = await import("./key-file.ts");
    const keyPair = requireKeyPair(values["key-file"], "a key's announcement is taken away by whoever has the key");
    const topic = parseTarget("topic", text);
    await inDht(values, context, topic.words, async (session) => {
      const publicKey = formatPublicKey(keyPair.publicKey);
      let nodes = 0;
      await session.takeAll(session.gateway.lookupAndUnannounce(topic.bytes, keyPair), ({ peers }) => {
        if (peers.some((peer) => formatPublicKey(peer.publicKey) === publicKey)) nodes++;
      });
      if (session.isLate) throw session.tooLate();
      const facts = { schema: "dnet.dht-unannounce/1", topic: topic.hex, publicKey, nodes };
      if (values.json) context.terminal.stdout.write(`${JSON.stringify(facts)}\n`);
      session.printWords(`${publicKey} was announced at ${nodes} nodes, and is no more\n`);
    });
  },
});

async function keyPairOf(path: string | undefined) {
  return path === undefined ? null : (await import("./key-file.ts")).readKeyFile(path);
}
