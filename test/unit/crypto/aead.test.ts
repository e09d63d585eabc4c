import { expect, test } from "bun:test";
import { type Aead, aes256Gcm, chacha20Poly1305, xchacha20Poly1305 } from "../../../src/crypto/aead.ts";

const SUNSCREEN = Buffer.from(
  "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
).toString("hex");
const KEY = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f";

interface Vector {
  aead: Aead;
  key: string;
  nonce: string;
  associated: string;
  plaintext: string;
  sealed: string;
}

const vectors: Record<string, Vector> = {
  "ChaCha20-Poly1305 of RFC 8439 §2.8.2": {
    aead: chacha20Poly1305,
    key: KEY,
    nonce: "070000004041424344454647",
    associated: "50515253c0c1c2c3c4c5c6c7",
    plaintext: SUNSCREEN,
    sealed:
      "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b29" +
      "05d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b" +
      "61161ae10b594f09e26a7e902ecbd0600691",
  },
  "XChaCha20-Poly1305 of draft-irtf-cfrg-xchacha-03 §A.3.1": {
    aead: xchacha20Poly1305,
    key: KEY,
    nonce: "404142434445464748494a4b4c4d4e4f5051525354555657",
    associated: "50515253c0c1c2c3c4c5c6c7",
    plaintext: SUNSCREEN,
    sealed:
      "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216" +
      "cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13" +
      "b52ec0875924c1c7987947deafd8780acf49",
  },
  "AES-256-GCM of McGrew and Viega, test case 16": {
    aead: aes256Gcm,
    key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
    nonce: "cafebabefacedbaddecaf888",
    associated: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
    plaintext:
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657" +
      "ba637b39",
    sealed:
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0a" +
      "bcc9f66276fc6ece0f4e1768cddf8853bb2d551b",
  },
};

for (const [name, vector] of Object.entries(vectors)) {
  const { aead } = vector;
  const [key, nonce, associated, plaintext, sealed] = [
    Uint8Array.fromHex(vector.key),
    Uint8Array.fromHex(vector.nonce),
    Uint8Array.fromHex(vector.associated),
    Uint8Array.fromHex(vector.plaintext),
    Uint8Array.fromHex(vector.sealed),
  ];

  test(`it is ${name}`, () => {
    expect(nonce.length).toBe(aead.nonceBytes);
    expect(aead.seal(key, nonce, plaintext, associated)).toEqual(sealed);
    expect(aead.open(key, nonce, sealed, associated)).toEqual(plaintext);
  });

  test(`nothing but what was sealed opens: ${name}`, () => {
    for (let i = 0; i < sealed.length; i++) expect(aead.open(key, nonce, flip(sealed, i), associated)).toBeNull();
    for (let end = 0; end < sealed.length; end++) {
      expect(aead.open(key, nonce, sealed.subarray(0, end), associated)).toBeNull();
    }
    expect(aead.open(flip(key, 3), nonce, sealed, associated)).toBeNull();
    expect(aead.open(key, flip(nonce, 3), sealed, associated)).toBeNull();
    expect(aead.open(key, nonce, sealed, flip(associated, 3))).toBeNull();
  });

  test(`an empty plaintext is a tag alone: ${name}`, () => {
    const tag = aead.seal(key, nonce, new Uint8Array(0), associated);
    expect(tag.length).toBe(16);
    expect(aead.open(key, nonce, tag, associated)).toEqual(new Uint8Array(0));
  });
}

function flip(bytes: Uint8Array, at: number): Uint8Array {
  const flipped = bytes.slice();
  flipped[at]! ^= 0x10;
  return flipped;
}
