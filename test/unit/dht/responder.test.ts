import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { blake2b256 } from "../../../src/crypto/blake2b.ts";
import { keyPairFromSeed } from "../../../src/crypto/ed25519.ts";
import { nodeId } from "../../../src/dht/peer.ts";
import { signAnnounce } from "../../../src/dht/signatures.ts";
import { COMMAND, encodeAnnounce } from "../../../src/wire/dht.ts";
import { encodeRelayedHandshake, MODE } from "../../../src/wire/handshake.ts";
import { encodeRelayedHolepunch } from "../../../src/wire/holepunch.ts";
import { encodeAddress4, INTERNAL, type Request, RPC_ERROR } from "../../../src/wire/rpc.ts";
import { HERE, LoneNode, persistentNode, requestTo } from "../../support/lone-node.ts";
import { SeededRandom } from "../../support/random.ts";

const TARGET = new Uint8Array(32).fill(0x33);
const stranger = (i: number): Address => ({ host: `20.${(i >> 8) & 255}.${i & 255}.1`, port: 4_000 });
const delay = (ms: number) => Uint8Array.of(ms, ms >> 8, ms >> 16, ms >>> 24);
const FIND_NODE = { command: INTERNAL.findNode, target: TARGET };
const LOOKUP = { isInternal: false, command: COMMAND.lookup, target: TARGET };

/** The node knows these, as persistent nodes that it heard. */
function introduce(lone: LoneNode, count: number): void {
  for (let i = 0; i < count; i++) lone.input((node, now) => node.addNode(now, stranger(5_000 + i)));
}

/** Whoever is there answers what the node asks it. */
function answerEverything(lone: LoneNode): void {
  lone.onSent = (sent) => {
    if (sent.request) lone.later(1, () => lone.answer(sent, { id: null }));
  };
}

test("every internal command is answered by its shape, and what lacks a part is not answered", () => {
  const lone = persistentNode();
  introduce(lone, 3);
  const answered = (fields: Partial<Request>) => {
    const [sent, more] = lone.ask(stranger(1), fields);
    expect(more).toBeUndefined();
    if (!sent) return null;
    const { token, closerNodes, error, value, id } = sent.response!;
    expect([token, value, id]).toEqual([null, null, lone.node.id]);
    return { port: sent.to.port, nodes: closerNodes.length, error };
  };
  const { ping, pingNat, findNode, downHint, delayedPing } = INTERNAL;
  expect(answered({ command: ping })).toEqual({ port: 4_000, nodes: 0, error: 0 });
  expect(answered({ command: ping, target: TARGET, value: new Uint8Array(900) })).toEqual({
    port: 4_000,
    nodes: 0,
    error: 0,
  });
  expect(answered({ command: pingNat, value: Uint8Array.of(0x34, 0x12) })).toEqual({
    port: 0x1234,
    nodes: 0,
    error: 0,
  });
  for (const value of [null, Uint8Array.of(1), Uint8Array.of(0, 0)])
    expect(answered({ command: pingNat, value })).toBeNull();
  expect(answered({ command: findNode, target: TARGET })).toEqual({ port: 4_000, nodes: 3, error: 0 });
  expect(answered({ command: findNode })).toBeNull();
  expect(answered({ command: downHint, value: encodeAddress4(stranger(9)) })).toEqual({
    port: 4_000,
    nodes: 0,
    error: 0,
  });
  expect(answered({ command: downHint, value: new Uint8Array(5) })).toBeNull();
  expect(answered({ command: delayedPing, value: delay(10_001) })).toBeNull();
  expect(answered({ command: delayedPing, value: new Uint8Array(3) })).toBeNull();
  expect(answered({ command: 5 })).toEqual({ port: 4_000, nodes: 0, error: RPC_ERROR.unknownCommand });
  expect(answered({ command: 2 ** 32 - 1, target: TARGET })).toEqual({ port: 4_000, nodes: 3, error: 1 });
});

test("an ephemeral node answers without an id, and knows no commands of storage", () => {
  const lone = new LoneNode();
  expect(lone.node.id).toBeNull();
  const [pong] = lone.ask(stranger(1));
  expect([pong!.datagram.length, pong!.response!.id]).toEqual([10, null]);
  for (let command = COMMAND.findPeer; command <= COMMAND.plugin; command++) {
    const [sent] = lone.ask(stranger(1), { isInternal: false, command, target: TARGET });
    expect(sent?.response?.error).toBe(RPC_ERROR.unknownCommand);
  }
});

test("only the socket whose address the id follows from gives it, and an answer leaves by the one that was asked", () => {
  const lone = persistentNode();
  const [byServer] = lone.ask(stranger(1), {}, "server");
  const [byClient] = lone.ask(stranger(1), {}, "client");
  expect([byServer!.socket, byServer!.response!.id]).toEqual(["server", nodeId(HERE)]);
  expect([byClient!.socket, byClient!.response!.id]).toEqual(["client", null]);
});

test("a brief request is answered without an id, so that the answer is no longer than it", () => {
  const [sent] = persistentNode().ask(stranger(1), { isBrief: true });
  expect([sent!.datagram.length, sent!.response!.id]).toEqual([10, null]);
});

test("OM-37 a token that is not ours is refused at once, whatever is asked, with a fresh one", () => {
  const lone = persistentNode();
  introduce(lone, 2);
  const token = lone.ask(stranger(1), LOOKUP)[0]!.response!.token!;
  for (const wrong of [new Uint8Array(32), token.with(0, token[0]! ^ 1)]) {
    for (const fields of [LOOKUP, FIND_NODE, { command: 99, target: TARGET }]) {
      const [sent] = lone.ask(stranger(1), { ...fields, token: wrong });
      expect(sent!.response).toMatchObject({ error: RPC_ERROR.invalidToken, token, value: null });
      expect(sent!.response!.closerNodes).toHaveLength(2);
    }
  }
  expect(lone.ask(stranger(2), { ...LOOKUP, token })[0]!.response!.error).toBe(RPC_ERROR.invalidToken);
  expect(lone.ask(stranger(1), { ...LOOKUP, token })[0]!.response!.error).toBe(0);
  lone.run(15_000);
  expect(lone.ask(stranger(1), { ...LOOKUP, token })[0]!.response!.error).toBe(RPC_ERROR.invalidToken);
});

test("a delayed ping is answered when its time has come, in the order of the times", () => {
  const lone = persistentNode();
  for (const [tid, ms] of [
    [1, 9_000],
    [2, 0],
    [3, 4_000],
    [4, 10_000],
  ] as const) {
    expect(lone.ask(stranger(1), { tid, command: INTERNAL.delayedPing, value: delay(ms) })).toEqual([]);
  }
  lone.run(60_000);
  const pongs = lone.takeSent().filter(({ response }) => response);
  expect(pongs.map(({ at, response }) => [at, response!.tid])).toEqual([
    [0, 2],
    [4_000, 3],
    [9_000, 1],
    [10_000, 4],
  ]);
});

test("1,024 delayed pings wait at most, and none survives a suspension", () => {
  const lone = persistentNode();
  for (let i = 0; i < 2_000; i++) {
    lone.receive(requestTo({ command: INTERNAL.delayedPing, value: delay(5_000) }), stranger(i));
  }
  lone.takeSent();
  lone.run(5_000);
  expect(lone.takeSent().filter(({ response }) => response)).toHaveLength(1_024);
  lone.receive(requestTo({ command: INTERNAL.delayedPing, value: delay(1_000) }), stranger(1));
  lone.input((node, now) => node.suspend(now));
  lone.run(8_000);
  lone.input((node, now) => node.resume(now, HERE.port));
  lone.run(30_000);
  expect(lone.takeSent().filter(({ response }) => response)).toEqual([]);
});

// What follows is about strangers from the public internet.

test("OM-37 a reply that is larger than its request waits until its sender has shown that it is there, and then comes once", () => {
  const lone = persistentNode({ isPublic: true });
  introduce(lone, 20);
  const [challenge, ...others] = lone.ask(stranger(1), FIND_NODE);
  expect([challenge!.request!.command, challenge!.datagram.length, others]).toEqual([INTERNAL.ping, 11, []]);
  lone.answer(challenge!, { id: null });
  const [reply, ...more] = lone.takeSent();
  expect([reply!.response!.closerNodes.length, more]).toEqual([20, []]);
  lone.answer(challenge!, { id: null });
  expect(lone.takeSent()).toEqual([]);
  expect(lone.ask(stranger(1), FIND_NODE)[0]!.response!.closerNodes).toHaveLength(20); // now it is known
});

test("OM-37 a reply that is no larger is given at once", () => {
  const lone = persistentNode({ isPublic: true });
  introduce(lone, 20);
  const [reply] = lone.ask(stranger(1), { ...FIND_NODE, value: new Uint8Array(150) });
  expect(reply!.response!.closerNodes).toHaveLength(20);
});

test("OM-37 who shows a token is there", () => {
  const lone = persistentNode({ isPublic: true });
  introduce(lone, 20);
  answerEverything(lone);
  const issued = lone.ask(stranger(1), LOOKUP);
  lone.run(10);
  const token = [...issued, ...lone.takeSent()].find(({ response }) => response?.token)!.response!.token!;
  const later = persistentNode({ isPublic: true }); // with the same secrets, which knows nobody
  introduce(later, 20);
  expect(later.ask(stranger(1), { ...LOOKUP, token })[0]!.response!.token).toEqual(token);
});

test("OM-37 a delayed ping, which would leave when nobody looks any more, waits for the proof first", () => {
  const lone = persistentNode({ isPublic: true });
  const fields = { command: INTERNAL.delayedPing, value: new Uint8Array([...delay(2_000), ...new Uint8Array(100)]) };
  const [challenge] = lone.ask(stranger(1), fields);
  expect(challenge!.request!.command).toBe(INTERNAL.ping);
  lone.run(500);
  lone.answer(challenge!, { id: null });
  lone.run(60_000);
  expect(
    lone
      .takeSent()
      .filter(({ response }) => response)
      .map(({ at }) => at),
  ).toEqual([2_500]);
});

/** A key that announced itself at the node, from `from`. */
function announceServer(lone: LoneNode, from: Address): Uint8Array {
  const keyPair = keyPairFromSeed(new Uint8Array(32).fill(5));
  const target = blake2b256(keyPair.publicKey);
  const fields = { isInternal: false, command: COMMAND.lookup, target };
  const sent = lone.ask(from, { ...fields, value: new Uint8Array(200) });
  const { token } = sent.find(({ response }) => response)!.response!;
  const peer = { publicKey: keyPair.publicKey, relayAddresses: [] };
  const terms = { action: "announce", target, nodeId: nodeId(HERE), token: token!, peer, refresh: null } as const;
  const value = encodeAnnounce({ peer, refresh: null, signature: signAnnounce(terms, keyPair.secretKey), bump: 0 });
  const [reply] = lone.ask(from, { ...fields, command: COMMAND.announce, token, value });
  expect(reply!.response!.error).toBe(0);
  return target;
}

test("OM-37 a relay sends no more bytes than came to whom it does not know, and its id only to whom it knows", () => {
  for (const [isPublic, known] of [
    [true, true],
    [true, false],
    [false, false],
  ]) {
    const lone = persistentNode({ isPublic: isPublic! });
    const [server, client] = [stranger(1), stranger(2)];
    if (known) {
      const [challenge] = lone.ask(client, FIND_NODE);
      if (challenge?.request) lone.answer(challenge, { id: null });
    }
    lone.takeSent();
    const value = encodeRelayedHandshake({
      mode: MODE.fromServer,
      noise: new Uint8Array(64),
      peerAddress: client,
      relayAddress: null,
    });
    const request = { isInternal: false, command: COMMAND.peerHandshake, target: TARGET, value };
    const [sent] = lone.ask(server, request);
    expect(sent!.to).toEqual(client);
    expect(sent!.response!.id !== null).toBe(!isPublic);
    expect(sent!.datagram.length).toBeLessThanOrEqual(requestTo(request).length);
  }
});

test("a handshake is led to the server that announced itself, with the client's number, and answered to the client", () => {
  const lone = persistentNode({ isPublic: true });
  const [server, client] = [stranger(1), stranger(2)];
  const target = announceServer(lone, server);
  const value = encodeRelayedHandshake({ mode: 0, noise: new Uint8Array(64), peerAddress: null, relayAddress: null });
  const [forward, ...more] = lone.ask(client, { tid: 999, isInternal: false, command: 0, target, value });
  expect([forward!.to, forward!.request!.tid, forward!.request!.command, more]).toEqual([server, 999, 0, []]);
  expect(forward!.request!.id).toEqual(lone.node.id); // it showed a token: it is there
});

test("OM-37 a server whose token is long ago is led to with no more bytes than came", () => {
  const lone = persistentNode({ isPublic: true, maxAgeMs: 3_600_000 });
  const target = announceServer(lone, stranger(1));
  lone.run(31 * 60_000);
  const noise = new Uint8Array(64);
  const bare = encodeRelayedHandshake({ mode: 0, noise, peerAddress: null, relayAddress: null });
  expect(lone.ask(stranger(2), { isInternal: false, command: 0, target, value: bare })).toEqual([]);
  const padded = new Uint8Array(bare.length + 6);
  padded.set(bare);
  const [forward] = lone.ask(stranger(2), { isInternal: false, command: 0, target, value: padded });
  expect(forward!.to).toEqual(stranger(1));
  expect(forward!.request!.id).toBeNull();
});

test("nothing is relayed to port 0", () => {
  const lone = persistentNode();
  const nowhere = { host: "5.9.17.33", port: 0 };
  const shared = { noise: new Uint8Array(9), relayAddress: null };
  const values = [
    [0, encodeRelayedHandshake({ ...shared, mode: MODE.fromServer, peerAddress: nowhere })],
    [0, encodeRelayedHandshake({ ...shared, mode: MODE.fromClient, peerAddress: null, relayAddress: nowhere })],
    [1, encodeRelayedHolepunch({ mode: MODE.fromClient, id: 1, payload: new Uint8Array(9), peerAddress: nowhere })],
  ] as const;
  for (const [command, value] of values) {
    expect(lone.ask(stranger(1), { isInternal: false, command, target: TARGET, value })).toEqual([]);
  }
});

test("a handshake for a server that is not known is answered with closer nodes", () => {
  const lone = persistentNode();
  introduce(lone, 2);
  const value = encodeRelayedHandshake({ mode: 0, noise: new Uint8Array(9), peerAddress: null, relayAddress: null });
  const [sent] = lone.ask(stranger(1), { isInternal: false, command: 0, target: TARGET, value });
  expect(sent!.response).toMatchObject({ error: 0, value: null, token: null });
  expect(sent!.response!.closerNodes).toHaveLength(2);
});

test("OM-37 until a stranger answers, no more bytes go to its address than came from it; relayed, than came for it", () => {
  for (const seed of [1, 2, 3]) {
    const random = new SeededRandom(seed);
    const lone = persistentNode({ isPublic: true, random: new SeededRandom(seed) });
    introduce(lone, 40);
    const target = announceServer(lone, stranger(60_000));
    const proven = new Set([stranger(60_000).host]);
    const balance = new Map<string, number>(); // bytes in, less bytes out
    const count = (host: string, bytes: number) => balance.set(host, (balance.get(host) ?? 0) + bytes);
    let last = { from: HERE, length: 0 };
    lone.takeSent();
    lone.onSent = ({ to, datagram, request }) => {
      const isOwn = request?.isInternal && !request.isBrief; // it pings the nodes of its table
      if (isOwn || proven.has(to.host)) return;
      if (to.host === last.from.host) count(to.host, -datagram.length);
      const spare = to.host === last.from.host ? balance.get(to.host)! : last.length - datagram.length;
      expect([seed, lone.now, Math.min(0, spare)]).toEqual([seed, lone.now, 0]);
    };
    let [challenges, answers] = [0, 0];
    for (let round = 0; round < 3_000; round++) {
      const from = { host: stranger(random.below(200)).host, port: 1 + random.below(65_535) };
      const datagram = randomRequest(random, from, target);
      last = { from, length: datagram.length };
      count(from.host, datagram.length);
      lone.receive(datagram, from, random.pick(["server", "client"] as const));
      for (const sent of lone.takeSent()) {
        if (!sent.request?.isBrief) continue;
        challenges++;
        if (!random.chance(0.05)) continue;
        answers++;
        proven.add(sent.to.host);
        lone.answer(sent, { id: random.chance(0.5) ? nodeId(sent.to) : null });
      }
      if (random.chance(0.2)) lone.run(lone.now + random.below(1_000));
    }
    const { replies, relayed } = lone.node.stats;
    expect([challenges > 100, answers > 5, replies > 500, relayed > 20]).toEqual([true, true, true, true]);
  }
});

/** Any request that decodes: of every command, with and without each field, some padded. */
function randomRequest(random: SeededRandom, from: Address, route: Uint8Array): Uint8Array {
  const isInternal = random.chance(0.5);
  const some = (bytes: Uint8Array) => (random.chance(0.5) ? bytes : null);
  const anyone = () => stranger(random.below(400));
  const values = [
    null,
    random.bytes(random.below(60)),
    delay(random.below(12_000)),
    encodeAddress4(anyone()),
    encodeRelayedHandshake({
      mode: random.below(5),
      noise: random.bytes(random.below(120)),
      peerAddress: random.chance(0.5) ? anyone() : null,
      relayAddress: random.chance(0.5) ? anyone() : null,
    }),
    encodeRelayedHolepunch({
      mode: random.below(5),
      id: random.below(9),
      payload: random.bytes(random.below(120)),
      peerAddress: random.chance(0.5) ? anyone() : null,
    }),
  ];
  const command = isInternal ? random.below(7) : random.below(12);
  const isRelay = !isInternal && command < 2;
  return requestTo({
    tid: random.below(65_536),
    id: some(random.chance(0.5) ? nodeId(from) : random.bytes(32)),
    token: random.chance(0.1) ? random.bytes(32) : null,
    isInternal,
    command,
    target: some(random.chance(0.5) ? route : random.bytes(32)),
    value: isRelay ? values[4 + command]! : random.pick(values),
    isBrief: random.chance(0.2),
  });
}
