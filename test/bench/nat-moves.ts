/**
 * `npm run bench nat`, third part: addresses that change. How long a server cannot be reached, and how long a stream is silent. All cases
 * of both kinds go on at once, each on hosts of its own.
 */
import type { HostDescription, LabDescription, NatDescription } from "../../src/io/lab/description.ts";
import { KINDS, type Kind } from "../support/hyperdht-both.ts";
import type { Hex } from "../support/hyperdht-process.ts";
import { HyperdhtStream } from "../support/hyperdht-stream.ts";
import type { RunningLab } from "../support/lab.ts";
import { joinDht, type LabPeer } from "../support/lab-dht.ts";
import { until } from "../support/until.ts";
import { say } from "./benchmark.ts";
import { median } from "./metrics.ts";
import { type Ground, sayWord, seed, TITLES } from "./nat-attempts.ts";
import { type Claim, claimTable, figure, grid } from "./tables.ts";

/** A server that is not back by then is waited for no longer: hyperdht's may need minutes. */
const LONGEST_MS = 40_000;
/** Of a stream that did not last. */
const ENDED = Infinity;
const CUT_MS = 20_000;
const TRY_EVERY_MS = 500;
const SAY_EVERY_MS = 50;
/** Of the moving end and the other. The NAT gives ports by chance, so that none comes back by luck. */
const HOME: NatDescription = { kind: "port-restricted", ports: "random" };

interface Case {
  readonly title: string;
  /** What is measured, from when it has happened: until a client has an answer; or the longest that a stream is silent. */
  readonly what: "server" | "stream";
  /** Who it happens to. */
  readonly end: "client" | "server";
  readonly isOpen: boolean;
  readonly happen: (lab: RunningLab, host: string, nat: string) => Promise<void>;
  readonly atMostMs: number;
}

const reboot: Case["happen"] = (lab, _host, nat) => lab.disturb(nat, "reboot");
const renumberNat: Case["happen"] = (lab, _host, nat) => lab.disturb(nat, "renumber");
const renumberHost: Case["happen"] = (lab, host) => lab.disturb(host, "renumber");
async function cut(lab: RunningLab, host: string): Promise<void> {
  await lab.disturb(host, "cut");
  await Bun.sleep(CUT_MS);
  await lab.disturb(host, "heal");
}

const server = { what: "server", end: "server" } as const;
const stream = { what: "stream", isOpen: false, atMostMs: 3_000 } as const;
const CASES: readonly Case[] = [
  { ...server, title: "its NAT forgets its mapping", isOpen: false, happen: reboot, atMostMs: 10_000 },
  { ...server, title: "its NAT has another address", isOpen: false, happen: renumberNat, atMostMs: 10_000 },
  { ...server, title: "an open one has another address", isOpen: true, happen: renumberHost, atMostMs: 30_000 },
  { ...server, title: "it was cut off for 20 s", isOpen: false, happen: cut, atMostMs: 10_000 },
  { ...stream, title: "the client's NAT has another address", end: "client", happen: renumberNat },
  { ...stream, title: "the server's NAT has another address", end: "server", happen: renumberNat },
  { ...stream, title: "an open server has another address", end: "server", isOpen: true, happen: renumberHost },
];

/** `s-3-ours`: of a case and a kind. */
const nameOf = (end: "client" | "server", n: number, kind: Kind) => `${end[0]}-${n}-${kind}`;

export function describeMoves(): LabDescription {
  const nats: { [name: string]: NatDescription } = {};
  const hosts: { [name: string]: HostDescription } = {};
  for (const [n, { end, isOpen }] of CASES.entries()) {
    for (const kind of KINDS) {
      for (const each of ["client", "server"] as const) {
        const host = nameOf(each, n, kind);
        const isPublic = isOpen && each === end;
        hosts[host] = isPublic ? {} : { behind: `nat-${host}` };
        if (!isPublic) nats[`nat-${host}`] = HOME;
      }
    }
  }
  return { nats, hosts };
}

export async function measureMoves(ground: Ground, tries: number): Promise<void> {
  const tookMs = CASES.map(() => ({ ours: [] as number[], theirs: [] as number[] }));
  for (let i = 0; i < tries; i++) {
    say(`addresses change, ${i + 1} of ${tries}: up to ${(LONGEST_MS + CUT_MS) / 1_000} s`);
    const runs = CASES.flatMap((each, n) =>
      KINDS.map(async (kind) => {
        const ms = await measureCase(ground, each, n, kind);
        tookMs[n]![kind].push(ms);
        say(`  ${each.what}: ${each.title}, ${TITLES[kind]}, in ms: ${text(ms)}`);
      }),
    );
    await Promise.all(runs);
  }
  const head = ["", ...KINDS.flatMap((kind) => [TITLES[kind], "worst"])];
  const rows = CASES.map(({ what, title }, n) => [
    `${what}: ${title}`,
    ...KINDS.flatMap((kind) => [text(median(tookMs[n]![kind])!), text(Math.max(...tookMs[n]![kind]))]),
  ]);
  console.log(grid("ms until a server is reached again, and that a stream is silent", [head, ...rows]));
  const claims = CASES.map(({ what, title, atMostMs }, n): Claim => {
    return { claim: `${what}: ${title}`, value: Math.max(...tookMs[n]!.ours), unit: " ms", atMost: atMostMs };
  });
  console.log(claimTable("dnet's worst", claims));
}

const text = (ms: number) => (ms < LONGEST_MS ? figure(ms) : ms === ENDED ? "ended" : `over ${LONGEST_MS}`);

async function measureCase(
  ground: Ground,
  { what, end, isOpen, happen }: Case,
  n: number,
  kind: Kind,
): Promise<number> {
  const { lab, bootstrap, random } = ground;
  const join = (each: "client" | "server") => joinDht(lab, nameOf(each, n, kind), kind, { bootstrap });
  await using client = await join("client");
  await using server = await join("server");
  if (isOpen) await until("it is open", async () => !(await server.node.info()).firewalled);
  const { publicKey } = await server.node.listen("server", seed(random), { echo: what === "server" });
  const host = nameOf(end, n, kind);
  const change = () => happen(lab, host, `nat-${host}`);
  if (what === "stream") return await silence(client, server, publicKey, change);
  await sayWord(client.node, "before", publicKey, { seed: seed(random) });
  await change();
  return await unreachable(ground, client, publicKey); // before both are disposed of
}

/** Milliseconds until one of many attempts was answered: there is a new one all the time, since an early one may wait in vain. */
async function unreachable({ random }: Ground, client: LabPeer, publicKey: Hex): Promise<number> {
  const startedAt = performance.now();
  let reachedAt = Infinity;
  for (let i = 0; reachedAt === Infinity && performance.now() - startedAt < LONGEST_MS; i++) {
    sayWord(client.node, `stream${i}`, publicKey, { seed: seed(random) }).then(
      () => {
        reachedAt = Math.min(reachedAt, performance.now());
      },
      () => {}, // the next may be luckier
    );
    await Bun.sleep(TRY_EVERY_MS);
  }
  return Math.min(reachedAt - startedAt, LONGEST_MS);
}

/** The longest that either end heard nothing of the other's words while it happened. */
async function silence(client: LabPeer, server: LabPeer, publicKey: Hex, change: () => Promise<void>): Promise<number> {
  await client.node.connect("stream", publicKey);
  const ends = [new HyperdhtStream(client.process, "stream"), await HyperdhtStream.accepted(server.process, "server")];
  const pieceBytes = 100;
  const before = 20 * pieceBytes;
  const all = 200 * pieceBytes; // ten seconds
  const said = ends.map((end) => end.pour({ bytes: all, pieceBytes, everyMs: SAY_EVERY_MS }).catch(() => null));
  await Promise.all(ends.map((end) => end.take(before)));
  await change();
  const heard = await Promise.all(ends.map((end) => end.take(all).catch(() => null)));
  await Promise.all(said);
  return Math.max(...heard.map((each) => each?.longestMs ?? ENDED));
}
