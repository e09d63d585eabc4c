import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { Bootstrap, type BootstrapNode } from "../../../src/dht/bootstrap.ts";
import { Contacts } from "../../../src/dht/contacts.ts";
import { nodeId } from "../../../src/dht/peer.ts";
import type { Query } from "../../../src/dht/query.ts";
import {
  MORE_STABLE_TICKS,
  Reachability,
  type ReachabilityOptions,
  STABLE_TICKS,
} from "../../../src/dht/reachability.ts";
import { INTERNAL } from "../../../src/wire/rpc.ts";
import { type Sent, Wire, withId } from "../../support/dht-wire.ts";

const PORT = 1776;
const US: Address = { host: "88.99.3.86", port: PORT };
const node = (i: number): Address => ({ host: `5.9.17.${i}`, port: 1_000 + i });
const NO_QUERY = undefined as unknown as Query; // whose it is makes no difference

/** A node's standing with the world: a test says how its walks end, who answers, and where the answers arrive. */
class Standing {
  readonly wire = new Wire();
  readonly contacts: Contacts;
  readonly bootstrap: Bootstrap;
  readonly reachability: Reachability;
  readonly events: string[] = [];
  walks = 0;
  refreshes = 0;

  constructor(options: Partial<ReachabilityOptions> = {}, bootstrapNodes: readonly BootstrapNode[] = []) {
    this.bootstrap = new Bootstrap(bootstrapNodes, (host) => void this.events.push(`resolve ${host}`));
    this.contacts = new Contacts({
      requests: this.wire.requests,
      id: new Uint8Array(32).fill(1),
      isDiverse: false,
      firstTick: 100,
      maxStrangeSamples: 1,
      admits: () => true,
      onAdded: () => {},
      onRemoved: () => {},
      onNatChanged: () => {},
      onMoved: () => {},
    });
    this.reachability = new Reachability({
      contacts: this.contacts,
      requests: this.wire.requests,
      bootstrap: this.bootstrap,
      isEphemeral: null,
      isFirewalled: true,
      quickFirewall: true,
      stableTicks: STABLE_TICKS,
      port: () => PORT,
      walk: () => void this.walks++,
      refresh: () => void this.refreshes++,
      onEvent: (event) => void this.events.push(event),
      ...options,
    });
  }

  /** That many nodes were heard, and each saw us at `to`. */
  hear(count: number, to = US): void {
    for (let i = 1; i <= count; i++) this.contacts.heard(this.wire.now, withId(node(i)), to, true);
  }

  /** The first walk, of which one reply came. */
  firstReply(): void {
    const reply = {
      tid: 1,
      rttMs: 1,
      from: withId(node(1)),
      to: US,
      token: null,
      closerNodes: [],
      error: 0,
      value: null,
    };
    this.reachability.replied(this.wire.now, NO_QUERY, reply);
  }

  walkEnds(): void {
    this.reachability.finished(this.wire.now);
  }

  /** The answer to a PING_NAT arrives, where the server socket sees it or not. */
  pong(sent: Sent, { to = US, arrives = "server" as "server" | "client" } = {}): void {
    this.reachability.heard(arrives, sent.to);
    this.wire.answer(sent, { to });
  }

  probes(): Sent[] {
    return this.wire.takeSent().filter(({ request }) => request.command === INTERNAL.pingNat);
  }

  ticks(count: number): void {
    for (let i = 0; i < count; i++) this.reachability.tick(this.wire.now);
  }

  get state(): string {
    const { isEphemeral, isFirewalled } = this.reachability;
    return `${isEphemeral ? "ephemeral" : "persistent"}, ${isFirewalled ? "firewalled" : "open"}`;
  }
}

/** Ready after a walk that told it nothing. */
function ready(options: Partial<ReachabilityOptions> = {}, known = 10): Standing {
  const standing = new Standing({ quickFirewall: false, ...options });
  standing.reachability.start(0);
  standing.hear(known);
  standing.walkEnds();
  return standing;
}

test("a node that may be reached by nobody is ready after one walk, ephemeral and firewalled", () => {
  const standing = new Standing({ quickFirewall: false });
  standing.reachability.start(0);
  expect([standing.walks, standing.reachability.isReady]).toEqual([1, false]);
  standing.firstReply();
  standing.walkEnds();
  expect([standing.walks, standing.reachability.isReady, standing.events]).toEqual([1, true, ["ready"]]);
  expect([standing.state, standing.wire.sent]).toEqual(["ephemeral, firewalled", []]);
});

test("OM-43 names are resolved before the first walk, unless nodes are known already", () => {
  const name = { host: "node1.example", port: 1, suggested: null };
  for (const known of [0, 1]) {
    const standing = new Standing({}, [name, { ...name, host: "node2.example" }]);
    standing.hear(known);
    standing.reachability.start(0);
    expect(standing.walks).toBe(known);
    standing.bootstrap.resolved("node1.example", null);
    standing.reachability.resolved(0);
    expect(standing.walks).toBe(known); // the other is awaited
    standing.bootstrap.resolved("node2.example", "192.0.2.1");
    standing.reachability.resolved(0);
    standing.reachability.resolved(0);
    expect(standing.walks).toBe(1);
  }
});

test("a node that is to be persistent and not firewalled becomes it between its two walks, once it knows its address", () => {
  const standing = new Standing({ isEphemeral: false, isFirewalled: false });
  standing.reachability.start(0);
  standing.hear(3);
  standing.walkEnds();
  expect([standing.state, standing.events, standing.walks]).toEqual(["persistent, open", ["persistent"], 2]);
  expect(standing.contacts.table.id).toEqual(nodeId(US));
  standing.walkEnds();
  expect([standing.events, standing.walks, standing.refreshes]).toEqual([["persistent", "ready"], 2, 0]);
  expect(standing.wire.sent).toEqual([]); // and asked nobody for it
});

test("one whose address nobody has told, or each with another port, stays ephemeral", () => {
  for (const ports of [[], [1, 2, 3, 4, 5]]) {
    const standing = new Standing({ isEphemeral: false, isFirewalled: false });
    standing.reachability.start(0);
    for (const port of ports) standing.contacts.heard(0, withId(node(port)), { ...US, port }, true);
    standing.walkEnds();
    expect([standing.state, standing.walks, standing.reachability.isReady]).toEqual(["ephemeral, open", 1, true]);
  }
});

test("one that is to be persistent and could not goes on trying", () => {
  const standing = new Standing({ isEphemeral: false });
  standing.reachability.start(0);
  standing.hear(5);
  standing.walkEnds();
  standing.wire.run(10_000); // nobody gets through
  expect(standing.state).toBe("ephemeral, firewalled");
  standing.probes();
  standing.ticks(11);
  expect(standing.probes()).toEqual([]);
  standing.ticks(1); // a minute later
  const probes = standing.probes();
  standing.ticks(12);
  expect([probes.length, standing.probes().length]).toEqual([5, 0]); // one attempt at a time
  for (const probe of probes) standing.pong(probe);
  expect(standing.state).toBe("persistent, open");
});

test("one that is firewalled until shown otherwise asks five nodes to ping its server socket, the last heard first", () => {
  const standing = new Standing({ isEphemeral: false });
  standing.reachability.start(0);
  standing.hear(10);
  standing.walkEnds();
  const probes = standing.probes();
  expect(probes.map(({ to }) => to)).toEqual([10, 9, 8, 7, 6].map(node));
  for (const { request } of probes) expect(request.value).toEqual(Uint8Array.of(PORT & 255, PORT >> 8));
  for (const probe of probes) standing.pong(probe);
  expect([standing.state, standing.events, standing.walks]).toEqual(["persistent, open", ["persistent"], 2]);
});

test("with fewer than five nodes the bootstrap nodes are asked too, each once", () => {
  const bootstrap = [node(1), { host: "192.0.2.1", port: 1 }].map((address) => ({ ...address, suggested: null }));
  const standing = new Standing({ isEphemeral: false }, bootstrap);
  standing.reachability.start(0);
  standing.hear(2);
  standing.walkEnds();
  expect(standing.probes().map(({ to: { host } }) => host)).toEqual(["5.9.17.2", "5.9.17.1", "192.0.2.1"]);
});

/** The verdict when of `asked` nodes some answers arrive on the server socket, some elsewhere, and the rest never. */
function verdict({ asked = 5, open = 0, elsewhere = 0, to = US }): string {
  const standing = new Standing({ isEphemeral: false });
  standing.reachability.start(0);
  standing.hear(asked);
  standing.walkEnds();
  const probes = standing.probes();
  expect(probes).toHaveLength(asked);
  for (const probe of probes.slice(0, open)) standing.pong(probe, { to });
  for (const probe of probes.slice(open, open + elsewhere)) standing.pong(probe, { to, arrives: "client" });
  standing.wire.run(10_000);
  return standing.state;
}

test("three of five pings must get through to the server socket, of fewer nodes one", () => {
  expect(verdict({ open: 2 })).toBe("ephemeral, firewalled");
  expect(verdict({ open: 2, elsewhere: 3 })).toBe("ephemeral, firewalled");
  expect(verdict({ open: 3 })).toBe("persistent, open");
  expect(verdict({ open: 3, elsewhere: 2 })).toBe("persistent, open");
  expect(verdict({ asked: 4, open: 1 })).toBe("persistent, open");
  expect(verdict({ asked: 4 })).toBe("ephemeral, firewalled");
});

test("a port that a NAT changes is no open port, and nor is another host", () => {
  expect(verdict({ open: 5, to: { ...US, port: PORT + 1 } })).toBe("ephemeral, firewalled");
  expect(verdict({ open: 5, to: { host: "9.9.9.9", port: PORT } })).toBe("ephemeral, firewalled");
});

test("an address that changed while we asked is not believed", () => {
  const standing = new Standing({ isEphemeral: false });
  standing.reachability.start(0);
  standing.hear(5);
  standing.walkEnds();
  const probes = standing.probes();
  for (let i = 20; i < 40; i++) standing.contacts.heard(0, withId(node(i)), { ...US, port: 9 }, true);
  for (const probe of probes) standing.pong(probe);
  expect([standing.state, standing.events]).toEqual(["ephemeral, open", ["ready"]]);
});

test("what arrives on the server socket from others says nothing of the ones that were asked", () => {
  const standing = new Standing({ isEphemeral: false });
  standing.reachability.start(0);
  standing.hear(5);
  standing.walkEnds();
  const probes = standing.probes();
  for (let i = 0; i < 100_000; i++)
    standing.reachability.heard("server", { host: `20.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, port: 1 });
  for (const probe of probes) standing.pong(probe, { arrives: "client" });
  expect(standing.state).toBe("ephemeral, firewalled");
});

test("a node that nobody can tell its address asks nobody, and one that knows nobody cannot ask", () => {
  for (const known of [0, 5]) {
    const standing = new Standing({ isEphemeral: false });
    standing.reachability.start(0);
    for (let i = 1; i <= known; i++) standing.contacts.heard(0, withId(node(i)), { host: `9.9.9.${i}`, port: i }, true);
    standing.walkEnds();
    expect([standing.probes().length, standing.reachability.isReady]).toEqual([0, true]);
  }
});

test("the quick test: the first that replies is asked to ping us, and if it gets through our port is looked at, not our mode", () => {
  const standing = new Standing();
  standing.reachability.start(0);
  standing.hear(5);
  standing.firstReply();
  standing.firstReply();
  const [quick, ...more] = standing.probes();
  expect([quick!.to, more]).toEqual([node(1), []]);
  standing.pong(quick!);
  standing.walkEnds();
  expect([standing.state, standing.walks]).toEqual(["ephemeral, firewalled", 1]);
  for (const probe of standing.probes()) standing.pong(probe);
  expect([standing.state, standing.walks, standing.events]).toEqual(["ephemeral, open", 2, []]);
  expect(standing.contacts.table.id).toEqual(nodeId(US)); // which will be its id
  standing.walkEnds();
  expect(standing.events).toEqual(["ready"]);
});

test("when the quick test's ping does not get through in time nothing more is tried", () => {
  const standing = new Standing();
  standing.reachability.start(0);
  standing.hear(5);
  standing.firstReply();
  const [quick] = standing.probes();
  standing.walkEnds();
  expect([standing.reachability.isReady, standing.probes()]).toEqual([true, []]);
  standing.pong(quick!); // too late
  expect([standing.state, standing.walks]).toEqual(["ephemeral, firewalled", 1]);
});

test("an answer to the quick test is no answer to a later probe", () => {
  const standing = new Standing({ stableTicks: 1 });
  standing.reachability.start(0);
  standing.hear(4);
  standing.firstReply();
  const [quick] = standing.probes();
  standing.walkEnds();
  standing.ticks(1);
  expect(standing.probes()).toHaveLength(4);
  standing.pong(quick!); // it alone arrives
  standing.wire.run(10_000);
  expect(standing.state).toBe("ephemeral, firewalled");
});

test("there is no quick test for who is not firewalled, is to be persistent, or does not want it", () => {
  for (const options of [{ isFirewalled: false }, { isEphemeral: false }, { quickFirewall: false }]) {
    const standing = new Standing(options);
    standing.reachability.start(0);
    standing.firstReply();
    expect(standing.wire.sent).toEqual([]);
  }
});

test("OM-26 after 240 uneventful ticks of 5 s a node looks whether it can be persistent, and is if strangers reach it", () => {
  const standing = ready();
  standing.ticks(STABLE_TICKS - 1);
  expect(standing.probes()).toEqual([]);
  standing.ticks(1);
  for (const probe of standing.probes()) standing.pong(probe);
  expect([standing.state, standing.events, standing.refreshes]).toEqual([
    "persistent, open",
    ["ready", "persistent"],
    1,
  ]);
  expect(standing.contacts.table.id).toEqual(nodeId(US));
  standing.ticks(10_000);
  expect(standing.events).toHaveLength(2);
});

test("OM-26 when strangers do not reach it, it looks again an hour later, at another address only", () => {
  const standing = ready();
  standing.ticks(STABLE_TICKS);
  expect(standing.probes()).toHaveLength(5);
  standing.wire.run(10_000);
  standing.probes();
  standing.ticks(3 * MORE_STABLE_TICKS);
  expect([standing.state, standing.probes()]).toEqual(["ephemeral, firewalled", []]);
  for (let i = 20; i < 40; i++) standing.contacts.heard(10_000, withId(node(i)), { host: "9.9.9.9", port: PORT }, true);
  standing.ticks(MORE_STABLE_TICKS);
  expect(standing.probes()).toHaveLength(5);
});

test("a node that was told to stay ephemeral never looks", () => {
  const standing = ready({ isEphemeral: true, isFirewalled: false });
  standing.ticks(10_000);
  expect([standing.state, standing.wire.sent, standing.events]).toEqual(["ephemeral, open", [], ["ready"]]);
});

test("OM-35 a node that wakes up is ephemeral again, looks after an hour, and keeps what it knows of its firewall", () => {
  const standing = ready({ isFirewalled: false });
  standing.ticks(STABLE_TICKS);
  expect(standing.state).toBe("persistent, open");
  standing.reachability.wakeUp(standing.wire.now);
  expect([standing.state, standing.events]).toEqual(["ephemeral, open", ["ready", "persistent", "ephemeral"]]);
  standing.ticks(MORE_STABLE_TICKS - 1);
  expect(standing.state).toBe("ephemeral, open");
  standing.ticks(1);
  expect(standing.state).toBe("persistent, open");
});

test("one that was told to be persistent stays it through sleep", () => {
  const standing = new Standing({ isEphemeral: false, isFirewalled: false });
  standing.reachability.start(0);
  standing.hear(3);
  standing.walkEnds();
  standing.reachability.wakeUp(standing.wire.now);
  expect(standing.state).toBe("persistent, open");
});

test("suspended while it asks, a node has learnt nothing and goes on", () => {
  const standing = new Standing({ isEphemeral: false });
  standing.reachability.start(0);
  standing.hear(5);
  standing.walkEnds();
  standing.wire.requests.suspend(0);
  expect([standing.state, standing.events]).toEqual(["ephemeral, firewalled", ["ready"]]);
});
