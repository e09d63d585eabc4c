import { expect, test } from "bun:test";
import {
  type MessageCipher,
  portableCipher,
  SEALED_EXTRA_BYTES,
  SecretStream,
  STREAM_HEADER_BYTES,
} from "../../../src/crypto/secretstream.ts";
import { messageCipher } from "../../../src/io/message-cipher.ts";
import { SeededRandom } from "../../support/random.ts";
import { vectors } from "../../support/vectors.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex);
const text = (words: string) => new TextEncoder().encode(words);

/** Frames begin with three bytes of length, little-endian. */
const FRAME_LENGTH_BYTES = 3;
const TAG_REKEY = 2;
const TAG_FINAL = 3;

const vector = vectors<{
  key: string;
  header: string;
  headerFrame: string;
  frames: { plaintext: string; frame: string }[];
  rekeyTagFrame: { plaintext: string; message: string };
}>("secretStream");
/** The ways to seal and to open that there are here; without OpenSSL 3 the two are one. */
const CIPHERS = [portableCipher, messageCipher()];
const referenceStream = (cipher = portableCipher) => new SecretStream(bytes(vector.key), bytes(vector.header), cipher);

function seal(stream: SecretStream, plaintext: Uint8Array, tag = 0): Uint8Array {
  const sealed = new Uint8Array(plaintext.length + SEALED_EXTRA_BYTES);
  stream.seal(plaintext, sealed, 0, tag);
  return sealed;
}

/** Once with each of them. */
function testEach(name: string, run: (cipher: MessageCipher) => void): void {
  for (const [i, cipher] of CIPHERS.entries())
    test(`${name} (${["noble", "as the system has it"][i]})`, () => run(cipher));
}

testEach("a stream is the reference's, message after message, up to the last, which has the tag FINAL", (cipher) => {
  const [sealing, opening] = [referenceStream(cipher), referenceStream(cipher)];
  for (const { plaintext, frame } of vector.frames) {
    const sealed = bytes(frame).subarray(FRAME_LENGTH_BYTES);
    expect(sealed.length).toBe(plaintext.length / 2 + SEALED_EXTRA_BYTES);
    expect(seal(sealing, bytes(plaintext))).toEqual(sealed);
    expect(opening.open(sealed)).toEqual(bytes(plaintext));
  }
  const { plaintext, message } = vector.rekeyTagFrame;
  expect(seal(sealing, bytes(plaintext), TAG_FINAL)).toEqual(bytes(message));
  expect(opening.open(bytes(message))).toEqual(bytes(plaintext));
  expect(bytes(vector.headerFrame).subarray(-STREAM_HEADER_BYTES)).toEqual(bytes(vector.header));
});

// What follows was sealed by libsodium 1.0.18. Its counter was set to 2^32 - 2 for the second.
const KEY = Uint8Array.from({ length: 32 }, (_, i) => i);
const HEADER = Uint8Array.from({ length: 24 }, (_, i) => 100 + i);

testEach("after a message with the tag REKEY or FINAL the key is another", (cipher) => {
  const messages: [message: string, tag: number, sealed: string][] = [
    ["one", 0, "5f3374d38f2d1865ff0b44208936358458af310e"],
    ["two", 1, "26cd594255b4df011569c912eedb4af7bf7a140c"],
    ["three", TAG_REKEY, "37d009e64ffced00de1bd6f82f1f3285cb229376fdde"],
    ["four", 0, "2c1def5c9bdd66e0cf51d6cb18d4ee00f805b47082"],
    ["five", TAG_FINAL, "6ff36f82e6780f94ce267d1cf9529bc1c07bee8851"],
    ["six", 0, "4bb11d1b8876d74aba932f20e5a1ca95b384883e"],
  ];
  const [sealing, opening] = [new SecretStream(KEY, HEADER, cipher), new SecretStream(KEY, HEADER, cipher)];
  for (const [message, tag, sealed] of messages) {
    expect(seal(sealing, text(message), tag).toHex()).toBe(sealed);
    expect(opening.open(bytes(sealed))).toEqual(text(message));
  }
});

testEach("when the counter has gone round the key is another", (cipher) => {
  const messages: [message: string, sealed: string][] = [
    ["one", "142580f415edc7d25382d49d28f0402bbd33e395"],
    ["two", "9eeddd657d5917f252e9deb0db353de546dd8a0e"],
    ["three", "0cdf657ffa2380ae85d55aa704363cb97042d250f858"],
    ["four", "b6d8c502062b6220b870e8d959579be3a8ac51e962"],
  ];
  const nearItsEnd = () => new SecretStream(KEY, HEADER, cipher, 2 ** 32 - 2);
  const [sealing, opening] = [nearItsEnd(), nearItsEnd()];
  for (const [message, sealed] of messages) {
    expect(seal(sealing, text(message)).toHex()).toBe(sealed);
    expect(opening.open(bytes(sealed))).toEqual(text(message));
  }
});

testEach("only the next message opens; what is refused changes nothing", (cipher) => {
  const [sealing, opening] = [referenceStream(cipher), referenceStream(cipher)];
  const [first, second] = [seal(sealing, text("first")), seal(sealing, text("second"))];
  expect(opening.open(second)).toBeNull();
  for (let at = 0; at < first.length; at++) expect(opening.open(first.with(at, first[at]! ^ 0x10))).toBeNull();
  for (let end = 0; end < first.length; end++) expect(opening.open(first.subarray(0, end))).toBeNull();
  expect(opening.open(first)).toEqual(text("first"));
  expect(opening.open(first)).toBeNull();
  expect(opening.open(second)).toEqual(text("second"));
});

testEach("another key or header opens nothing", (cipher) => {
  const sealed = seal(referenceStream(cipher), text("a message"));
  expect(new SecretStream(bytes(vector.key).with(0, 0), bytes(vector.header), cipher).open(sealed)).toBeNull();
  for (const at of [0, 15, 16, 23]) {
    const header = bytes(vector.header);
    header[at]! ^= 1;
    expect(new SecretStream(bytes(vector.key), header, cipher).open(sealed)).toBeNull();
  }
});

testEach("no bytes make it throw, and neither sealing nor opening changes its input", (cipher) => {
  const random = new SeededRandom(1);
  const [sealing, opening] = [referenceStream(cipher), referenceStream(cipher)];
  for (let round = 0; round < 2000; round++) {
    expect(opening.open(random.bytes(random.below(100)))).toBeNull();
    const plaintext = random.bytes(random.below(200));
    const copy = plaintext.slice();
    const sealed = seal(sealing, plaintext);
    const sealedCopy = sealed.slice();
    expect(opening.open(sealed)).toEqual(copy);
    expect([plaintext, sealed]).toEqual([copy, sealedCopy]);
  }
});

testEach(
  "a message opens in its own place as well as in another, and is sealed behind whatever stands before it",
  (cipher) => {
    const random = new SeededRandom(2);
    const [sealing, opening] = [referenceStream(cipher), referenceStream()];
    for (const length of [0, 1, 8, 17, 1_420, 65_536]) {
      const plaintext = random.bytes(length);
      const frame = new Uint8Array(FRAME_LENGTH_BYTES + length + SEALED_EXTRA_BYTES).fill(9);
      sealing.seal(plaintext, frame, FRAME_LENGTH_BYTES);
      const sealed = frame.subarray(FRAME_LENGTH_BYTES);
      const within = sealed.subarray(1, 1 + length);
      expect(opening.open(sealed, within)).toBe(within);
      expect(Buffer.compare(within, plaintext)).toBe(0);
      expect(frame.subarray(0, FRAME_LENGTH_BYTES)).toEqual(Uint8Array.of(9, 9, 9));
    }
  },
);

test("both ciphers seal every length to the same bytes, and open each other's", () => {
  const random = new SeededRandom(3);
  const [noble, native] = CIPHERS.map((cipher) => [referenceStream(cipher), referenceStream(cipher)] as const);
  const lengths = [...Array(300).keys(), 1_419, 1_420, 16_384, 65_535, 65_536, 100_003];
  for (const length of lengths) {
    const plaintext = random.bytes(length);
    const tag = random.chance(0.1) ? TAG_REKEY : 0;
    const sealed = seal(noble![0], plaintext, tag);
    expect(Buffer.compare(seal(native![0], plaintext, tag), sealed)).toBe(0);
    const changed = sealed.slice();
    changed[random.below(sealed.length)]! ^= 1 << random.below(8);
    for (const [, opening] of [noble!, native!]) {
      expect(opening.open(changed)).toBeNull();
      expect(Buffer.compare(opening.open(sealed)!, plaintext)).toBe(0);
    }
  }
});

testEach("a Buffer, whose slices are views of a shared pool, serves as well as plain bytes", (cipher) => {
  const stream = new SecretStream(Buffer.from(vector.key, "hex"), Buffer.from(vector.header, "hex"), cipher);
  const { plaintext, frame } = vector.frames[0]!;
  expect(stream.open(Buffer.from(frame, "hex").subarray(FRAME_LENGTH_BYTES))?.toHex()).toBe(plaintext);
});

test("a key or a header of another length is our own mistake", () => {
  expect(() => new SecretStream(new Uint8Array(31), HEADER, portableCipher)).toThrow("32 bytes");
  expect(() => new SecretStream(KEY, new Uint8Array(25), portableCipher)).toThrow("24");
});
