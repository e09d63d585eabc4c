/** A client and a server of one handshake, each with a node's surroundings that a test plays: what both do by IPv6. */
import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import type { Call } from "../../../src/dht/call.ts";
import type { Way } from "../../../src/dht/connection-surroundings.ts";
import { Connector } from "../../../src/dht/connector.ts";
import { Listener } from "../../../src/dht/listener.ts";
import { SecurePayloads } from "../../../src/dht/secure-payloads.ts";
import { Trace } from "../../../src/dht/trace.ts";
import { COMMAND } from "../../../src/wire/dht.ts";
import { decodeRelayedHandshake, encodeRelayedHandshake, MODE } from "../../../src/wire/handshake.ts";
import { encodeRelayedHolepunch } from "../../../src/wire/holepunch.ts";
import { FIREWALL, PAYLOAD_ERROR } from "../../../src/wire/noise-payload.ts";
import { withId } from "../../support/dht-wire.ts";
import { keyPair } from "../../support/fake-handshakes.ts";
import { FakeSurroundings, node, US } from "../../support/fake-surroundings.ts";
import { SeededRandom } from "../../support/random.ts";

const SERVER = keyPair(1);
const RELAY = node(1);
const CLIENT4: Address = { host: "88.99.3.86", port: 4_000 };
const SERVER4: Address = { host: "88.99.7.1", port: 5_000 };
const CLIENT6: Address = { host: "2001:db8:c::1", port: 6_001 };
const SERVER6: Address = { host: "2001:db8:5::1", port: 6_002 };
/** How long the server's answer is on its way. */
const ANSWER_MS = 100;

interface Settings {
  readonly client6?: Address[];
  readonly server6?: Address[];
  readonly localConnection?: boolean;
  readonly sharesLocalAddresses?: boolean;
  readonly punches?: boolean;
}

/** Both at the moment `ANSWER_MS`, when the client has the answer; the server heard of it at 0. */
function meet({ client6 = [CLIENT6], server6 = [SERVER6], ...settings }: Settings = {}) {
  const { localConnection = true, sharesLocalAddresses = true, punches = true } = settings;
  const sides = { client: new FakeSurroundings(1), server: new FakeSurroundings(2) };
  Object.assign(sides.client, { ip6: client6 });
  Object.assign(sides.server, { ip6: server6, serverRelays: [{ relayAddress: RELAY, peerAddress: SERVER4 }] });
  const told: string[] = [];
  const tell = (who: string, { socket, to }: Way) => told.push(`${who} connected ${socket} ${to.host} ${to.port}`);
  const calls: Call[] = [];
  const options = { keyPair: SERVER, punches, sharesLocalAddresses, relayThrough: null };
  const listener = new Listener(options, sides.server, {
    admits: () => true,
    learnt: () => {},
    expected: (_now, call) => void calls.push(call),
    connected: (_now, _call, way) => void tell("server", way),
    abandoned: () => void told.push("server abandoned"),
  });
  const dial = {
    remotePublicKey: SERVER.publicKey,
    keyPair: keyPair(2),
    relayAddresses: [RELAY],
    streamId: 5,
    repeatMs: 1_000,
  };
  const trace = new Trace(0);
  const connector = new Connector(
    0,
    { ...dial, relayThrough: null, fastOpen: false, localConnection },
    sides.client,
    trace,
    {
      agreed: () => {},
      connected: (_now, way) => void tell("client", way),
      failed: (_now, reason) => void told.push(`client ${reason}`),
    },
  );
  const probes: string[] = [];
  let now = 0;
  const look = () => {
    for (const [who, { probes: sent }] of Object.entries(sides)) {
      for (const { socket, to, reach } of sent.splice(0)) {
        if (socket === "six") probes.push(`${now} ${who} ${reach} ${to.host} ${to.port}`);
      }
    }
  };
  /** What both do until then. */
  const run = (until: number) => {
    for (;;) {
      look();
      const { wire } = sides.client;
      const next = Math.max(now, Math.min(connector.deadline(), listener.deadline(), wire.requests.deadline()));
      if (next > until) break;
      now = next;
      wire.run(now);
      connector.advance(now);
      listener.advance(now);
    }
    now = until;
    sides.client.wire.run(now);
  };
  const [hello] = sides.client.wire.sent;
  const { noise } = decodeRelayedHandshake(hello!.request.value!)!;
  const request = { command: COMMAND.peerHandshake, socket: "client", from: RELAY, to: SERVER4, tid: 9 } as const;
  const relayed = { mode: MODE.fromRelay, noise, peerAddress: CLIENT4, relayAddress: null };
  listener.handshake(0, { ...request, bytes: hello!.datagram.length }, relayed, () => true);
  run(ANSWER_MS);
  const answered = decodeRelayedHandshake(sides.server.answers[0]!.answer.value)!;
  const value = { mode: MODE.reply, noise: answered.noise, peerAddress: SERVER4, relayAddress: null };
  sides.client.wire.answer(hello!, { to: US, value: encodeRelayedHandshake(value) }, withId(RELAY));
  look();
  return { ...sides, connector, listener, call: calls[0]!, trace, told, probes, run, now: () => now };
}

const THREE_EACH = [
  "0 server far 2001:db8:c::1 6001",
  "100 client far 2001:db8:5::1 6002",
  "200 server far 2001:db8:c::1 6001",
  "300 client far 2001:db8:5::1 6002",
  "600 server far 2001:db8:c::1 6001",
  "700 client far 2001:db8:5::1 6002",
];

test("each sends the other three probes by IPv6, and no more: the server when it hears of the client, the client when it is answered", () => {
  const { run, probes, trace } = meet();
  run(10_000);
  expect(probes).toEqual(THREE_EACH);
  expect(trace.entries.find(({ step }) => step === "candidate")?.address).toEqual(SERVER6);
});

test("a probe from where the server said that it is connects the client, from anywhere else it does nothing", () => {
  const { connector, told, probes, run, now, trace } = meet();
  for (const [socket, from] of [
    ["six", { ...SERVER6, port: 6_003 }],
    ["six", { ...SERVER6, host: "2001:db8:5::2" }],
    ["six", CLIENT6],
    ["server", SERVER6],
    ["punch-1", SERVER6],
  ] as const) {
    expect(connector.probed(now(), socket, from)).toBe(false);
  }
  expect(told).toEqual([]);
  expect(connector.probed(now(), "six", SERVER6)).toBe(true);
  expect(told).toEqual(["client connected six 2001:db8:5::1 6002"]);
  expect(trace.entries.at(-1)).toMatchObject({ step: "probe", address: SERVER6 });
  run(10_000);
  expect(probes.filter((probe) => probe.includes("client"))).toEqual([THREE_EACH[1]!]);
  expect(connector.deadline()).toBe(Infinity);
});

test("the server sends the client's probes back, up to a bound, and goes where its stream's first packet came from", () => {
  const { listener, call, told, server, now } = meet();
  server.probes.length = 0;
  for (const from of [{ ...CLIENT6, port: 1 }, { ...CLIENT6, host: "2001:db8::66" }, SERVER6]) {
    expect(listener.probed("six", from)).toBe(false);
  }
  expect(server.probes).toEqual([]);
  for (let i = 0; i < 1_000; i++) expect(listener.probed("six", CLIENT6)).toBe(true);
  expect(server.probes).toEqual(new Array(64).fill({ socket: "six", to: CLIENT6, reach: "far" }));
  call.reached(now(), { socket: "six", to: CLIENT6 });
  expect(told).toEqual(["server connected six 2001:db8:c::1 6001"]);
  expect([server.sockets.size, listener.probed("six", CLIENT6)]).toEqual([0, false]);
});

test("only the first global address that a peer names is probed, whatever it names; and none without a port", () => {
  const named = ["::1", "fe80::1", "fd00::1", "ff02::1", "::ffff:203.0.113.9", "64:ff9b::1"].map((host) => ({
    host,
    port: 9,
  }));
  const nobody = [...named, { host: "2001:db8::9", port: 0 }];
  const none = meet({ client6: nobody, server6: nobody });
  none.run(10_000);
  expect(none.probes).toEqual([]);
  const many = Array.from({ length: 9 }, (_, i) => ({ host: `2001:db8::${i + 10}`, port: 9 }));
  const first = meet({ client6: [...nobody, CLIENT6, ...many], server6: [...nobody, SERVER6, ...many] });
  first.run(10_000);
  expect(first.probes).toEqual(THREE_EACH);
});

test("who names no address, as a HyperDHT, is told none and probed nowhere; nor is one that has none, or keeps its own to itself", () => {
  for (const settings of [
    { client6: [] },
    { server6: [] },
    { localConnection: false },
    { sharesLocalAddresses: false },
  ] as const) {
    const { run, probes, trace } = meet(settings as Settings);
    run(10_000);
    expect(probes).toEqual([]);
    expect(trace.entries.filter(({ address }) => address?.host.includes(":"))).toEqual([]);
  }
});

test("the answer is no longer for it than the hello that it answers", () => {
  const lengths = (settings: Settings) => {
    const { client, server } = meet(settings);
    return [client.wire.sent[0]!.datagram.length, server.answers[0]!.answer.value.length];
  };
  const [hello, answer] = lengths({});
  const [helloBefore, answerBefore] = lengths({ client6: [] });
  expect([hello! - helloBefore!, answer! - answerBefore!]).toEqual([19, 19]);
});

test("a server that does not punch sends nothing by IPv6 either", () => {
  const { run, probes, listener } = meet({ punches: false });
  run(10_000);
  expect(probes.filter((probe) => probe.includes("server"))).toEqual([]);
  expect(listener.probed("six", CLIENT6)).toBe(false);
});

/** Each tells the other that nothing comes of punching. */
function abortPunching({ connector, call, client, server, now }: ReturnType<typeof meet>): void {
  const secure = new SecurePayloads(new SeededRandom(8), connector.agreed!.session.handshakeHash);
  const silent = { firewall: FIREWALL.unknown, round: 0, connected: false, punching: false, addresses: null };
  const nothing = { remoteAddress: null, token: null, remoteToken: null };
  const payload = secure.seal({ ...silent, ...nothing, error: PAYLOAD_ERROR.aborted });
  call.holepunch(now(), server.answers[0]!.request, CLIENT4, payload);
  const round = client.wire.sent.find(
    ({ request }) => request.command === COMMAND.peerHolepunch && !request.isInternal,
  );
  const value = encodeRelayedHolepunch({ mode: MODE.reply, id: 0, payload, peerAddress: SERVER4 });
  client.wire.answer(round!, { to: US, value }, withId(RELAY));
}

test("OM-36 where no hole can be punched, both wait two seconds for the way by IPv6; then the reason is the punching's", () => {
  const met = meet();
  const { run, told, connector, listener, client, server, probes } = met;
  abortPunching(met);
  expect([client.sockets.size, server.sockets.size]).toEqual([0, 0]);
  run(1_999);
  expect(told).toEqual([]);
  run(2_099);
  expect(told).toEqual(["server abandoned"]);
  run(30_000);
  expect([told[1], probes]).toEqual(["client REMOTE_ABORTED", THREE_EACH]);
  expect([connector.deadline(), connector.isDone, listener.size]).toEqual([Infinity, true, 0]);
});

test("in those two seconds a probe connects them", () => {
  const met = meet();
  const { run, told, connector, call, now } = met;
  abortPunching(met);
  run(1_500);
  connector.probed(now(), "six", SERVER6);
  call.reached(now(), { socket: "six", to: CLIENT6 });
  run(30_000);
  expect(told).toEqual(["client connected six 2001:db8:5::1 6002", "server connected six 2001:db8:c::1 6001"]);
});

test("OM-36 without IPv6 nobody waits", () => {
  const met = meet({ server6: [] });
  abortPunching(met);
  expect(met.told).toEqual(["server abandoned", "client REMOTE_ABORTED"]);
});
