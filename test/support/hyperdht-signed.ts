/** Requests of the DHT's that are signed for one node, as their owner would send them, or with whatever a test wants wrong. */
import type { Address } from "../../src/base/address.ts";
import { blake2b256 } from "../../src/crypto/blake2b.ts";
import { keyPairFromSeed } from "../../src/crypto/ed25519.ts";
import { type AnnounceTerms, signAnnounce, signMutable } from "../../src/dht/signatures.ts";
import { type Announce, COMMAND, encodeAnnounce, encodeMutablePut } from "../../src/wire/dht.ts";
import type { Request } from "../../src/wire/rpc.ts";

/** Whom a request is for. */
export interface Asked {
  readonly address: Address;
  readonly id: Uint8Array;
  /** Valid at that node. */
  readonly token: Uint8Array;
}

export const KEY_PAIR = keyPairFromSeed(new Uint8Array(32).fill(0x5e));
/** The target of the key's own records. */
export const SELF = blake2b256(KEY_PAIR.publicKey);
export const TOPIC = new Uint8Array(32).fill(0x70);

type Announced = Partial<Announce> & { readonly action?: AnnounceTerms["action"] };

/** A value of ANNOUNCE. `fields` stand in it instead of what is right; of those `peer` and `refresh` are signed. */
export function announced(fields: Announced, asked: Asked, keyPair = KEY_PAIR, target = TOPIC): Uint8Array {
  const { action = "announce", refresh = null } = fields;
  const peer = { publicKey: keyPair.publicKey, relayAddresses: [] };
  const terms = { action, target, nodeId: asked.id, token: asked.token, peer: fields.peer ?? peer, refresh };
  return encodeAnnounce({ peer, refresh, signature: signAnnounce(terms, keyPair.secretKey), bump: 0, ...fields });
}

/** For TOPIC, and signed for the target in `more` if there is one. */
export function announce(
  fields: Announced,
  asked: Asked,
  more: Partial<Request> = {},
  keyPair = KEY_PAIR,
): Partial<Request> {
  const target = more.target ? Uint8Array.from(more.target) : TOPIC;
  const value = announced(fields, asked, keyPair, target);
  return { command: COMMAND.announce, target, token: asked.token, value, ...more };
}

/** `publicKey`: whose announcement is to go. */
export function unannounce(
  asked: Asked,
  more: Partial<Request> = {},
  keyPair = KEY_PAIR,
  publicKey = keyPair.publicKey,
): Partial<Request> {
  const peer = { publicKey, relayAddresses: [] };
  return announce({ action: "unannounce", peer }, asked, { command: COMMAND.unannounce, ...more }, keyPair);
}

/** A value of MUTABLE_PUT. */
export function mutable(seq: number, words: string): Uint8Array {
  const { publicKey, secretKey } = KEY_PAIR;
  const value = new TextEncoder().encode(words);
  return encodeMutablePut({ publicKey, seq, value, signature: signMutable(seq, value, secretKey) });
}

export function putMutable(asked: Asked, seq: number, words: string, more: Partial<Request> = {}): Partial<Request> {
  return { command: COMMAND.mutablePut, target: SELF, token: asked.token, value: mutable(seq, words), ...more };
}
