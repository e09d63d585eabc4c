import { type Aead, aes256Gcm, chacha20Poly1305 } from "../crypto/aead.ts";
import { hash } from "../crypto/blake2s.ts";
import { SUITE_D_BIT } from "../wire/tunnel.ts";

/**
 * What differs between the tunnel's two fixed suites; a peer is served in its configured one and nothing is negotiated.
 * W is WireGuard's own. D, between dnets, has AES-256-GCM in place of ChaCha20-Poly1305 and names of its own, so that no
 * message of one can ever pass for one of the other.
 */
export interface Suite {
  readonly name: "wireguard" | "dnet";
  /** In the first byte of every message: 0 or SUITE_D_BIT. */
  readonly bit: number;
  readonly aead: Aead;
  /** HASH(construction) and HASH(that ‖ identifier): where every handshake begins (WireGuard paper §5.4.2). */
  readonly chainingKey: Uint8Array;
  readonly hash: Uint8Array;
}

export const SUITE_W: Suite = {
  name: "wireguard",
  bit: 0,
  aead: chacha20Poly1305,
  ...beginning("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s", "WireGuard v1 zx2c4 Jason@zx2c4.com"),
};

export const SUITE_D: Suite = {
  name: "dnet",
  bit: SUITE_D_BIT,
  aead: aes256Gcm,
  ...beginning("Noise_IKpsk2_25519_AESGCM_BLAKE2s", "dnet tunnel v1"),
};

/** The suite that a message's first byte names. */
export function suiteOf(suiteBit: number): Suite {
  return suiteBit === SUITE_D_BIT ? SUITE_D : SUITE_W;
}

function beginning(construction: string, identifier: string) {
  const chainingKey = hash(Buffer.from(construction));
  return { chainingKey, hash: hash(chainingKey, Buffer.from(identifier)) };
}
