import { expect, test } from "bun:test";
import { X25519Key } from "../../../src/crypto/x25519.ts";
import { MessageSigner } from "../../../src/tunnel/cookies.ts";
import { initiate, PublicIdentity } from "../../../src/tunnel/handshake.ts";
import { LOAD_THRESHOLD } from "../../../src/tunnel/rate-limit.ts";
import { SUITE_W } from "../../../src/tunnel/suite.ts";
import type { Tunnel } from "../../../src/tunnel/tunnel.ts";
import { COOKIE_REPLY_BYTES, encodeResponse } from "../../../src/wire/tunnel.ts";
import { SeededRandom } from "../../support/random.ts";
import { ADDRESS_A, ADDRESS_B, type End, pair, take } from "../../support/tunnel-ends.ts";

/** The tunnel under load: `tunnel.ts` with `rate-limit.ts` and `cookies.ts`. */
const FLOODER = { host: "203.0.113.1", port: 1 };

/** Initiations of strangers who know the public key, `count` of them at `now`. */
function flood(now: number, { tunnel, publicKey }: End, count: number): void {
  const random = new SeededRandom(now);
  const stranger = new X25519Key(random.bytes(32));
  const identity = new PublicIdentity(publicKey);
  const remote = { identity, staticSecret: stranger.agree(publicKey)!, presharedKey: null };
  const keys = { suite: SUITE_W, local: stranger, remote, localIndex: 1, timestamp: new Uint8Array(12) };
  const { datagram } = initiate({ ...keys, ephemeralSecret: random.bytes(32) });
  new MessageSigner(identity).sign(now, datagram);
  for (let i = 0; i < count; i++) tunnel.receive(now, FLOODER, datagram);
}

const sends = (tunnel: Tunnel) => tunnel.drain().flatMap((output) => (output.type === "send" ? [output] : []));

test("after so many initiations in a second, a cookie is the answer, and less than what came", () => {
  const [, b] = pair();
  flood(0, b, LOAD_THRESHOLD);
  expect(b.tunnel.drain()).toEqual([]);
  flood(999, b, 3);
  const replies = sends(b.tunnel);
  expect(replies.map(({ to, datagram }) => [to, datagram.length])).toEqual(
    Array(3).fill([FLOODER, COOKIE_REPLY_BYTES]),
  );
  expect(b.tunnel.counters).toMatchObject({ unknownPeer: LOAD_THRESHOLD, underLoad: 3 });
  flood(2_000, b, 1);
  expect(b.tunnel.drain()).toEqual([]);
});

test("a peer gets through the flood with its second initiation", () => {
  const [a, b] = pair();
  flood(0, b, LOAD_THRESHOLD);
  a.tunnel.want(0, 0);
  b.tunnel.receive(0, a.address, take(a, "send").datagram);
  a.tunnel.receive(0, b.address, take(b, "send").datagram);
  expect(a.tunnel.drain()).toEqual([]);
  const retryAt = a.tunnel.deadline();
  flood(retryAt, b, LOAD_THRESHOLD + 1);
  b.tunnel.drain();
  a.tunnel.advance(retryAt);
  const { datagram } = take(a, "send");
  b.tunnel.receive(retryAt, FLOODER, datagram);
  expect(sends(b.tunnel)[0]?.datagram.length).toBe(COOKIE_REPLY_BYTES); // the cookie is a's address's alone
  b.tunnel.receive(retryAt, a.address, datagram);
  a.tunnel.receive(retryAt, b.address, take(b, "send").datagram);
  expect(a.tunnel.drain().map(({ type }) => type)).toEqual(["session", "keepalive"]);
});

test("an initiator under load asks the responder for a cookie too", () => {
  const [a, b] = pair();
  const shake = (now: number) => {
    a.tunnel.want(now, 0);
    a.tunnel.advance(now);
    b.tunnel.receive(now, a.address, take(a, "send").datagram);
    a.tunnel.receive(now, b.address, take(b, "send").datagram);
  };
  flood(0, a, LOAD_THRESHOLD);
  shake(0);
  b.tunnel.receive(0, a.address, take(a, "send").datagram);
  expect(b.tunnel.counters).toMatchObject({ unknownIndex: 0, badDecrypt: 0 });
  const retryAt = a.tunnel.deadline();
  flood(retryAt, a, LOAD_THRESHOLD + 1);
  a.tunnel.drain();
  shake(retryAt);
  expect(a.tunnel.drain().map(({ type }) => type)).toEqual(["session", "keepalive"]);
});

test("even with a cookie, one source is worked for 5 times at once and 20 times a second", () => {
  const [a, b] = pair();
  flood(0, b, LOAD_THRESHOLD);
  a.tunnel.want(0, 0);
  b.tunnel.receive(0, ADDRESS_A, take(a, "send").datagram);
  a.tunnel.receive(0, ADDRESS_B, take(b, "send").datagram);
  const retryAt = a.tunnel.deadline();
  flood(retryAt, b, LOAD_THRESHOLD);
  a.tunnel.advance(retryAt);
  const { datagram } = take(a, "send");
  for (let i = 0; i < 9; i++) b.tunnel.receive(retryAt, ADDRESS_A, datagram);
  expect(b.tunnel.counters).toMatchObject({ replayedTimestamp: 4, rateLimited: 4 });
});

test("forged responses, made by someone who saw our initiation, put us under load as well", () => {
  const [a] = pair();
  a.tunnel.want(0, 0);
  const sender = new DataView(take(a, "send").datagram.buffer).getUint32(4, true);
  const forged = encodeResponse({
    suiteBit: 0,
    sender: 1,
    receiver: sender,
    ephemeral: new X25519Key(new Uint8Array(32).fill(7)).publicKey,
    sealedNothing: new Uint8Array(16),
  });
  new MessageSigner(new PublicIdentity(a.publicKey)).sign(0, forged);
  for (let i = 0; i < LOAD_THRESHOLD + 6; i++) a.tunnel.receive(0, FLOODER, forged);
  expect(a.tunnel.counters).toMatchObject({ badDecrypt: LOAD_THRESHOLD, underLoad: 6 });
});
