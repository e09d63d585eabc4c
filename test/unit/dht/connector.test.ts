import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import type { Way } from "../../../src/dht/connection-surroundings.ts";
import { Connector } from "../../../src/dht/connector.ts";
import { SecurePayloads } from "../../../src/dht/secure-payloads.ts";
import { Trace } from "../../../src/dht/trace.ts";
import { COMMAND } from "../../../src/wire/dht.ts";
import { decodeRelayedHandshake, encodeRelayedHandshake, MODE } from "../../../src/wire/handshake.ts";
import { decodeRelayedHolepunch, encodeRelayedHolepunch } from "../../../src/wire/holepunch.ts";
import type { HolepunchPayload } from "../../../src/wire/holepunch-payload.ts";
import { FIREWALL, type NoisePayload } from "../../../src/wire/noise-payload.ts";
import type { Sent } from "../../support/dht-wire.ts";
import { withId } from "../../support/dht-wire.ts";
import { fakeServer, keyPair } from "../../support/fake-handshakes.ts";
import { FakeSurroundings, node, US } from "../../support/fake-surroundings.ts";
import { SeededRandom } from "../../support/random.ts";

const SERVER = keyPair(1);
const RELAY = node(1);
const FAR: Address = { host: "88.99.3.86", port: 4_000 };

function connecting({
  relayAddresses = [] as Address[],
  own = null as Address | null,
  mapped = null as Address | null,
} = {}) {
  const around = new FakeSurroundings();
  around.own = own;
  around.mapped = mapped;
  const paths: Way[] = [];
  const failures: string[] = [];
  const options = {
    keyPair: keyPair(2),
    remotePublicKey: SERVER.publicKey,
    relayAddresses,
    streamId: 5,
    relayThrough: null,
    repeatMs: 1_000,
  };
  const connector = new Connector(0, { ...options, fastOpen: true, localConnection: true }, around, new Trace(0), {
    agreed: () => {},
    connected: (_, path) => void paths.push(path),
    failed: (_, reason) => void failures.push(reason),
  });
  const asked = () => around.queries[0]!;
  const { wire } = around;
  const find = (from: Address) =>
    asked().owner.replied(wire.now, asked().query, { ...reply, from: withId(from), value: new Uint8Array(33) });
  const handshakes = () =>
    wire.sent.filter(({ request }) => request.command === COMMAND.peerHandshake && !request.isInternal);
  const hello = () => decodeRelayedHandshake(handshakes()[0]!.request.value!)!.noise;
  const answer = (sent: Sent, noise: Uint8Array, peerAddress: Address | null = FAR, mode: number = MODE.reply) =>
    wire.answer(sent, { to: US, value: encodeRelayedHandshake({ mode, noise, peerAddress, relayAddress: null }) });
  const run = (until: number) => {
    for (;;) {
      const next = Math.max(wire.now, Math.min(wire.requests.deadline(), connector.deadline()));
      if (next > until) break;
      wire.run(next);
      connector.advance(next);
    }
    wire.run(until);
  };
  return { around, wire, connector, paths, failures, asked, find, handshakes, hello, answer, run };
}
const reply = { tid: 1, rttMs: 1, to: US, token: null, closerNodes: [], error: 0 };

/** Nothing of it is left: no request, socket or timer. */
function expectIdle({ around, connector }: ReturnType<typeof connecting>, sockets: string[] = []): void {
  expect([around.wire.requests.size, connector.deadline(), connector.isDone]).toEqual([0, Infinity, true]);
  expect([[...around.sockets].map(String), around.queries.filter(({ isCancelled }) => !isCancelled)]).toEqual([
    sockets,
    [],
  ]);
}

/** One that found its server behind a NAT and was answered, with the server's words for each round. */
function punching(fields: Partial<NoisePayload> = {}, mapped: Address | null = null) {
  const made = connecting({ mapped });
  made.find(RELAY);
  const holepunch = { id: 3, relays: [{ relayAddress: RELAY, peerAddress: node(9) }] };
  const { answer, session } = fakeServer(SERVER, made.hello(), { holepunch, ...fields });
  made.answer(made.handshakes()[0]!, answer);
  const secure = new SecurePayloads(new SeededRandom(8), session.handshakeHash);
  const rounds = () =>
    made.wire.sent.filter(({ request }) => request.command === COMMAND.peerHolepunch && !request.isInternal);
  const heard = (sent: Sent) => secure.open(decodeRelayedHolepunch(sent.request.value!)!.payload)!;
  const say = (sent: Sent, words: Partial<HolepunchPayload>, peerAddress = FAR) => {
    const silent = { error: 0, firewall: 0, round: 0, connected: false, punching: false, addresses: null };
    const payload = secure.seal({ ...silent, remoteAddress: null, token: null, remoteToken: null, ...words });
    made.wire.answer(sent, {
      to: US,
      value: encodeRelayedHolepunch({ mode: MODE.reply, id: 0, payload, peerAddress }),
    });
  };
  return { ...made, rounds, heard, say };
}

test("OM-14 the first message is made while the server is looked for, or when a node that leads to it is known", () => {
  const { connector } = connecting();
  expect(connector.deadline()).toBe(10);
  connector.advance(10);
  expect(connector.deadline()).toBe(30_000);
  expect(connecting({ relayAddresses: [RELAY] }).handshakes()).toHaveLength(1);
});

test("OM-14 it asks every node that knows the server, two at a time, with the same bytes from the same socket", () => {
  const { find, handshakes, run, failures } = connecting();
  for (const i of [1, 2, 2, 3]) find(node(i));
  expect(handshakes().map(({ to }) => to)).toEqual([node(1), node(2)]);
  run(4_000);
  const asked = handshakes();
  expect(new Set(asked.map(({ to }) => to.host)).size).toBe(3);
  expect(new Set(asked.map(({ request, socket }) => socket + request.value!.toHex())).size).toBe(1);
  expect(failures).toEqual([]);
});

test("OM-41 OM-46 named nodes are asked at once, one more at a time, and nobody else as long as they may answer", () => {
  const { handshakes, asked, around, run } = connecting({ relayAddresses: [1, 2, 3, 4].map(node) });
  expect(handshakes().map(({ to }) => to)).toEqual([1, 2, 3].map(node));
  run(999);
  expect(around.queries).toEqual([]);
  run(1_000);
  expect(asked().options.nodes).toHaveLength(4);
});

test("OM-46 when all named nodes have refused, the server is looked for at once", () => {
  const { handshakes, around, wire, answer } = connecting({ relayAddresses: [1, 2].map(node) });
  for (const sent of handshakes()) answer(sent, new Uint8Array(0));
  expect([around.queries.length, wire.now]).toEqual([1, 0]);
});

test("OM-14 OM-36 when the walk ends it was not found; or found, and could not be reached", () => {
  const none = connecting();
  none.asked().owner.finished(0, none.asked().query, null);
  expect(none.failures).toEqual(["PEER_NOT_FOUND"]);
  const silent = connecting();
  silent.find(RELAY);
  silent.asked().owner.finished(0, silent.asked().query, null);
  silent.run(10_000);
  expect([silent.failures, silent.wire.requests.size]).toEqual([["PEER_CONNECTION_FAILED"], 0]);
});

test("nodes that say they know the server, one after another without end, are given up after thirty seconds", () => {
  const made = connecting();
  for (let i = 1; i < 200; i++) made.find(node(i));
  made.run(29_999);
  expect([made.failures, made.handshakes().length <= 32 * 4]).toEqual([[], true]);
  made.run(30_000);
  expect(made.failures).toEqual(["PEER_CONNECTION_FAILED"]);
  expectIdle(made);
});

test("a relay's forged answer is not taken, and does not spoil the server's own", () => {
  const made = connecting();
  made.find(node(2));
  made.find(RELAY);
  const [bad, good] = made.handshakes();
  made.answer(bad!, new SeededRandom(3).bytes(100));
  expect([made.failures, made.paths]).toEqual([[], []]);
  made.answer(good!, fakeServer(SERVER, made.hello(), { firewall: FIREWALL.open }).answer);
  expect(made.paths).toEqual([{ socket: "client", to: FAR }]);
  expectIdle(made);
});

test("an answer of another mode, from another key, without words or with an address that cannot be, is none", () => {
  const made = connecting();
  const good = (hello: Uint8Array) => fakeServer(SERVER, hello, { firewall: FIREWALL.open }).answer;
  const wrong: ((sent: Sent) => void)[] = [
    (sent) => made.answer(sent, good(made.hello()), FAR, MODE.fromServer),
    (sent) => made.answer(sent, new Uint8Array(0)),
    (sent) => made.answer(sent, good(made.hello()), { ...FAR, port: 0 }),
    (sent) => made.wire.answer(sent, { value: null }),
    (sent) => made.wire.answer(sent, { value: Uint8Array.of(1, 2) }),
  ];
  for (const [i, say] of wrong.entries()) {
    made.find(node(10 + i));
    say(made.handshakes().at(-1)!);
  }
  expect([made.paths, made.failures]).toEqual([[], []]);
  made.find(RELAY);
  made.answer(made.handshakes().at(-1)!, good(made.hello()));
  expect(made.paths).toHaveLength(1);
});

test("OM-36 a server that is of another version, has an error, or says nonsense is named so", () => {
  for (const [fields, plain, reason] of [
    [{ error: 1 }, undefined, "SERVER_ERROR"],
    [{ udx: null }, undefined, "SERVER_ERROR"],
    [{}, Uint8Array.of(2), "SERVER_INCOMPATIBLE"],
    [{}, Uint8Array.of(1), "SERVER_ERROR"],
  ] as const) {
    const made = connecting();
    made.find(RELAY);
    made.answer(made.handshakes()[0]!, fakeServer(SERVER, made.hello(), fields, plain).answer);
    expect(made.failures).toEqual([reason]);
    expectIdle(made);
  }
});

test("the stream goes to a server that answered itself, and else to its public address; not to one without a port", () => {
  const to = (addresses4: Address[], peerAddress: Address | null) => {
    const made = connecting();
    made.find(RELAY);
    const { answer } = fakeServer(SERVER, made.hello(), { firewall: FIREWALL.open, addresses4 });
    made.answer(made.handshakes()[0]!, answer, peerAddress);
    return made.paths[0]!.to;
  };
  const publicAddress = { host: "8.8.4.4", port: 53 };
  expect(to([publicAddress], null)).toEqual(RELAY);
  expect(to([{ host: "10.0.0.1", port: 9 }, publicAddress], FAR)).toEqual(publicAddress);
  expect(to([{ ...publicAddress, port: 0 }], FAR)).toEqual(FAR);
});

test("a server that came before its answer is where it came from, but not by another call's socket", () => {
  const made = connecting();
  made.connector.reached(0, { socket: "punch-9", to: node(8) });
  made.connector.reached(0, { socket: "server", to: node(7) });
  made.find(RELAY);
  made.answer(made.handshakes()[0]!, fakeServer(SERVER, made.hello(), {}).answer);
  expect(made.paths).toEqual([{ socket: "server", to: node(7) }]);
});

test("OM-36 who can be reached waits ten seconds for the server to come", () => {
  const made = connecting({ own: US });
  made.find(RELAY);
  const holepunch = { id: 3, relays: [{ relayAddress: RELAY, peerAddress: node(9) }] };
  made.answer(made.handshakes()[0]!, fakeServer(SERVER, made.hello(), { holepunch }).answer);
  made.run(9_999);
  expect(made.failures).toEqual([]);
  made.run(10_000);
  expect(made.failures).toEqual(["HOLEPUNCH_ABORTED"]);
  expectIdle(made);
});

test("OM-32 who learns that it can be reached after it has told the server otherwise does not wait for it, but punches", () => {
  const made = connecting();
  made.find(RELAY);
  const holepunch = { id: 3, relays: [{ relayAddress: RELAY, peerAddress: node(9) }] };
  made.around.own = US;
  made.answer(made.handshakes()[0]!, fakeServer(SERVER, made.hello(), { holepunch }).answer);
  expect(made.around.probes).toEqual([{ socket: "punch-1", to: FAR, reach: "near" }]);
});

test("OM-32 rounds: a near probe at once, then what is known, then the token back, and probes to who echoed ours", () => {
  const { around, rounds, heard, say, paths, connector, ...made } = punching();
  expect(around.probes).toEqual([{ socket: "punch-1", to: FAR, reach: "near" }]);
  const [first] = rounds();
  expect([first!.to, first!.socket, decodeRelayedHolepunch(first!.request.value!)!.id]).toEqual([RELAY, "punch-1", 3]);
  expect(heard(first!).remoteAddress).toEqual(FAR);
  around.answerPings(() => US);
  const token = new Uint8Array(32).fill(4);
  say(first!, { firewall: FIREWALL.consistent, addresses: [FAR], token });
  const second = rounds().at(-1)!;
  const said = heard(second);
  expect([said.punching, said.round, said.remoteToken]).toEqual([true, 1, token]);
  say(second, { firewall: FIREWALL.consistent, addresses: [FAR], punching: true, remoteToken: said.token });
  connector.advance(0);
  expect(around.probes.at(-1)).toEqual({ socket: "punch-1", to: FAR, reach: "far" });
  connector.probed(0, "punch-1", { host: "203.0.113.66", port: 4_000 });
  expect(paths).toEqual([]); // whoever that is, it is not the server
  connector.probed(0, "punch-1", { ...FAR, port: 4_001 });
  connector.probed(0, "punch-1", FAR);
  expect(paths).toEqual([{ socket: "punch-1", to: { ...FAR, port: 4_001 } }]);
  expectIdle({ ...made, around, connector, paths }, ["punch-1"]);
});

test("OM-36 a server that does not punch, says an error, or is silent ends it with the reason, and all sockets close", () => {
  for (const [words, reason] of [
    [{ punching: false }, "REMOTE_NOT_HOLEPUNCHING"],
    [{ error: 1 }, "REMOTE_ABORTED"],
    [{ error: 3 }, "TRY_LATER"],
    [null, "HOLEPUNCH_ABORTED"],
  ] as const) {
    const made = punching();
    made.around.answerPings(() => US);
    const known = { firewall: FIREWALL.consistent, addresses: [FAR], token: new Uint8Array(32) };
    made.say(made.rounds()[0]!, known);
    if (words) made.say(made.rounds().at(-1)!, { ...known, ...words });
    made.run(20_000);
    expect(made.failures).toEqual([reason]);
    expectIdle(made);
  }
});

test("OM-36 two random NATs, and one that is not known, end it with their reasons", () => {
  for (const [firewall, reason] of [
    [FIREWALL.random, "HOLEPUNCH_DOUBLE_RANDOMIZED_NATS"],
    [FIREWALL.unknown, "HOLEPUNCH_PROBE_TIMEOUT"],
  ] as const) {
    const made = punching();
    made.wire.onSent = (sent) => {
      if (sent.request.command === COMMAND.peerHolepunch && !sent.request.isInternal) {
        made.wire.later(1, () => made.say(sent, { firewall, token: new Uint8Array(32) }));
      } else if (sent.request.isInternal) {
        const to = { ...US, port: 5_000 + made.wire.sent.length };
        made.wire.later(1, () => void made.wire.answer(sent, { to }));
      }
    };
    made.run(60_000);
    expect(made.failures).toEqual([reason]);
    expectIdle(made);
  }
});

test("OM-36 cancelled in any phase it leaves nothing and says nothing", () => {
  const phases = [
    () => connecting(),
    () => connecting({ relayAddresses: [RELAY] }),
    () => {
      const made = connecting();
      made.find(RELAY);
      return made;
    },
    () => punching(),
    () => {
      const made = punching();
      made.around.answerPings(() => US);
      made.say(made.rounds()[0]!, { firewall: FIREWALL.consistent, token: new Uint8Array(32) });
      return made;
    },
  ];
  for (const phase of phases) {
    const made = phase();
    made.connector.cancel(0);
    made.connector.cancel(0);
    made.run(60_000);
    expect([made.failures, made.paths]).toEqual([[], []]);
    expectIdle(made);
  }
});

test("with a port mapping it tells a server where it is reached, and goes on where the server comes in by it", () => {
  const mapped = { ...US, port: 49_737 };
  const { connector, rounds, heard, paths, around } = punching({}, mapped);
  expect(rounds()[0]!.socket).toBe("server");
  expect(heard(rounds()[0]!)).toMatchObject({ firewall: FIREWALL.open, addresses: [mapped] });
  expect(connector.probed(0, "server", { host: "203.0.113.66", port: 4_000 })).toBe(false);
  expect(paths).toEqual([]);
  const from = { ...FAR, port: 4_001 };
  expect(connector.probed(0, "server", from)).toBe(true);
  expect([paths, around.sockets.size]).toEqual([[{ socket: "server", to: from }], 0]);
});

test("a server behind the same router is not told of the mapping there", () => {
  const { rounds, heard } = punching({}, { host: FAR.host, port: 49_737 });
  expect(rounds()[0]!.socket).toBe("punch-1");
  expect(heard(rounds()[0]!).firewall).toBe(FIREWALL.unknown);
});
