import { formatAddress } from "../base/address.ts";
import { DnetError } from "../base/error.ts";
import { formatPublicKey } from "../base/public-key.ts";
import type { FoundPeer } from "../dht/operations.ts";
import type { Reply } from "../dht/requests.ts";
import { command } from "./command.ts";
import { networkOptions, TARGET_HELP } from "./dht-options.ts";
import type { DhtSession } from "./dht-session.ts";
import { millisecondsText, roundedMs, tableText } from "./dht-text.ts";

const ID_CHARACTERS = 16;

export const dhtFind = command({
  name: "find",
  summary: "Show the nodes nearest to a target, or where a peer is announced",
  details: [
    `TARGET is ${TARGET_HELP}`,
    "Nearness is how many leading bits a node's id shares with the target.",
    "With --peer TARGET is the public key of a peer that listens. Exit code 5: it is announced nowhere.",
  ].join("\n"),
  arguments: [{ name: "TARGET" }],
  options: { peer: { type: "boolean", description: "find the peer with that public key" }, ...networkOptions },
  async run({ positionals: [text = ""], values }, context) {
    const { inDht } = await import("./dht-session.ts");
    const { parseBytes32, parseTarget } = await import("./dht-target.ts");
    const target = values.peer ? null : parseTarget("target", text);
    const publicKey = values.peer ? parseBytes32("the public key", text) : null;
    await inDht(values, context, target?.words ?? "", async (session) => {
      const { facts, shown } = target ? await findNodes(session, target.bytes) : await findPeer(session, publicKey!);
      session.warnIfLate();
      context.terminal.stdout.write(values.json ? `${JSON.stringify(facts)}\n` : shown);
    });
  },
});

interface Result {
  readonly facts: object;
  readonly shown: string;
}

async function findNodes(session: DhtSession, target: Uint8Array): Promise<Result> {
  const { sharedBits } = await import("../dht/peer.ts");
  const walk = session.gateway.findNode(target);
  await session.takeAll(walk, () => {});
  if (walk.closestReplies.length === 0) throw session.isLate ? session.tooLate() : nobodyPersistent();
  const nodes = walk.closestReplies.map(({ from, rttMs }: Reply) => ({
    address: formatAddress(from),
    id: from.id!.toHex(), // the nearest are taken from those that have one
    sharedBits: sharedBits(from.id!, target),
    rttMs: roundedMs(rttMs),
  }));
  const rows = nodes.map(({ address, id, sharedBits, rttMs }) => {
    return [address, String(sharedBits), millisecondsText(rttMs), `${id.slice(0, ID_CHARACTERS)}...`];
  });
  return {
    facts: { schema: "dnet.dht-find/1", target: target.toHex(), isComplete: !session.isLate, nodes },
    shown: tableText(["NODE", "SHARED BITS", "RTT", "ID"], rows),
  };
}

async function findPeer(session: DhtSession, key: Uint8Array): Promise<Result> {
  const publicKey = formatPublicKey(key);
  const found: { node: string; relayAddresses: string[] }[] = [];
  session.found = () => `${found.length} with the peer`;
  await session.takeAll(session.gateway.findPeer(key), ({ from, peer }: FoundPeer) => {
    // A node may answer with anything; a key that is another's leads nowhere.
    if (formatPublicKey(peer.publicKey) !== publicKey) return;
    found.push({ node: formatAddress(from), relayAddresses: peer.relayAddresses.map(formatAddress) });
  });
  if (found.length === 0) throw session.isLate ? session.tooLate() : peerUnknown(publicKey, session.answers);
  const rows = found.map(({ node, relayAddresses }) => [node, relayAddresses.join(", ") || "-"]);
  return {
    facts: { schema: "dnet.dht-find-peer/1", publicKey, isComplete: !session.isLate, announcedAt: found },
    shown: tableText(["NODE", "RELAYS"], rows),
  };
}

function nobodyPersistent(): DnetError {
  return new DnetError("NOT_FOUND", "no persistent node answered, so none has an id that is near to anything", {
    failure: "unknown-peer",
    hint: "a network needs at least one persistent node: dnet gateway --bootstrap --host IP",
  });
}

function peerUnknown(publicKey: string, answers: number): DnetError {
  return new DnetError("NOT_FOUND", `no node knows the peer ${publicKey}; ${answers} nodes answered`, {
    failure: "unknown-peer",
    hint: "check the key, and that the peer listens",
  });
}
