/**
 * One connection between two simulated nodes. The stream is a stand-in: each side sends one packet to where it believes the other is, again
 * and again until one has come, so a path counts only when it carries both ways.
 */
import type { Address } from "../../src/base/address.ts";
import { keyPairFromSeed } from "../../src/crypto/ed25519.ts";
import type { Path } from "../../src/dht/connection-surroundings.ts";
import type { DhtEvent } from "../../src/io/dht-host.ts";
import type { Internet } from "../sim/internet/internet.ts";
import type { SimDhtNode } from "./sim-dht.ts";

const RESEND_MS = 250;

export interface Attempt {
  readonly startedAt: number;
  /** When both sides have heard the other; null until then. */
  openedAt: number | null;
  failure: string | null;
  /** Where the client's packets go. */
  path: Path | null;
}

/** A server under a fresh key; resolves its key once it is announced. */
export function listen(
  internet: Internet,
  node: SimDhtNode,
  onIncoming: (event: Extract<DhtEvent, { type: "incoming" }>) => void = () => {},
) {
  const keyPair = keyPairFromSeed(internet.freshRandom().bytes(32));
  let isListening = false;
  node.onEvent = (event) => {
    if (event.type === "listening") isListening = true;
    if (event.type !== "incoming") return;
    onIncoming(event);
    repeat(internet, node, event.path, () => false);
  };
  node.dht.input((now) =>
    node.node.connections.listen(now, { keyPair, punches: true, sharesLocalAddresses: true }, () => true),
  );
  internet.runUntil(() => isListening, 60_000);
  return keyPair;
}

/** Connects `client` to the key, and runs until it is open or has failed. */
export function connect(
  internet: Internet,
  client: SimDhtNode,
  remotePublicKey: Uint8Array,
  relayAddresses: readonly Address[] = [],
): Attempt {
  const attempt: Attempt = { startedAt: internet.now, openedAt: null, failure: null, path: null };
  const streamId = internet.random.uint32();
  const keyPair = keyPairFromSeed(internet.freshRandom().bytes(32));
  client.onEvent = (event) => {
    if (event.type === "unreachable") attempt.failure = event.reason;
    if (event.type !== "outgoing") return;
    attempt.path = event.path;
    client.onPacket = (id) => {
      if (id === streamId) attempt.openedAt ??= internet.now;
    };
    repeat(internet, client, event.path, () => attempt.openedAt !== null);
  };
  const options = { remotePublicKey, keyPair, relayAddresses, fastOpen: true, localConnection: true, streamId };
  client.dht.input((now) => client.node.connections.connect(now, options));
  internet.runUntil(() => attempt.openedAt !== null || attempt.failure !== null, 90_000);
  return attempt;
}

function repeat(
  internet: Internet,
  node: SimDhtNode,
  { socket, to, remoteId }: Path,
  isOver: () => boolean,
  times = 20,
): void {
  if (isOver() || times === 0) return;
  const packet = new Uint8Array(20);
  packet.set([0xff, 1]);
  new DataView(packet.buffer).setUint32(4, remoteId, true);
  node.send(socket, to, packet);
  internet.after(RESEND_MS, () => repeat(internet, node, { socket, to, remoteId }, isOver, times - 1));
}
