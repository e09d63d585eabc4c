import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import type { Call, RelayedRequest } from "../../../src/dht/call.ts";
import { Listener } from "../../../src/dht/listener.ts";
import { SecurePayloads } from "../../../src/dht/secure-payloads.ts";
import { COMMAND } from "../../../src/wire/dht.ts";
import { decodeRelayedHandshake, MODE, type RelayedHandshake } from "../../../src/wire/handshake.ts";
import { decodeRelayedHolepunch } from "../../../src/wire/holepunch.ts";
import type { HolepunchPayload } from "../../../src/wire/holepunch-payload.ts";
import { FIREWALL, PAYLOAD_ERROR } from "../../../src/wire/noise-payload.ts";
import { fakeClient, keyPair } from "../../support/fake-handshakes.ts";
import { FakeSurroundings, node, US } from "../../support/fake-surroundings.ts";
import { SeededRandom } from "../../support/random.ts";

const SERVER = keyPair(1);
const RELAY = node(1);
const CLIENT: Address = { host: "88.99.3.86", port: 4_000 };

function listening({ admits = (_key: Uint8Array): boolean => true, own = null as Address | null } = {}) {
  const around = new FakeSurroundings();
  around.own = own;
  around.serverRelays = [{ relayAddress: RELAY, peerAddress: US }];
  const told: string[] = [];
  const calls: Call[] = [];
  const options = { keyPair: SERVER, punches: true, sharesLocalAddresses: true, relayThrough: null };
  const listener = new Listener(options, around, {
    admits,
    expected: (_now, call) => {
      told.push("expected");
      calls.push(call);
    },
    connected: (_, __, { socket, to }) => told.push(`connected ${socket} ${to.host}:${to.port}`),
    learnt: () => {},
    abandoned: () => told.push("abandoned"),
  });
  let agreements = 0;
  let now = 0;
  const request = (from: Address): RelayedRequest => {
    return { command: COMMAND.peerHandshake, socket: "client", from, to: US, tid: 9, bytes: 500 };
  };
  /** Returns what is answered, decoded. */
  const greet = (hello: Uint8Array, message: Partial<RelayedHandshake> = {}, from = RELAY, isOpen = true) => {
    around.answers.length = 0;
    const relayed = { mode: MODE.fromRelay, noise: hello, peerAddress: CLIENT, relayAddress: null, ...message };
    const mayAccept = () => {
      agreements++;
      return isOpen;
    };
    listener.handshake(now, request(from), relayed, mayAccept);
    return around.answers.map(({ answer }) => ({ ...answer, value: decodeRelayedHandshake(answer.value)! }));
  };
  const run = (until: number) => {
    for (let at = listener.deadline(); at <= until; at = listener.deadline()) {
      now = Math.max(now, at);
      listener.advance(now);
    }
    now = until;
  };
  return { around, listener, told, calls, greet, request, run, agreements: () => agreements, now: () => now };
}

/** A client that was answered, with a word for each round. */
function punching(options: Parameters<typeof listening>[0] = {}) {
  const server = listening(options);
  const client = fakeClient(2, SERVER.publicKey);
  const [answer] = server.greet(client.hello);
  const { holepunch } = client.receive(answer!.value.noise);
  const secure = new SecurePayloads(new SeededRandom(8), client.session().handshakeHash);
  const say = (fields: Partial<HolepunchPayload>, from = RELAY, peerAddress: Address | null = CLIENT) => {
    server.around.answers.length = 0;
    const silent = { error: 0, firewall: 0, round: 0, connected: false, punching: false, addresses: null };
    const payload = secure.seal({ ...silent, remoteAddress: null, token: null, remoteToken: null, ...fields });
    const message = { mode: MODE.fromRelay, id: holepunch!.id, payload, peerAddress };
    server.listener.holepunch(server.now(), { ...server.request(from), socket: "punch-1" }, message);
    return server.around.answers.map(({ answer }) => secure.open(decodeRelayedHolepunch(answer.value)!.payload)!);
  };
  return { ...server, client, say };
}
const ROUND = { firewall: FIREWALL.consistent, addresses: [CLIENT] };

test("OM-32 a relayed handshake is answered through the relay, from the socket that punches", () => {
  const { around, told, greet } = listening();
  const client = fakeClient(2, SERVER.publicKey);
  const [answer] = greet(client.hello);
  expect([answer!.socket, answer!.to, answer!.isLast]).toEqual(["punch-1", RELAY, false]);
  expect([answer!.value.mode, answer!.value.peerAddress]).toEqual([MODE.fromServer, CLIENT]);
  const { error, holepunch, udx, relayAddresses } = client.receive(answer!.value.noise);
  expect([error, holepunch, udx!.id, relayAddresses]).toEqual([
    0,
    { id: 0, relays: around.serverRelays },
    101,
    [RELAY],
  ]);
  expect(told).toEqual(["expected"]);
});

test("the node that a handshake came through is named as seeing us where that says, whatever it saw before", () => {
  const { around, greet } = listening();
  const [elsewhere, other] = [node(20), { relayAddress: node(21), peerAddress: node(22) }];
  around.serverRelays = [other, { relayAddress: RELAY, peerAddress: elsewhere }];
  const client = fakeClient(2, SERVER.publicKey);
  const [answer] = greet(client.hello);
  expect(client.receive(answer!.value.noise).holepunch!.relays).toEqual([
    { relayAddress: RELAY, peerAddress: US },
    other,
  ]);
});

test("the same bytes get the same answer by whatever way they come, and change nothing", () => {
  const { around, told, greet, agreements } = listening();
  const { hello } = fakeClient(2, SERVER.publicKey);
  const [first] = greet(hello);
  for (const from of [RELAY, node(2)]) expect(greet(hello, {}, from)[0]!.value.noise).toEqual(first!.value.noise);
  expect(greet(hello, { mode: MODE.fromClient, peerAddress: null }, CLIENT)[0]!.value.noise).toEqual(
    first!.value.noise,
  );
  expect([agreements(), told, around.sockets.size]).toEqual([1, ["expected"], 1]);
});

test("a handshake that is replayed when its call is long over does nothing", () => {
  const { around, listener, told, greet, run, agreements } = listening();
  const { hello } = fakeClient(2, SERVER.publicKey);
  greet(hello);
  run(60_000);
  expect([told, listener.size, around.sockets.size, listener.deadline()]).toEqual([
    ["expected", "abandoned"],
    0,
    0,
    Infinity,
  ]);
  expect(greet(hello)).toEqual([]);
  expect([agreements(), told.length, listener.size, around.sockets.size]).toEqual([1, 2, 0, 0]);
});

test("OM-09 of who is rejected nothing is kept, no socket is opened, and nothing is sent", () => {
  const keys: string[] = [];
  const { around, listener, told, greet } = listening({ admits: (key) => keys.push(key.toHex()) === 0 });
  const client = fakeClient(2, SERVER.publicKey);
  expect(greet(client.hello)).toEqual([]);
  expect([keys, told, listener.size, around.sockets.size]).toEqual([[client.publicKey.toHex()], [], 0, 0]);
  expect([around.wire.sent, listener.deadline()]).toEqual([[], Infinity]);
});

test("what is no handshake for this key is dropped, the shortest before the gate", () => {
  const { greet, listener, agreements } = listening();
  const { hello } = fakeClient(2, SERVER.publicKey);
  expect(greet(hello.subarray(0, 95))).toEqual([]);
  expect(agreements()).toBe(0);
  for (const bytes of [hello.with(0, hello[0]! ^ 1), hello.with(40, hello[40]! ^ 1), hello.subarray(0, -1)]) {
    expect(greet(bytes)).toEqual([]);
  }
  expect(greet(fakeClient(2, keyPair(9).publicKey).hello)).toEqual([]);
  for (const wrong of [
    { mode: MODE.reply },
    { mode: MODE.fromServer },
    { peerAddress: null },
    { peerAddress: node(0) },
  ]) {
    const none = wrong.peerAddress ? { peerAddress: { ...CLIENT, port: 0 } } : wrong;
    expect(greet(hello, none)).toEqual([]);
  }
  expect(greet(hello, { mode: MODE.fromSecondRelay, relayAddress: { ...RELAY, port: 0 } })).toEqual([]);
  expect(listener.size).toBe(0);
});

test("what the gate does not let through costs and leaves nothing", () => {
  const { greet, told, listener } = listening();
  const { hello } = fakeClient(2, SERVER.publicKey);
  expect(greet(hello, {}, RELAY, false)).toEqual([]);
  expect([told, listener.size]).toEqual([[], 0]);
  expect(greet(hello)).toHaveLength(1); // its repeat is as good as new
});

test("of one network 32 calls are made at once, also when a stranger names others as its clients; 256 in all", () => {
  const many = (count: number, peer: (i: number) => Address, from: (i: number) => Address) => {
    const { greet, told } = listening();
    for (let i = 0; i < count; i++) {
      greet(fakeClient(1_000 + i, SERVER.publicKey).hello, { peerAddress: peer(i) }, from(i));
    }
    return told.length;
  };
  const anywhere = (i: number) => ({ host: `30.${i >> 8}.${i & 255}.1`, port: 1 });
  expect(
    many(
      40,
      () => CLIENT,
      () => RELAY,
    ),
  ).toBe(32);
  expect(many(40, anywhere, () => node(2))).toBe(32);
  expect(many(300, anywhere, () => RELAY)).toBe(256);
}, 20_000);

test("a call is abandoned after ten seconds, and its slot is free after ten more", () => {
  const { around, listener, told, greet, run } = listening();
  greet(fakeClient(2, SERVER.publicKey).hello);
  run(9_999);
  expect(told).toEqual(["expected"]);
  run(10_000);
  expect([told, around.sockets.size, listener.size]).toEqual([["expected", "abandoned"], 0, 1]);
  run(20_000);
  expect(listener.size).toBe(0);
});

test("who can be reached is connected to at once: an open client where the relay sees it, a direct one where it is", () => {
  const { told, greet, around } = listening();
  greet(fakeClient(2, SERVER.publicKey, { firewall: FIREWALL.open }).hello);
  greet(fakeClient(3, SERVER.publicKey).hello, { mode: MODE.fromClient, peerAddress: null }, CLIENT);
  const connected = `connected client ${CLIENT.host}:${CLIENT.port}`;
  expect([told, around.sockets.size]).toEqual([["expected", connected, "expected", connected], 0]);
});

test("by a port mapping clients come to us, though those that we ask see us elsewhere; not one behind the same router", () => {
  const mapped = { host: "5.9.17.34", port: 49_737 };
  const answered = (peerAddress: Address) => {
    const server = listening();
    server.around.mapped = mapped;
    const client = fakeClient(2, SERVER.publicKey);
    const [answer] = server.greet(client.hello, { peerAddress });
    const { firewall, holepunch, addresses4, relayAddresses } = client.receive(answer!.value.noise);
    return { firewall, punches: holepunch !== null, addresses4, relayAddresses, sockets: server.around.sockets.size };
  };
  expect(answered(CLIENT)).toEqual({
    ...{ firewall: FIREWALL.open, punches: false, addresses4: [mapped], relayAddresses: [mapped, RELAY], sockets: 0 },
  });
  expect(answered({ host: mapped.host, port: 9 })).toEqual({
    ...{ firewall: FIREWALL.unknown, punches: true, addresses4: [], relayAddresses: [RELAY], sockets: 1 },
  });
});

test("OM-36 a client of another version, or without a stream, gets an error and nothing else", () => {
  const { told, greet, around } = listening();
  const client = fakeClient(2, SERVER.publicKey, { udx: null });
  const [answer] = greet(client.hello);
  const { error, udx } = client.receive(answer!.value.noise);
  expect([error, udx!.id, told, around.sockets.size]).toEqual([PAYLOAD_ERROR.aborted, 0, [], 0]);
});

test("the client's first packet connects it; by a socket that another call punches with it does not", () => {
  const { told, greet, calls, around } = listening();
  greet(fakeClient(2, SERVER.publicKey).hello);
  greet(fakeClient(3, SERVER.publicKey).hello);
  calls[0]!.reached(0, { socket: "punch-2", to: CLIENT });
  expect(told).toEqual(["expected", "expected"]);
  calls[0]!.reached(0, { socket: "punch-1", to: CLIENT });
  calls[0]!.reached(0, { socket: "punch-1", to: node(5) });
  expect(told.slice(2)).toEqual([`connected punch-1 ${CLIENT.host}:${CLIENT.port}`]);
  expect([...around.sockets]).toEqual(["punch-1", "punch-2"]);
});

test("OM-32 rounds: what is known is told, and who echoed the token is probed", () => {
  const { around, say, run } = punching();
  around.answerPings(() => US);
  const [first] = say(ROUND);
  expect([first!.firewall, first!.addresses, first!.punching]).toEqual([FIREWALL.consistent, [US], false]);
  const [second] = say({ ...ROUND, round: 1, punching: true, remoteToken: first!.token });
  expect([second!.error, second!.punching, second!.round]).toEqual([0, true, 1]);
  expect(around.probes).toEqual([]);
  run(1_000);
  expect(around.probes.map(({ to }) => to)).toEqual([CLIENT]);
});

test("OM-33 without the token, or from who is no relay of ours, nobody is probed", () => {
  for (const from of [RELAY, node(2)]) {
    const { around, say, run, told } = punching();
    around.answerPings(() => US);
    const [first] = say(ROUND, from);
    expect(first!.token === null).toBe(from !== RELAY);
    const remoteToken = from === RELAY ? new Uint8Array(32) : (say(ROUND, RELAY)[0]?.token ?? null);
    const [second] = say({ ...ROUND, round: 1, punching: true, remoteToken }, from);
    expect(second!.error).toBe(PAYLOAD_ERROR.aborted);
    run(60_000);
    expect([around.probes, told]).toEqual([[], ["expected", "abandoned"]]);
  }
});

test("a round that is sent again and again does not keep a call alive, nor does one new round after another", () => {
  const again = punching();
  again.around.answerPings(() => US);
  for (let at = 0; at < 60_000 && again.listener.size > 0; at += 1_000) {
    again.run(at);
    again.say(ROUND);
  }
  expect([again.told, again.now() < 25_000]).toEqual([["expected", "abandoned"], true]);
  const anew = punching();
  anew.around.answerPings(() => US);
  for (let at = 0; at < 300_000 && anew.listener.size > 0; at += 1_000) {
    anew.run(at);
    anew.say({ ...ROUND, round: at / 1_000 });
  }
  expect([anew.told, anew.now() < 75_000, anew.around.sockets.size]).toEqual([["expected", "abandoned"], true, 0]);
});

test("a punch goes on to its end: eleven seconds between steady NATs, thirty-five against a random one", () => {
  for (const [firewall, endsAt] of [
    [FIREWALL.consistent, 11_000],
    [FIREWALL.random, 35_000],
  ] as const) {
    const { around, say, run, told } = punching();
    around.answerPings(() => US);
    const [first] = say({ ...ROUND, firewall });
    say({ ...ROUND, firewall, round: 1, punching: true, remoteToken: first!.token });
    run(endsAt - 1);
    expect(told).toEqual(["expected"]);
    run(endsAt);
    expect([told, around.sockets.size]).toEqual([["expected", "abandoned"], 0]);
  }
});

test("forged and damaged rounds are met with silence", () => {
  const { around, listener, request } = punching();
  for (const payload of [new Uint8Array(0), new Uint8Array(80)]) {
    for (const id of [0, 1, -1, 2 ** 40]) {
      listener.holepunch(0, request(RELAY), { mode: MODE.fromRelay, id, payload, peerAddress: CLIENT });
    }
  }
  expect(around.answers.slice(1)).toEqual([]);
});

test("a probe is sent back, so often and no more, and none when the call is over", () => {
  const { around, listener, told, calls } = punching();
  for (let i = 0; i < 1_000; i++) expect(listener.probed("punch-1", CLIENT)).toBe(true);
  expect(around.probes).toHaveLength(64);
  expect(listener.probed("punch-2", CLIENT)).toBe(false);
  const other = punching();
  other.calls[0]!.reached(0, { socket: "punch-1", to: CLIENT });
  other.listener.probed("punch-1", CLIENT);
  expect([other.around.probes, calls.length, told]).toEqual([[], 1, ["expected"]]);
});

test("OM-13 closed it gives up whom it was connecting, and hears nobody any more", () => {
  const { around, listener, told, greet } = listening();
  greet(fakeClient(2, SERVER.publicKey).hello);
  listener.close(0);
  expect([told, around.sockets.size, listener.size]).toEqual([["expected", "abandoned"], 0, 0]);
  expect(greet(fakeClient(3, SERVER.publicKey).hello)).toEqual([]);
  expect([told.length, listener.deadline(), around.wire.requests.size]).toEqual([2, Infinity, 0]);
});

test("its user may close it while being asked for a client, which is then not kept", () => {
  const closes = () => {
    made.listener.close(0);
    return true;
  };
  const made: ReturnType<typeof listening> = listening({ admits: closes });
  expect(made.greet(fakeClient(2, SERVER.publicKey).hello)).toEqual([]);
  expect([made.told, made.listener.size, made.around.sockets.size]).toEqual([[], 0, 0]);
});
