import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { Probing, type ProbingOptions, type Reach } from "../../../src/dht/probing.ts";
import type { SocketName } from "../../../src/dht/requests.ts";
import { SeededRandom } from "../../support/random.ts";

const PEER: Address = { host: "88.99.3.86", port: 4_000 };
const [STEADY, OURS, THEIRS] = [{}, { isLocalRandom: true }, { isRemoteRandom: true }];

function probing(options: Partial<ProbingOptions>) {
  const probes: { at: number; socket: SocketName; to: Address; reach: Reach }[] = [];
  let now = 0;
  let opened = 1;
  const probe = Probing.start(0, {
    random: new SeededRandom(1),
    isInitiator: true,
    isLocalRandom: false,
    isRemoteRandom: false,
    socket: "punch-1",
    verified: [PEER],
    openSocket: () => `punch-${++opened}`,
    probe: (socket, to, reach) => probes.push({ at: now, socket, to, reach }),
    ...options,
  });
  const run = () => {
    while (probe && probe.deadline() < Infinity) {
      now = probe.deadline();
      probe.advance(now);
    }
    return now;
  };
  return { probe, probes, run };
}

test("OM-32 between steady NATs ten probes go to each verified address, a second apart; the responder's a second later", () => {
  for (const [isInitiator, firstAt] of [
    [true, 0],
    [false, 1_000],
  ] as const) {
    const second = { ...PEER, port: 4_001 };
    const { probe, probes, run } = probing({ ...STEADY, isInitiator, verified: [PEER, second] });
    expect(run()).toBe(firstAt + 10_000);
    const at = Array.from({ length: 10 }, (_, i) => firstAt + 1_000 * i);
    expect(probes.map((each) => each.at)).toEqual(at.flatMap((each) => [each, each]));
    expect(new Set(probes.map(({ to }) => to.port))).toEqual(new Set([4_000, 4_001]));
    expect([probe!.isExhausted, probe!.sockets]).toEqual([true, ["punch-1"]]);
  }
});

test("OM-33 against a random NAT 3,500 ports of one verified host are probed in 35 s, and then it ends", () => {
  const { probes, run } = probing(THEIRS);
  expect(run()).toBe(3_500 * 10);
  expect(probes).toHaveLength(3_500);
  expect(new Set(probes.map(({ to }) => to.host))).toEqual(new Set([PEER.host]));
  const ports = probes.map(({ to }) => to.port);
  expect([Math.min(...ports) >= 1_000, Math.max(...ports) <= 65_535]).toEqual([true, true]);
});

test("OM-33 from behind one, 256 sockets open their mappings with probes that go near, then send them far", () => {
  const { probe, probes, run } = probing(OURS);
  expect(run()).toBe(100 + 1_750 * 20);
  expect(probe!.sockets).toHaveLength(256);
  expect(probes.slice(0, 512).every(({ reach }) => reach === "near")).toBe(true);
  expect(probes.slice(512).every(({ reach }) => reach === "far")).toBe(true);
  expect(probes).toHaveLength(256 + 1_750);
  expect(probes.every(({ to }) => to.host === PEER.host && to.port === PEER.port)).toBe(true);
});

test("OM-33 nothing is probed when both are random, nor without an address whose host echoed a token", () => {
  expect(probing({ ...OURS, ...THEIRS }).probe).toBeNull();
  for (const sides of [STEADY, OURS, THEIRS]) expect(probing({ ...sides, verified: [] }).probe).toBeNull();
});
