import { expect, test } from "bun:test";
import { X25519Key } from "../../../src/crypto/x25519.ts";
import { SUITE_D, SUITE_W } from "../../../src/tunnel/suite.ts";
import type { TunnelOutput } from "../../../src/tunnel/tunnel.ts";
import { SeededRandom } from "../../support/random.ts";
import { ADDRESS_A, ADDRESS_B, type End, newEnd, pair, shakeHands, take } from "../../support/tunnel-ends.ts";

const types = (outputs: TunnelOutput[]) => outputs.map(({ type }) => type);
const ELSEWHERE = { host: "198.51.100.9", port: 9 };

/** What `end` refused, by reason. */
function refused({ tunnel }: End): Record<string, number> {
  return Object.fromEntries(Object.entries(tunnel.counters).filter(([, count]) => count > 0));
}

/** A datagram with which `from` initiates. */
function initiation(now: number, from: End): Uint8Array {
  from.tunnel.want(now, 0);
  from.tunnel.advance(now);
  return take(from, "send").datagram;
}

for (const suite of [SUITE_W, SUITE_D]) {
  test(`suite ${suite.name}: a wish for a session ends in one, the same at both ends`, () => {
    const [a, b] = pair({ suite });
    const outputs = shakeHands(1000, a, b);
    expect(types(outputs.a)).toEqual(["session", "keepalive"]);
    expect(types(outputs.b)).toEqual(["session"]);
    const [ofA, ofB] = [outputs.a[0]!, outputs.b[0]!];
    if (ofA.type !== "session" || ofB.type !== "session") throw new Error("no sessions");
    expect(ofA.keys).toMatchObject({ suite, isInitiator: true, bornAt: 1000, remoteIndex: ofB.keys.localIndex });
    expect(ofB.keys).toMatchObject({ suite, isInitiator: false, bornAt: 1000, remoteIndex: ofA.keys.localIndex });
    expect(ofA.keys.sendKey).toEqual(ofB.keys.receiveKey);
    expect(ofA.keys.receiveKey).toEqual(ofB.keys.sendKey);
    expect([refused(a), refused(b)]).toEqual([{}, {}]);
  });
}

test("a view tells of the handshake", () => {
  const [a, b] = pair({ endpoints: [ADDRESS_B, null] });
  expect(a.tunnel.peer(0, 0)).toEqual({
    publicKey: b.publicKey,
    endpoint: ADDRESS_B,
    lastHandshakeAt: null,
    state: "idle",
  });
  a.tunnel.want(0, 0);
  expect(a.tunnel.peer(0, 0)?.state).toBe("handshake");
  b.tunnel.receive(0, a.address, take(a, "send").datagram);
  const keys = b.tunnel.drain().find((output) => output.type === "session")!.keys;
  expect(b.tunnel.peer(0, 0)).toMatchObject({ state: "idle", endpoint: ADDRESS_A, lastHandshakeAt: null });
  b.tunnel.confirmed(40, 0, keys.localIndex);
  expect(b.tunnel.peer(40, 0)).toMatchObject({ state: "session", lastHandshakeAt: 40 });
  expect(b.tunnel.peer(180_000, 0)?.state).toBe("idle");
  expect(a.tunnel.peer(0, 1)).toBeNull();
});

test("peers are the least free numbers; our own key, a known one and one of low order are refused", () => {
  const random = new SeededRandom(1);
  const { tunnel, publicKey } = newEnd(ADDRESS_A, random);
  const config = { presharedKey: null, suite: SUITE_W, endpoint: null, persistentKeepaliveMs: 0 };
  const [x, y, z] = [1, 2, 3].map((n) => new X25519Key(new Uint8Array(32).fill(n)).publicKey);
  const add = (publicKey: Uint8Array) => tunnel.addPeer({ ...config, publicKey });
  expect([add(x!), add(y!)]).toEqual([0, 1]);
  expect(() => add(publicKey)).toThrow("is our own");
  expect(() => add(x!)).toThrow("is there already");
  expect(() => add(new Uint8Array(32))).toThrow("is not a usable key");
  tunnel.removePeer(0);
  expect(tunnel.drain()).toEqual([{ type: "forget", peer: 0 }]);
  expect([add(z!), add(x!)]).toEqual([0, 2]);
});

test("calls about peers that are gone do nothing", () => {
  const [a] = pair();
  a.tunnel.removePeer(0);
  a.tunnel.drain();
  a.tunnel.want(0, 0);
  a.tunnel.confirmed(0, 0, 7);
  a.tunnel.roamed(0, 0, ELSEWHERE);
  a.tunnel.setEndpoint(0, 5, ELSEWHERE);
  a.tunnel.removePeer(0);
  a.tunnel.advance(1_000_000);
  expect(a.tunnel.drain()).toEqual([]);
});

test("the endpoint follows authentic handshake messages and setEndpoint, and nothing else", () => {
  const [a, b] = pair();
  const first = initiation(0, a);
  b.tunnel.receive(0, ELSEWHERE, first.with(120, first[120]! ^ 1));
  expect(b.tunnel.drain()).toEqual([]);
  b.tunnel.receive(0, ELSEWHERE, first);
  const outputs = b.tunnel.drain();
  expect(types(outputs)).toEqual(["endpoint", "session", "send"]);
  expect(outputs[0]).toEqual({ type: "endpoint", peer: 0, address: ELSEWHERE });
  expect(outputs[2]).toMatchObject({ to: ELSEWHERE });
  if (outputs[2]?.type === "send") a.tunnel.receive(0, ELSEWHERE, outputs[2].datagram);
  expect(take(a, "endpoint").address).toEqual(ELSEWHERE);
  a.tunnel.setEndpoint(10, 0, ADDRESS_B);
  expect(a.tunnel.drain()).toEqual([{ type: "endpoint", peer: 0, address: ADDRESS_B }]);
  a.tunnel.setEndpoint(10, 0, { ...ADDRESS_B });
  a.tunnel.roamed(20, 0, ELSEWHERE);
  expect(a.tunnel.drain()).toEqual([]);
  expect(a.tunnel.peer(20, 0)?.endpoint).toEqual(ELSEWHERE);
});

test("a peer of one suite is served in no other", () => {
  const [a] = pair({ suite: SUITE_D, seed: 5 });
  const [, b] = pair({ suite: SUITE_W, seed: 5 });
  b.tunnel.receive(0, a.address, initiation(0, a));
  expect(b.tunnel.drain()).toEqual([]);
  expect(refused(b)).toEqual({ wrongSuite: 1 });
});

test("a stranger who knows our public key gets no answer", () => {
  const random = new SeededRandom(3);
  const [known, stranger] = [newEnd(ADDRESS_B, random), newEnd(ADDRESS_A, random)];
  const config = { presharedKey: null, suite: SUITE_W, endpoint: ADDRESS_B, persistentKeepaliveMs: 0 };
  stranger.tunnel.addPeer({ ...config, publicKey: known.publicKey });
  known.tunnel.receive(0, ADDRESS_A, initiation(0, stranger));
  expect(known.tunnel.drain()).toEqual([]);
  expect(refused(known)).toEqual({ unknownPeer: 1 });
});

test("an initiation is taken once; older ones, and more than one in 50 ms, are not", () => {
  const [a, b] = pair();
  const older = initiation(0, a);
  const newer = initiation(6_000, a);
  const newest = initiation(12_000, a);
  b.tunnel.receive(20_000, a.address, newer);
  expect(types(b.tunnel.drain())).toEqual(["session", "send"]);
  for (const [at, datagram] of [
    [20_000, newer],
    [30_000, older],
    [20_049, newest],
  ] as const) {
    b.tunnel.receive(at, a.address, datagram);
  }
  expect(b.tunnel.drain()).toEqual([]);
  expect(refused(b)).toEqual({ replayedTimestamp: 2, floodedInitiation: 1 });
  b.tunnel.receive(20_050, a.address, newest);
  expect(types(b.tunnel.drain())).toEqual(["session", "send"]);
});

test("timestamps grow even when a peer is removed and added again within one step of time", () => {
  const random = new SeededRandom(3);
  const [a, b] = [newEnd(ADDRESS_A, random), newEnd(ADDRESS_B, random)];
  const config = { presharedKey: null, suite: SUITE_W, endpoint: ADDRESS_B, persistentKeepaliveMs: 0 };
  b.tunnel.addPeer({ ...config, publicKey: a.publicKey });
  for (let round = 0; round < 5; round++) {
    a.tunnel.addPeer({ ...config, publicKey: b.publicKey });
    b.tunnel.receive(1000 * round, a.address, initiation(0, a));
    expect(types(b.tunnel.drain())).toContain("session");
    a.tunnel.removePeer(0);
    a.tunnel.drain();
  }
  expect(refused(b)).toEqual({});
});

test("responses are taken once, by the handshake they answer, and a false one does not spoil the true one", () => {
  const [a, b] = pair();
  b.tunnel.receive(0, a.address, initiation(0, a));
  const response = take(b, "send").datagram;
  const mac2At = 76; // which counts under load alone
  for (let at = 0; at < mac2At; at++) a.tunnel.receive(0, b.address, response.with(at, response[at]! ^ 1));
  expect(a.tunnel.drain()).toEqual([]);
  a.tunnel.receive(0, b.address, response);
  expect(types(a.tunnel.drain())).toEqual(["session", "keepalive"]);
  a.tunnel.receive(0, b.address, response);
  expect(a.tunnel.drain()).toEqual([]);
  expect(refused(a)).toMatchObject({ unknownIndex: 1 });
});

test("ends with different pre-shared keys never get a session on the initiator's side", () => {
  const [a, b] = pair({ presharedKeys: [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)] });
  b.tunnel.receive(0, a.address, initiation(0, a));
  a.tunnel.receive(0, b.address, take(b, "send").datagram);
  expect(a.tunnel.drain()).toEqual([]);
  expect(refused(a)).toEqual({ badDecrypt: 1 });
});

test("when both initiate at once, both get both sessions", () => {
  const [a, b] = pair();
  const [fromA, fromB] = [initiation(0, a), initiation(0, b)];
  a.tunnel.receive(10, b.address, fromB);
  b.tunnel.receive(10, a.address, fromA);
  const [atA, atB] = [a.tunnel.drain(), b.tunnel.drain()];
  for (const [outputs, from, end] of [[atA, a, b] as const, [atB, b, a] as const]) {
    for (const output of outputs) if (output.type === "send") end.tunnel.receive(20, from.address, output.datagram);
  }
  const all = [atA.concat(a.tunnel.drain()), atB.concat(b.tunnel.drain())];
  const indices = all.map((outputs) => outputs.flatMap((output) => (output.type === "session" ? [output.keys] : [])));
  expect(indices.map((keys) => keys.map(({ isInitiator }) => isInitiator))).toEqual([
    [false, true],
    [false, true],
  ]);
  expect(indices[0]![0]!.localIndex).toBe(indices[1]![1]!.remoteIndex);
  expect(indices[0]![1]!.localIndex).toBe(indices[1]![0]!.remoteIndex);
  expect([a, b].map(({ tunnel }) => tunnel.peer(20, 0)?.state)).toEqual(["session", "session"]);
});

test("a confirmation ends our own effort, whose late response is then nothing", () => {
  const [a, b] = pair();
  const [fromA, fromB] = [initiation(0, a), initiation(0, b)];
  b.tunnel.receive(0, a.address, fromA);
  const lateResponse = take(b, "send").datagram;
  a.tunnel.receive(0, b.address, fromB);
  const { keys } = a.tunnel.drain().find((output) => output.type === "session")!;
  a.tunnel.confirmed(5, 0, keys.localIndex + 1);
  expect(a.tunnel.peer(5, 0)?.state).toBe("handshake");
  a.tunnel.confirmed(5, 0, keys.localIndex);
  expect(a.tunnel.peer(5, 0)?.state).toBe("session");
  a.tunnel.receive(6, b.address, lateResponse);
  a.tunnel.advance(5_400);
  expect(a.tunnel.drain()).toEqual([]);
});

test("no bytes make receive throw, and none without a valid mac1 are answered", () => {
  const [a, b] = pair();
  const first = initiation(0, a);
  b.tunnel.receive(0, a.address, first);
  const response = take(b, "send").datagram;
  const random = new SeededRandom(9);
  const forged = (): Uint8Array => {
    const bytes = random.pick([first, response, random.bytes(64), random.bytes(148), random.bytes(92)]).slice();
    if (random.chance(0.7)) bytes.set([random.pick([1, 2, 3, 0x81, 0x82, 0x83]), 0, 0, 0]);
    for (let flips = 1 + random.below(3); flips > 0; flips--)
      bytes[random.below(bytes.length - 16)]! ^= 1 << random.below(8);
    return random.chance(0.3) ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes;
  };
  for (let round = 0; round < 4000; round++) b.tunnel.receive(1000 + round, a.address, forged());
  expect(b.tunnel.drain()).toEqual([]);
  expect(Object.values(b.tunnel.counters).reduce((sum, count) => sum + count)).toBe(4000);
});
