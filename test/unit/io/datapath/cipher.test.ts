import { expect, test } from "bun:test";
import { hasLibcrypto } from "../../../../ffi/libcrypto.ts";
import { TAG_BYTES } from "../../../../src/crypto/aead.ts";
import { Arena } from "../../../../src/io/datapath/arena.ts";
import {
  type CipherName,
  cipherProvider,
  createCipher,
  createPortableCipher,
  type PacketCipher,
} from "../../../../src/io/datapath/cipher.ts";
import { payloadOf } from "../../../support/packets.ts";
import { SeededRandom } from "../../../support/random.ts";

const NAMES: CipherName[] = ["aes-256-gcm", "chacha20-poly1305"];
const SOURCE = 0;
const TARGET = 70_000;
const arena = new Arena(256 * 1024);
const { bytes } = arena;

/** The ways to seal and to open that there are here; without libcrypto the two are one. */
function ciphers(name: CipherName, key: Uint8Array) {
  const portable = createPortableCipher(name, key, arena);
  return [
    { sealer: portable, opener: portable },
    { sealer: createCipher(name, key, "seal", arena), opener: createCipher(name, key, "open", arena) },
  ];
}

function sealed(cipher: PacketCipher, plain: Uint8Array, prefix: number, counter: number): Uint8Array {
  bytes.set(plain, SOURCE);
  cipher.seal(prefix, counter, SOURCE, plain.length, TARGET);
  return bytes.slice(TARGET, TARGET + plain.length + TAG_BYTES);
}

function opened(cipher: PacketCipher, box: Uint8Array, prefix: number, counter: number): Uint8Array | null {
  bytes.set(box, SOURCE);
  const holds = cipher.open(prefix, counter, SOURCE, box.length, TARGET);
  return holds ? bytes.slice(TARGET, TARGET + box.length - TAG_BYTES) : null;
}

test("the system's libcrypto is used where there is one", () => {
  expect(cipherProvider("aes-256-gcm")).toBe(hasLibcrypto() ? "libcrypto" : "node:crypto");
  expect(cipherProvider("chacha20-poly1305")).toBe(hasLibcrypto() ? "libcrypto" : "noble");
});

test("all implementations seal to the same bytes and open each other's", () => {
  const random = new SeededRandom(1);
  for (const name of NAMES) {
    const [one, two] = ciphers(name, random.bytes(32));
    for (const length of [0, 1, 15, 16, 17, 1420, 16_000, 65_000]) {
      const plain = payloadOf(random, length);
      const [prefix, counter] = [random.pick([0, 1, 2, 3, 0x100]), random.pick([0, 1, 2 ** 32, 2 ** 40 + 5])];
      const box = sealed(one!.sealer, plain, prefix, counter);
      expect(Buffer.compare(sealed(two!.sealer, plain, prefix, counter), box)).toBe(0);
      for (const { opener } of [one!, two!]) expect(opened(opener, box, prefix, counter)).toEqual(plain);
    }
  }
});

test("every changed bit, another counter and another prefix are refused", () => {
  const random = new SeededRandom(2);
  for (const name of NAMES) {
    for (const { sealer, opener } of ciphers(name, random.bytes(32))) {
      const plain = payloadOf(random, 20);
      const box = sealed(sealer, plain, 1, 9);
      for (let bit = 0; bit < 8 * box.length; bit++) {
        const tampered = box.slice();
        tampered[bit >> 3]! ^= 1 << (bit & 7);
        expect(opened(opener, tampered, 1, 9)).toBeNull();
      }
      expect(opened(opener, box, 0, 9)).toBeNull();
      expect(opened(opener, box, 1, 10)).toBeNull();
      expect(opened(opener, box, 1, 9 + 2 ** 32)).toBeNull();
      expect(opened(opener, box.subarray(0, 35), 1, 9)).toBeNull();
      expect(opened(opener, box, 1, 9)).toEqual(plain);
    }
  }
});

test("sealing and opening may happen in place", () => {
  const random = new SeededRandom(3);
  for (const name of NAMES) {
    for (const { sealer, opener } of ciphers(name, random.bytes(32))) {
      const plain = payloadOf(random, 40_001);
      const box = sealed(sealer, plain, 2, 7);
      bytes.set(plain, SOURCE);
      sealer.seal(2, 7, SOURCE, plain.length, SOURCE);
      expect(Buffer.compare(bytes.subarray(SOURCE, box.length), box)).toBe(0);
      expect(opener.open(2, 7, SOURCE, box.length, SOURCE)).toBe(true);
      expect(Buffer.compare(bytes.subarray(SOURCE, plain.length), plain)).toBe(0);
    }
  }
});

test("a cipher keeps a copy of its key", () => {
  for (const name of NAMES) {
    const key = new Uint8Array(32).fill(9);
    const [one, two] = ciphers(name, key);
    const box = sealed(one!.sealer, Uint8Array.of(1, 2, 3), 0, 0);
    key.fill(0);
    for (const { opener } of [one!, two!]) expect(opened(opener, box, 0, 0)).toEqual(Uint8Array.of(1, 2, 3));
  }
});

test("closing twice is closing once", () => {
  for (const name of NAMES) {
    for (const { sealer } of ciphers(name, new Uint8Array(32))) {
      sealer.close();
      sealer.close();
    }
  }
});
