/**
 * The laboratory with real sockets: what its NATs do to them, and that nothing of it stays.
 *
 *   ┌ one for each kind of NAT ┐       ┌ router, a process ────────────┐       ┌ server1, server2 ┐
 *   │ eth0 192.168.n.2         ┼──TUN──┼ NAT n ══ internet, 10 hops ═══┼──TUN──┼ eth0, public      │
 *   └──────────────────────────┘       └───────────────────────────────┘       └───────────────────┘
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { labSocketPath } from "../../src/io/lab/control.ts";
import type { LabDescription } from "../../src/io/lab/description.ts";
import { NAT_KINDS, type NatKindName } from "../../src/io/lab/nat-kinds.ts";
import { type RunningLab, startLab } from "../support/lab.ts";
import { LabSocket } from "../support/lab-socket.ts";
import { isRoot, needsRoot } from "../support/namespaces.ts";
import { transfer } from "../support/traffic.ts";
import { until } from "../support/until.ts";

const rooted = (name: string, run: () => Promise<void>) => test.skipIf(!isRoot)(`${name}${needsRoot}`, run, 30_000);

const KINDS = Object.keys(NAT_KINDS) as NatKindName[];
const MEGABYTE = 1_000_000;
/** Longer than any way there and back: what has not come by then does not come. */
const NEVER_MS = 250;

/** A host of the same name behind a NAT of each kind, `nat-KIND`. */
const ALL: LabDescription = {
  network: { delayMs: 5 },
  nats: Object.fromEntries(KINDS.map((kind) => [`nat-${kind}`, { kind }])),
  hosts: {
    ...Object.fromEntries(KINDS.map((kind) => [kind, { behind: `nat-${kind}` }])),
    ...{ server1: {}, server2: {}, slow: { delayMs: 100 }, lossy: { loss: 0.3 } },
  },
};

let all: RunningLab;

beforeAll(async () => {
  if (isRoot) all = await startLab(ALL);
}, 20_000);

afterAll(() => all?.close());

/** Opens sockets by host, and closes them at its end. */
async function sockets<Name extends string>(lab: RunningLab, hosts: readonly Name[], port = 5000) {
  const opened = new Map<string, LabSocket>();
  for (const host of hosts) opened.set(host, await LabSocket.open(lab.host(host).namespace, port));
  return {
    of: (host: Name) => opened.get(host)!,
    [Symbol.dispose]: () => opened.forEach((socket) => void socket.close()),
  };
}

let said = 0;

/** Says something new, and returns from where it was heard; null when it was not. */
async function pass(from: LabSocket, to: LabSocket, address: string, withinMs = 500): Promise<string | null> {
  const text = `${++said}`;
  from.say(text, address);
  return (await to.hear(text, withinMs))?.from ?? null;
}

rooted("each kind of NAT shows two servers the ports, and lets in whom, its name says", async () => {
  using hosts = await sockets(all, [...KINDS, "server1", "server2"]);
  const other = await LabSocket.open(all.host("server1").namespace, 5001);
  const [server1, server2] = [hosts.of("server1"), hosts.of("server2")];
  const results = KINDS.map(async (kind) => {
    const host = hosts.of(kind);
    const first = await pass(host, server1, `${all.address("server1")}:5000`);
    if (first === null) return [kind, "no UDP"];
    const admits: string[] = [];
    if (await pass(server1, host, first, NEVER_MS)) admits.push("whom it sent to");
    if (await pass(other, host, first, NEVER_MS)) admits.push("another port");
    if (await pass(server2, host, first, NEVER_MS)) admits.push("another address");
    const second = await pass(host, server2, `${all.address("server2")}:5000`);
    expect([first, second].map((end) => end?.split(":")[0])).toEqual(new Array(2).fill(all.address(`nat-${kind}`)));
    return [kind, `${first === second ? "one port" : "two ports"}; ${admits.join(", ")}`];
  });
  expect(Object.fromEntries(await Promise.all(results))).toEqual({
    "full-cone": "one port; whom it sent to, another port, another address",
    "address-restricted": "one port; whom it sent to, another port",
    "port-restricted": "one port; whom it sent to",
    sequential: "two ports; whom it sent to",
    random: "two ports; whom it sent to",
    linux: "one port; whom it sent to",
    blocked: "no UDP",
  });
  other.close();
});

rooted("two hosts that know each other's port from a server meet, unless a symmetric NAT hides it", async () => {
  using hosts = await sockets(all, [...KINDS, "server1"], 6000);
  const known = new Map<NatKindName, string>();
  for (const kind of KINDS) {
    const seen = await pass(hosts.of(kind), hosts.of("server1"), `${all.address("server1")}:6000`, NEVER_MS);
    known.set(kind, seen ?? `${all.address(`nat-${kind}`)}:6000`);
  }
  const meet = async (a: NatKindName, b: NatKindName) => {
    const [left, right] = [hosts.of(a), hosts.of(b)];
    const [toLeft, toRight] = [`${a} to ${b}`, `${b} to ${a}`];
    for (let round = 0; round < 3; round++) {
      left.say(toLeft, known.get(b)!);
      right.say(toRight, known.get(a)!);
      const heard = await Promise.all([right.hear(toLeft, NEVER_MS), left.hear(toRight, NEVER_MS)]);
      if (heard.every((one) => one !== null)) return true;
      // Only one way: an answer to where it came from opens the other.
      if (heard[0]) right.say(toRight, heard[0].from);
      if (heard[1]) left.say(toLeft, heard[1].from);
    }
    return right.heard.some(({ text }) => text === toLeft) && left.heard.some(({ text }) => text === toRight);
  };
  const isSymmetric = (kind: NatKindName) => kind === "sequential" || kind === "random";
  const isStrict = (kind: NatKindName) => !["full-cone", "address-restricted"].includes(kind);
  const expected = (a: NatKindName, b: NatKindName) =>
    a !== "blocked" && b !== "blocked" && !(isSymmetric(a) && isStrict(b)) && !(isSymmetric(b) && isStrict(a));
  const pairs = KINDS.flatMap((a, i) => KINDS.slice(i + 1).map((b) => [a, b] as const));
  const met = await Promise.all(pairs.map(async ([a, b]) => `${a} ${b} ${await meet(a, b)}`));
  expect(met).toEqual(pairs.map(([a, b]) => `${a} ${b} ${expected(a, b)}`));
});

rooted("a packet takes both lines' time, and a line loses its share", async () => {
  using hosts = await sockets(all, ["server1", "slow", "lossy"], 7000);
  const sentAt = performance.now();
  hosts.of("slow").say("slow", `${all.address("server1")}:7000`);
  const heard = await hosts.of("server1").hear("slow");
  expect(heard!.at - sentAt).toBeWithin(104, 125);
  const arrived = () => hosts.of("server1").heard.length - 1;
  const lost = async () => (await all.counters()).dropped.lost ?? 0;
  for (let sent = 100; sent <= 1_000; sent += 100) {
    // Few enough at a time for every socket's buffer, so that none is lost elsewhere.
    for (let i = 0; i < 100; i++) hosts.of("lossy").say(`${i}`, `${all.address("server1")}:7000`);
    await until("all has come or is lost", async () => arrived() + (await lost()) === sent);
  }
  expect(arrived()).toBeWithin(600, 800);
});

rooted("a packet with a low ttl opens its own NAT, and is never heard at the other", async () => {
  using hosts = await sockets(all, ["port-restricted", "full-cone", "server1"], 8000);
  const [near, far] = [hosts.of("port-restricted"), hosts.of("full-cone")];
  const farSeen = await pass(far, hosts.of("server1"), `${all.address("server1")}:8000`);
  near.say("low", farSeen!, { ttl: 5 });
  expect(await pass(far, near, `${all.address("nat-port-restricted")}:8000`)).toBe(farSeen);
  expect(far.heard).toEqual([]);
});

rooted("TCP passes every kind of NAT from inside, also where UDP is blocked", async () => {
  for (const kind of KINDS) {
    const [from, to] = [all.host(kind), all.host("server1")];
    const { sent, received } = await transfer(from.namespace, to.namespace, to.address, MEGABYTE);
    expect(received).toEqual(sent);
  }
});

rooted("ping passes NATs, and counts the hops", async () => {
  const output = all.host("random").namespace.run("ping", "-n", "-c", "1", "-W", "2", all.address("server1"));
  expect(output).toContain(`ttl=${64 - 10 - 1} `);
});

rooted(
  "two hosts of one site, and two behind one carrier, meet by the outside where it turns packets round",
  async () => {
    await using lab = await startLab({
      nats: {
        turns: { kind: "port-restricted", hairpins: true },
        "turns-a": { kind: "full-cone", behind: "turns" },
        "turns-b": { kind: "full-cone", behind: "turns" },
        keeps: { kind: "port-restricted", hairpins: false },
      },
      hosts: {
        a: { behind: "turns-a" },
        b: { behind: "turns-b" },
        c: { behind: "keeps" },
        d: { behind: "keeps" },
        server: {},
      },
    });
    using hosts = await sockets(lab, ["a", "b", "c", "d", "server"]);
    const server = `${lab.address("server")}:5000`;
    const seen = new Map<string, string>();
    for (const host of ["a", "b", "c", "d"] as const) {
      seen.set(host, (await pass(hosts.of(host), hosts.of("server"), server))!);
    }
    expect(seen.get("a")).toStartWith(`${lab.address("turns")}:`);
    const meet = async (x: "a" | "c", y: "b" | "d") => {
      hosts.of(x).say("opens", seen.get(y)!);
      return pass(hosts.of(y), hosts.of(x), seen.get(x)!, NEVER_MS);
    };
    expect(await meet("a", "b")).toBe(seen.get("b")!);
    expect(await meet("c", "d")).toBeNull();
    expect(await pass(hosts.of("c"), hosts.of("d"), `${lab.host("d").address}:5000`)).toBe(
      `${lab.host("c").address}:5000`,
    );
  },
);

rooted("mappings expire; a NAT reboots, is renumbered and is cut; a host moves, and its socket goes on", async () => {
  await using lab = await startLab({
    network: { delayMs: 2 },
    nats: { home: { kind: "random", expiryMs: 400 }, cafe: { kind: "full-cone" } },
    hosts: { alice: { behind: "home" }, server: {} },
  });
  using hosts = await sockets(lab, ["alice", "server"]);
  const [alice, server] = [hosts.of("alice"), hosts.of("server")];
  const seen = (withinMs?: number) => pass(alice, server, `${lab.address("server")}:5000`, withinMs);

  const first = (await seen())!;
  expect(await pass(server, alice, first)).not.toBeNull();
  expect(await lab.mappings("home")).toBe(1);
  await until("the mapping expired", async () => (await lab.mappings("home")) === 0);
  expect(await pass(server, alice, first, NEVER_MS)).toBeNull();

  const second = (await seen())!;
  await lab.disturb("home", "reboot");
  expect(await pass(server, alice, second, NEVER_MS)).toBeNull();
  expect(await seen()).not.toBe(second);

  await lab.disturb("home", "renumber");
  expect((await seen())!).toStartWith(`${lab.address("home")}:`);
  expect(lab.address("home")).not.toBe(second.split(":")[0]!);

  await lab.disturb("home", "cut");
  expect(await seen(NEVER_MS)).toBeNull();
  await lab.disturb("home", "heal");
  expect(await seen()).not.toBeNull();

  await lab.disturb("alice", "move", "cafe");
  expect(await seen()).toBe(`${lab.address("cafe")}:5000`);
  expect(lab.host("alice").namespace.run("ip", "-4", "-o", "address", "show", "eth0")).toContain(
    lab.host("alice").address,
  );
  await lab.disturb("alice", "move", "internet");
  expect(await seen()).toBe(`${lab.host("alice").address}:5000`);
  await lab.disturb("server", "renumber", "192.52.193.200");
  expect(await seen()).toBe(`${lab.host("alice").address}:5000`);
  await expect(lab.disturb("alice", "reboot")).rejects.toThrow("alice is a host; expected a NAT to reboot");
});

/** What is left of the laboratory of that process: namespaces, its devices here, its socket, and processes that name it. */
function leftOf(pid: number): string {
  const said = (...command: string[]) => Bun.spawnSync(command).stdout.toString().split("\n");
  const processes = said("ps", "-eo", "pid,args").filter((line) => line.includes(`dnet-lab-${pid}-`));
  const namespaces = said("ip", "netns", "list").filter((line) => line.startsWith(`dnet-lab-${pid}-`));
  const devices = said("ip", "-o", "link").filter((line) => line.includes(`lab${pid}-`));
  const sockets = existsSync(labSocketPath(pid)) ? [labSocketPath(pid)] : [];
  return [...processes, ...namespaces, ...devices, ...sockets].join("\n");
}

for (const end of ["close", "SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"] as const) {
  rooted(`nothing is left of a laboratory that ends by ${end}, nor of what ran in it`, async () => {
    await using lab = await startLab({
      nats: { home: { kind: "random" } },
      hosts: { alice: { behind: "home" }, bob: {} },
    });
    const inside = lab.host("alice").namespace.spawn("sleep", "1000");
    await until(
      "it runs inside",
      () => Bun.spawnSync(["ip", "netns", "pids", lab.host("alice").namespace.name]).stdout.length > 0,
    );
    expect(leftOf(lab.pid)).not.toBe("");
    if (end === "close") await lab.close();
    else process.kill(lab.pid, end);
    await inside.exited;
    await until("everything is gone", () => leftOf(lab.pid) === "");
  });
}
