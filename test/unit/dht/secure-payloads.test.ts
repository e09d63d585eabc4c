import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { openBox, sealBox } from "../../../src/crypto/secretbox.ts";
import { SecurePayloads } from "../../../src/dht/secure-payloads.ts";
import { encodeHolepunchPayload, type HolepunchPayload } from "../../../src/wire/holepunch-payload.ts";
import { SeededRandom } from "../../support/random.ts";
import { bytesOrNull, vectors } from "../../support/vectors.ts";

interface Row {
  nonce: string;
  payload: Omit<HolepunchPayload, "token" | "remoteToken"> & {
    addresses: Address[] | null;
    token: string | null;
    remoteToken: string | null;
  };
  plaintext: string;
  boxed: string;
}
const group = vectors<{
  holepunchSecret: string;
  list: Row[];
  token: { localSecret: string; tokens: { host: string; token: string }[] };
}>("holepunchPayloads");

const payloadOf = ({ payload }: Row): HolepunchPayload => ({
  ...payload,
  token: bytesOrNull(payload.token),
  remoteToken: bytesOrNull(payload.remoteToken),
});
const HASH = new SeededRandom(5).bytes(64);

test("OM-32 sealed payloads have the reference's bytes", () => {
  const key = Uint8Array.fromHex(group.holepunchSecret);
  for (const row of group.list) {
    const nonce = Uint8Array.fromHex(row.nonce);
    const plain = encodeHolepunchPayload(payloadOf(row));
    expect(plain.toHex()).toBe(row.plaintext);
    const box = sealBox(key, nonce, plain);
    expect(row.nonce + box.toHex()).toBe(row.boxed);
    expect(openBox(key, nonce, box)).toEqual(plain);
  }
});

test("OM-32 tokens are the reference's, and hold for their host alone", () => {
  const { localSecret, tokens } = group.token;
  const random = { bytes: () => Uint8Array.fromHex(localSecret) };
  const secure = new SecurePayloads(random, HASH);
  for (const { host, token } of tokens) {
    expect(secure.token(host).toHex()).toBe(token);
    expect(secure.isEchoed(host, Uint8Array.fromHex(token))).toBe(true);
    expect(secure.isEchoed("192.0.2.1", Uint8Array.fromHex(token))).toBe(false);
    expect(secure.isEchoed(host, null)).toBe(false);
  }
});

test("what one side sealed the other opens; a flipped bit, a cut, and another handshake's do not open", () => {
  const [a, b, other] = [
    new SecurePayloads(new SeededRandom(1), HASH),
    new SecurePayloads(new SeededRandom(2), HASH),
    new SecurePayloads(new SeededRandom(1), HASH.with(0, HASH[0]! ^ 1)),
  ];
  for (const row of group.list) {
    const sealed = a.seal(payloadOf(row));
    expect(b.open(sealed)).toEqual(payloadOf(row));
    expect(other.open(sealed)).toBeNull();
    for (let i = 0; i < sealed.length; i++) expect(b.open(sealed.with(i, sealed[i]! ^ 1))).toBeNull();
    for (let end = 0; end < sealed.length; end++) expect(b.open(sealed.subarray(0, end))).toBeNull();
  }
});
