/**
 * What an owner hands to who shall join: all that it takes, in one word. The network key and the seed in it are secrets, so is
 * the text.
 *   version     u8 = 1
 *   dnet        32       its id
 *   invitation  32       the transaction whose second output a join spends
 *   seed        32       of the Ed25519 key that the output is locked to
 *   private     u8       0, or 1 and the network key: epoch u32 ‖ key 32
 *   clouds      u8       0 to 8, then each: length u8 ‖ HOST:PORT ‖ public key 32
 *   checksum    4        of SHA-256 of all before
 * In text `dnet1:` and z-base-32: letters and digits alone, so that a double click selects it.
 */
import { sameBytes } from "../../base/bytes.ts";
import { decodeZ32, encodeZ32, PUBLIC_KEY_BYTES } from "../../base/public-key.ts";
import { sha256 } from "../../crypto/sha256.ts";
import { Reader } from "../../wire/reader.ts";
import { Writer } from "../../wire/writer.ts";
import { isHostPort } from "./contents.ts";
import { ID_BYTES } from "./ids.ts";
import { NETWORK_KEY_BYTES, type NetworkKey } from "./network-key.ts";

const VERSION = 1;
const PREFIX = "dnet1:";
export const SEED_BYTES = 32;
const CHECKSUM_BYTES = 4;
export const MAX_CLOUDS = 8;
/** Eight clouds with names of 255 bytes, and the rest. */
const MAX_CHARACTERS = 4_096;

export interface Cloud {
  /** HOST:PORT; the host an address or a name. */
  readonly address: string;
  readonly key: Uint8Array;
}

export interface Invitation {
  readonly dnet: Uint8Array;
  readonly transaction: Uint8Array;
  /** A secret. */
  readonly seed: Uint8Array;
  /** A secret; null for a public dnet. */
  readonly networkKey: NetworkKey | null;
  /** Where the dnet's chain is to be had. */
  readonly clouds: readonly Cloud[];
}

export function formatInvitation({ dnet, transaction, seed, networkKey, clouds }: Invitation): string {
  const w = new Writer().u8(VERSION).fixed(dnet).fixed(transaction).fixed(seed);
  if (networkKey) w.u8(1).u32(networkKey.epoch).fixed(networkKey.key);
  else w.u8(0);
  w.u8(clouds.length);
  for (const { address, key } of clouds) {
    const bytes = new TextEncoder().encode(address);
    w.u8(bytes.length).fixed(bytes).fixed(key);
  }
  const content = w.finish();
  return PREFIX + encodeZ32(w.fixed(checksum(content)).finish());
}

/** Null for anything else than `formatInvitation` writes: a typo, a part, another version. Spaces around it do not matter. */
export function parseInvitation(text: string): Invitation | null {
  const word = text.length <= MAX_CHARACTERS ? text.trim() : "";
  const bytes = word.startsWith(PREFIX) ? decodeZ32(word.slice(PREFIX.length)) : null;
  if (!bytes || bytes.length < CHECKSUM_BYTES) return null;
  const content = bytes.subarray(0, bytes.length - CHECKSUM_BYTES);
  if (!sameBytes(checksum(content), bytes.subarray(content.length))) return null;
  const r = new Reader(content);
  if (r.u8() !== VERSION) return null;
  const [dnet, transaction, seed] = [r.fixed(ID_BYTES), r.fixed(ID_BYTES), r.fixed(SEED_BYTES)];
  const isPrivate = r.u8();
  const networkKey = isPrivate === 1 ? { epoch: r.u32(), key: r.fixed(NETWORK_KEY_BYTES) } : null;
  const count = r.u8();
  if (!r.ok || isPrivate > 1 || count > MAX_CLOUDS) return null;
  const clouds = Array.from({ length: count }, () => ({
    address: new TextDecoder().decode(r.fixed(r.u8())),
    key: r.fixed(PUBLIC_KEY_BYTES),
  }));
  const isWhole = r.ok && r.remaining === 0 && clouds.every(({ address }) => isHostPort(address));
  return isWhole ? { dnet, transaction, seed, networkKey, clouds } : null;
}

function checksum(content: Uint8Array): Uint8Array {
  return sha256(content).subarray(0, CHECKSUM_BYTES);
}
