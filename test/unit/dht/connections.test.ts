/** The connections of a whole node, alone: what reaches the wire, and what is left when it is over. */
import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { type Connection, type ConnectionOwner, NOBODY } from "../../../src/dht/connection.ts";
import type { Server } from "../../../src/dht/connections.ts";
import { COMMAND } from "../../../src/wire/dht.ts";
import { encodeRelayedHandshake, MODE, type RelayedHandshake } from "../../../src/wire/handshake.ts";
import { FIREWALL, type NoisePayload } from "../../../src/wire/noise-payload.ts";
import { INTERNAL } from "../../../src/wire/rpc.ts";
import { fakeClient, keyPair } from "../../support/fake-handshakes.ts";
import { HERE, LoneNode, persistentNode, requestTo } from "../../support/lone-node.ts";

const SERVER = keyPair(1);
const STRANGER: Address = { host: "88.99.30.1", port: 4_000 };
const IDLE = { streams: 0, calling: 0, calls: 0, leavingSockets: 0 };

function listen(lone: LoneNode, connected: (connection: Connection) => ConnectionOwner = () => NOBODY): Server {
  const options = { keyPair: SERVER, punches: true, sharesLocalAddresses: false, relayThrough: null };
  return lone.input((node, now) =>
    node.connections.listen(now, options, {
      admits: () => true,
      mayRelay: () => false,
      listening: () => {},
      connected: (_, connection) => connected(connection),
      closed: () => {},
    }),
  )!;
}

function hello(seed: number, fields: Partial<NoisePayload> = {}, message: Partial<RelayedHandshake> = {}): Uint8Array {
  const { hello: noise } = fakeClient(seed, SERVER.publicKey, fields);
  const none = { mode: MODE.fromClient, noise, peerAddress: null, relayAddress: null };
  const target = Bun.CryptoHasher.hash("blake2b256", SERVER.publicKey) as Uint8Array;
  const value = encodeRelayedHandshake({ ...none, ...message });
  return requestTo({ isInternal: false, command: COMMAND.peerHandshake, target: new Uint8Array(target), value });
}

const connect = (lone: LoneNode, owner: ConnectionOwner = NOBODY) =>
  lone.input((node, now) => {
    const keys = { keyPair: keyPair(2), remotePublicKey: keyPair(3).publicKey, relayAddresses: [STRANGER] };
    return node.connections.connect(now, { ...keys, fastOpen: true, localConnection: true, relayThrough: null }, owner);
  });

test("a server on the public network answers no stranger with more than it sent before that has shown it is there", () => {
  const lone = new LoneNode({ isPublic: true }); // behind a NAT, so that its answer names its relays
  listen(lone);
  lone.takeSent();
  const relayAddresses = Array.from({ length: 3 }, (_, i) => ({ host: `20.0.0.${i + 1}`, port: 1 }));
  Object.assign(lone.node.connections.servers()[0]!.announcer, {
    relays: relayAddresses.map((relayAddress) => ({ relayAddress, peerAddress: HERE })),
  });
  const client = { host: "88.99.40.1", port: 9 };
  const datagram = hello(5, { secretStream: false }, { mode: MODE.fromRelay, peerAddress: client });
  lone.receive(datagram, STRANGER);
  let sent = lone.takeSent();
  const bytes = sent.filter(({ to }) => to.host === STRANGER.host).map((each) => each.datagram.length);
  expect(Math.max(...bytes)).toBeLessThanOrEqual(datagram.length);
  const ping = sent.find(({ request, to }) => request?.command === INTERNAL.ping && to.host === STRANGER.host);
  lone.answer(ping!);
  sent = lone.takeSent();
  expect(sent.some(({ request, to }) => request?.tid === 7 && to.host === STRANGER.host)).toBe(true);
});

test("a relay that a stranger names gets no more bytes than came", () => {
  const lone = persistentNode({ isPublic: true });
  listen(lone);
  lone.takeSent();
  for (let i = 0; i < 20; i++) {
    const named = { host: `20.0.${i}.1`, port: 53 };
    const datagram = hello(10 + i, {}, { mode: MODE.fromSecondRelay, peerAddress: STRANGER, relayAddress: named });
    lone.receive(datagram, STRANGER);
    const toNamed = lone.takeSent().filter(({ to }) => to.host === named.host);
    expect(toNamed.reduce((sum, each) => sum + each.datagram.length, 0)).toBeLessThanOrEqual(datagram.length);
  }
});

test("one network's flood of handshakes leaves room for another's", () => {
  const lone = persistentNode();
  let streams = 0;
  listen(lone, () => {
    streams++;
    return NOBODY;
  });
  for (let i = 0; i < 200; i++) lone.receive(hello(1_000 + i), { host: `20.0.0.${i % 250}`, port: 5 });
  const afterFlood = streams;
  lone.receive(hello(5), STRANGER);
  expect([afterFlood, streams]).toEqual([50, 51]);
}, 20_000);

test("OM-13 handshakes that come while a server closes, or later, leave nothing", () => {
  const lone = persistentNode();
  const server = listen(lone);
  lone.receive(hello(5, {}, { mode: MODE.fromRelay, peerAddress: STRANGER }), STRANGER);
  expect(lone.node.connections.counts.calls).toBe(1);
  lone.input((node, now) => node.connections.close(now, server));
  for (let i = 0; i < 3; i++) lone.receive(hello(20 + i), STRANGER);
  lone.run(60_000);
  expect([lone.node.connections.counts, lone.node.connections.servers()]).toEqual([IDLE, []]);
  expect(lone.node.connections.deadline()).toBe(Infinity);
});

test("a connection that its server's user destroys as it is told of it leaves no stream", () => {
  const lone = persistentNode();
  const closed: unknown[] = [];
  listen(lone, (connection) => {
    connection.destroy(lone.now);
    return { ...NOBODY, closed: (_now, _connection, why) => closed.push(why) };
  });
  lone.receive(hello(5, { firewall: FIREWALL.open }), STRANGER);
  lone.run(30_000);
  expect(lone.node.connections.counts).toEqual(IDLE);
});

test("32 calls ask for their servers at once, the rest wait for their turn, and each is told of its own end", () => {
  const lone = persistentNode();
  const why: unknown[] = [];
  const owner = { ...NOBODY, closed: (_now: number, _: unknown, reason: unknown) => why.push(reason) };
  const all = Array.from({ length: 100 }, () => connect(lone, owner));
  const asked = lone
    .takeSent()
    .filter(({ request }) => request?.command === COMMAND.peerHandshake && !request.isInternal);
  expect([asked.length, lone.node.connections.counts.calling]).toEqual([32, 100]);
  lone.input((_, now) => all[99]!.destroy(now)); // one that waits
  expect(lone.node.connections.counts.calling).toBe(99);
  lone.run(60_000);
  expect([why.length, lone.node.connections.counts, lone.node.stats.pending]).toEqual([100, IDLE, 0]);
}, 20_000);

test("OM-35 suspended, what needs a socket that goes ends with that reason, and no timer runs", () => {
  const lone = persistentNode();
  listen(lone);
  const why: unknown[] = [];
  connect(lone, { ...NOBODY, closed: (_now, _connection, reason) => why.push(reason) });
  lone.receive(hello(5, {}, { mode: MODE.fromRelay, peerAddress: STRANGER }), STRANGER);
  lone.input((node, now) => node.suspend(now));
  expect([why, lone.node.connections.counts, lone.node.deadline()]).toEqual([["SUSPENDED"], IDLE, Infinity]);
  lone.input((node, now) => node.resume(now, 1776));
  lone.receive(hello(6, {}, { mode: MODE.fromRelay, peerAddress: STRANGER }), STRANGER);
  expect(lone.node.connections.counts.calls).toBe(1);
});

test("probes on the node's own sockets, and packets for streams that nobody has, do nothing", () => {
  const lone = persistentNode();
  listen(lone);
  lone.takeSent();
  for (const datagram of [new Uint8Array(0), Uint8Array.of(0)]) lone.receive(datagram, STRANGER);
  expect([lone.takeSent(), lone.node.connections.counts]).toEqual([[], IDLE]);
});
