/**
 * One direction of a session's authenticated encryption, over the arena. The nonce is 12 bytes: a 4-byte prefix and the
 * 64-bit counter, big-endian with AES-GCM and little-endian with ChaCha20-Poly1305 (Noise §12.3, §12.4).
 *
 * Differs: Noise has four zero bytes where the prefix is. For ordinary packets it is zero here too; suite D's other
 * frames put their type and flags there (`frames.ts`), so these are authenticated without a byte of additional data, for
 * which libcrypto would want one call more. A counter is never used with two prefixes, so no nonce repeats.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hasLibcrypto, NativeCipher, type NativeCipherName } from "../../../ffi/libcrypto.ts";
import { TAG_BYTES } from "../../crypto/aead.ts";
import { Arena } from "./arena.ts";

const NONCE_BYTES = 12;

export interface PacketCipher {
  /** Seals `length` bytes at `source` to `length + 16` at `target`; the two may be one place, but not overlap otherwise. */
  seal(prefix: number, counter: number, source: number, length: number, target: number): void;
  /** Opens `length` bytes (tag included) at `source` to `length - 16` at `target`; false, with `target` spoilt, when forged. */
  open(prefix: number, counter: number, source: number, length: number, target: number): boolean;
  /** Wipes the key as far as the implementation can. */
  close(): void;
}

export type CipherName = NativeCipherName;

/** Which implementation serves each cipher here, for `show`. */
export type CipherProvider = "libcrypto" | "node:crypto" | "noble";

export function cipherProvider(name: CipherName): CipherProvider {
  if (nativeWorks(name)) return "libcrypto";
  return name === "aes-256-gcm" ? "node:crypto" : "noble";
}

/** A cipher for `key` (32 bytes), by the fastest implementation that this system has and that passed its self-test. */
export function createCipher(
  name: CipherName,
  key: Uint8Array,
  direction: "seal" | "open",
  arena: Arena,
): PacketCipher {
  if (nativeWorks(name)) return new LibcryptoCipher(name, key, direction, arena);
  return createPortableCipher(name, key, arena);
}

/** The implementation that needs nothing of the system: the same bytes, slower. */
export function createPortableCipher(name: CipherName, key: Uint8Array, arena: Arena): PacketCipher {
  return name === "aes-256-gcm" ? new NodeAesCipher(key, arena) : new NobleChachaCipher(key, arena);
}

function writeNonce(nonce: DataView, name: CipherName, prefix: number, counter: number): void {
  const low = counter >>> 0;
  const high = Math.floor(counter / 0x1_0000_0000);
  nonce.setUint32(0, prefix, true);
  if (name === "aes-256-gcm") {
    nonce.setUint32(4, high);
    nonce.setUint32(8, low);
  } else {
    nonce.setUint32(4, low, true);
    nonce.setUint32(8, high, true);
  }
}

class LibcryptoCipher implements PacketCipher {
  readonly #name: CipherName;
  readonly #native: NativeCipher;
  readonly #nonce: DataView;
  readonly #base: number;

  constructor(name: CipherName, key: Uint8Array, direction: "seal" | "open", arena: Arena) {
    this.#name = name;
    this.#native = new NativeCipher(name, key, direction);
    this.#nonce = new DataView(this.#native.nonce.buffer);
    this.#base = arena.address;
  }

  seal(prefix: number, counter: number, source: number, length: number, target: number): void {
    writeNonce(this.#nonce, this.#name, prefix, counter);
    this.#native.seal(this.#base + source, length, this.#base + target);
  }

  open(prefix: number, counter: number, source: number, length: number, target: number): boolean {
    writeNonce(this.#nonce, this.#name, prefix, counter);
    return this.#native.open(this.#base + source, length, this.#base + target);
  }

  close(): void {
    this.#native.close();
  }
}

/** The two portable ciphers share their nonce and their wiped copy of the key. */
abstract class PortableCipher {
  protected readonly key: Uint8Array;
  protected readonly nonce = new Uint8Array(new ArrayBuffer(NONCE_BYTES));
  protected readonly nonceView = new DataView(this.nonce.buffer as ArrayBuffer);
  protected readonly arena: Arena;

  constructor(key: Uint8Array, arena: Arena) {
    this.key = key.slice();
    this.arena = arena;
  }

  close(): void {
    this.key.fill(0);
  }
}

class NodeAesCipher extends PortableCipher implements PacketCipher {
  seal(prefix: number, counter: number, source: number, length: number, target: number): void {
    const { bytes } = this.arena;
    writeNonce(this.nonceView, "aes-256-gcm", prefix, counter);
    const cipher = createCipheriv("aes-256-gcm", this.key, this.nonce);
    bytes.set(cipher.update(bytes.subarray(source, source + length)), target);
    cipher.final();
    bytes.set(cipher.getAuthTag(), target + length);
  }

  open(prefix: number, counter: number, source: number, length: number, target: number): boolean {
    const { bytes } = this.arena;
    writeNonce(this.nonceView, "aes-256-gcm", prefix, counter);
    const end = source + length - TAG_BYTES;
    const decipher = createDecipheriv("aes-256-gcm", this.key, this.nonce);
    decipher.setAuthTag(bytes.slice(end, end + TAG_BYTES));
    const plain = decipher.update(bytes.subarray(source, end));
    try {
      decipher.final();
    } catch {
      return false; // node:crypto's way to say that the tag is wrong
    }
    bytes.set(plain, target);
    return true;
  }
}

class NobleChachaCipher extends PortableCipher implements PacketCipher {
  seal(prefix: number, counter: number, source: number, length: number, target: number): void {
    const { bytes } = this.arena;
    writeNonce(this.nonceView, "chacha20-poly1305", prefix, counter);
    bytes.set(chacha20poly1305(this.key, this.nonce).encrypt(bytes.slice(source, source + length)), target);
  }

  open(prefix: number, counter: number, source: number, length: number, target: number): boolean {
    const { bytes } = this.arena;
    writeNonce(this.nonceView, "chacha20-poly1305", prefix, counter);
    try {
      bytes.set(chacha20poly1305(this.key, this.nonce).decrypt(bytes.slice(source, source + length)), target);
    } catch {
      return false; // noble's way to say that the tag is wrong
    }
    return true;
  }
}

const tested = new Map<CipherName, boolean>();

/** Whether libcrypto is there and gives the portable implementation's bytes, and refuses what it should; tried once. */
function nativeWorks(name: CipherName): boolean {
  let works = tested.get(name);
  if (works === undefined) {
    works = hasLibcrypto() && selfTest(name);
    tested.set(name, works);
  }
  return works;
}

function selfTest(name: CipherName): boolean {
  const arena = new Arena(1024);
  const { bytes } = arena;
  const key = Uint8Array.from({ length: 32 }, (_, i) => i);
  const length = 100;
  for (let i = 0; i < length; i++) bytes[i] = i;
  try {
    const sealer = new LibcryptoCipher(name, key, "seal", arena);
    const opener = new LibcryptoCipher(name, key, "open", arena);
    sealer.seal(0x0102, 2 ** 33 + 5, 0, length, 256);
    createPortableCipher(name, key, arena).seal(0x0102, 2 ** 33 + 5, 0, length, 512);
    const agree = Buffer.compare(bytes.subarray(256, 372), bytes.subarray(512, 628)) === 0;
    const opens = opener.open(0x0102, 2 ** 33 + 5, 256, length + TAG_BYTES, 768);
    const same = Buffer.compare(bytes.subarray(0, length), bytes.subarray(768, 768 + length)) === 0;
    bytes[256]! ^= 1;
    const refuses = !opener.open(0x0102, 2 ** 33 + 5, 256, length + TAG_BYTES, 768);
    sealer.close();
    opener.close();
    return agree && opens && same && refuses;
  } catch {
    return false; // a libcrypto without this cipher: the portable one serves
  }
}
