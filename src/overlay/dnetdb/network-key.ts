/**
 * The network key of a private dnet: 32 bytes for each epoch, which its members have. Nothing is sealed with it itself; each
 * purpose has a key of its own: HKDF-SHA-256 (RFC 5869) with the dnet's id as salt and the purpose's label as info.
 */
import type { KeyPair } from "../../crypto/ed25519.ts";
import { hkdfSha256 } from "../../crypto/hmac-sha256.ts";

export const NETWORK_KEY_BYTES = 32;

/** A secret. */
export interface NetworkKey {
  /** From 0, the one that the dnet was created with. */
  readonly epoch: number;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

/** What a reader has to open bodies by. */
export interface Secrets {
  /** The newest that is known. */
  readonly networkKey: NetworkKey | null;
  /**
   * Those for whom the network key may be wrapped: a node's, an owner's, an invitation's; or a cloud's own, to which admission
   * is open.
   */
  readonly keyPairs: readonly KeyPair[];
}

export const NO_SECRETS: Secrets = { networkKey: null, keyPairs: [] };

const LABELS = {
  /** The parts of bodies that members read. */
  body: "dnet body 1",
  /** The parts that attached clouds and relays read too. */
  admission: "dnet admission 1",
  /** Rendezvous topics. */
  topic: "dnet topic 1",
  /** The gossip among members. */
  gossip: "dnet gossip 1",
  /** Tags of beacons on the local network. */
  beacon: "dnet beacon 1",
  /** The tunnel's pre-shared key. */
  tunnel: "dnet tunnel 1",
} as const;

export type Purpose = keyof typeof LABELS;

/** 32 bytes. From one purpose's key neither the network key follows nor another purpose's. */
export function deriveKey(dnet: Uint8Array, networkKey: Uint8Array, purpose: Purpose): Uint8Array {
  return hkdfSha256(networkKey, dnet, new TextEncoder().encode(LABELS[purpose]), NETWORK_KEY_BYTES);
}
