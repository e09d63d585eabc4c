/** Options of a DHT node for tests: alone, private, with chance from a seed. */
import { portableCipher } from "../../src/crypto/secretstream.ts";
import type { DhtNodeOptions } from "../../src/dht/node-options.ts";
import { STABLE_TICKS } from "../../src/dht/reachability.ts";
import { SeededRandom } from "./random.ts";

export function nodeOptions(options: Partial<DhtNodeOptions> = {}): DhtNodeOptions {
  return {
    random: new SeededRandom(1),
    unixOriginMs: 1_700_000_000_000,
    bootstrap: [],
    nodes: [],
    isEphemeral: null,
    isFirewalled: true,
    quickFirewall: true,
    publicAddress: null,
    isPublic: false,
    concurrency: 10,
    maxWindow: 80,
    maxPingDelayMs: 10_000,
    sendDownHints: true,
    downHintsPerTick: 50,
    stableTicks: STABLE_TICKS,
    keepAliveMs: 5_000,
    messageCipher: portableCipher,
    localHosts: () => [],
    admits: () => true,
    ...options,
  };
}
