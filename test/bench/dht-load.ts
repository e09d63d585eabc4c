/**
 * A program that keeps one DHT node on 127.0.0.1 as busy as it can be, and tells how many requests a second it answered and
 * what one cost it. It is written for little work in each request, as it shares the processors with what it measures: requests
 * that are built beforehand, 64 of them in a system call, and replies that are only counted, many at a time.
 *   bun dht-load.ts PORT KIND [--pid PID] [--seconds 3] [--warm-up 1] [--window 512] [--seed 1]
 * KIND is ping, findNode, lookup, findPeer, immutableGet or mix; PID is the node's process. Prints a `LoadReport` as JSON.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Memory } from "../../ffi/libc.ts";
import { POLLIN, Poller } from "../../ffi/poll.ts";
import { Destination } from "../../ffi/udp-destination.ts";
import { UdpSocket } from "../../ffi/udp-linux.ts";
import { SeededRandom } from "../support/random.ts";

/**
 * What is asked for: the flags and the command of a request. All but a ping have a random target. Written out here rather than
 * imported, so that a change of our codec cannot change the load that it is measured under.
 */
const REQUESTS = {
  ping: { flags: 4, command: 0 },
  findNode: { flags: 4 | 8, command: 2 },
  lookup: { flags: 8, command: 3 },
  findPeer: { flags: 8, command: 2 },
  immutableGet: { flags: 8, command: 9 },
} as const;
type Request = keyof typeof REQUESTS;
/** Of a hundred requests, what a node of the public network may be asked for: our assumption, not a measurement. */
const MIX: { readonly [request in Request]: number } = {
  findNode: 40,
  lookup: 20,
  findPeer: 20,
  ping: 10,
  immutableGet: 10,
};

export const LOAD_KINDS = ["ping", "findNode", "lookup", "findPeer", "immutableGet", "mix"] as const;
export type LoadKind = (typeof LOAD_KINDS)[number];

export interface LoadOptions {
  readonly port: number;
  readonly kind: LoadKind;
  /** Of the node's process, for what it spends. */
  readonly pid?: number;
  readonly seconds?: number;
  /** Not counted: code is compiled meanwhile. */
  readonly warmUpSeconds?: number;
  /** How many requests are under way at once. */
  readonly window?: number;
  readonly seed?: number;
}

export interface LoadReport {
  readonly kind: LoadKind;
  readonly seconds: number;
  readonly answered: number;
  readonly perSecond: number;
  /** Answers that carry an error: a node that is not persistent refuses all but ping and findNode. */
  readonly refused: number;
  /** Requests without an answer when none came for a while; mostly they did not fit the node's receive buffer. */
  readonly lost: number;
  /** What the process spent on each answered request, in microseconds; null without a pid. */
  readonly cpuMicros: { readonly total: number; readonly user: number; readonly system: number } | null;
}

const LOCALHOST = Uint8Array.of(127, 0, 0, 1);
const HEADER_BYTES = 11; // type, flags, tid u16, to (four octets, port u16), command
const REQUEST_BYTES = HEADER_BYTES + 32;
const REQUEST_TYPE = 0x03;
const HAS_TARGET = 8;
const HAS_ERROR = 8; // in a reply
const BATCH = 64; // datagrams of one UDP_SEGMENT call, the kernel's limit until 6.9
const BATCHES = 16; // 1024 requests in all, each with a target of its own
const SLOT_BYTES = 65_536;
const BUFFER_BYTES = 4 * 1024 * 1024;
/** So long without any answer, what is under way is lost. */
const QUIET_MS = 50;
const TICKS_PER_SECOND = 100; // USER_HZ, the unit of /proc/PID/stat on every architecture we run on

/** Runs this program under Bun and returns what it tells. */
export async function offerDhtLoad(options: LoadOptions): Promise<LoadReport> {
  const { port, kind, pid, seconds, warmUpSeconds, window, seed } = options;
  const flags = Object.entries({ pid, seconds, "warm-up": warmUpSeconds, window, seed });
  const words = flags.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, `${value}`]));
  const command = [process.execPath, import.meta.path, `${port}`, kind, ...words];
  const child = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  const text = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error("the load ended early");
  return JSON.parse(text) as LoadReport;
}

/** Requests of one kind or of the mix, each of `requestBytes`; decoders ignore what pads a ping among longer ones. */
function buildRequests(port: number, kind: LoadKind, random: SeededRandom) {
  const requestBytes = kind === "ping" ? HEADER_BYTES : REQUEST_BYTES;
  const mixed = Object.entries(MIX).flatMap(([name, share]) => new Array<Request>(share).fill(name as Request));
  const memory = new Memory(BATCHES * BATCH * requestBytes);
  for (let i = 0; i < BATCHES * BATCH; i++) {
    const { flags, command } = REQUESTS[kind === "mix" ? random.pick(mixed) : kind];
    const to = [...LOCALHOST, port & 0xff, port >>> 8];
    const bytes = memory.bytes.subarray(i * requestBytes, (i + 1) * requestBytes);
    bytes.set([REQUEST_TYPE, flags, i & 0xff, i >>> 8, ...to, command]);
    if (flags & HAS_TARGET) bytes.set(random.bytes(32), HEADER_BYTES);
  }
  return { memory, requestBytes };
}

class Load {
  answered = 0;
  refused = 0;
  lost = 0;
  #underWay = 0;
  #batch = 0;
  #heardAt = performance.now();
  readonly #requests;
  readonly #replies = new Memory(BATCH * SLOT_BYTES);
  readonly #poller = new Poller(1);
  readonly #socket = UdpSocket.open({
    family: 4,
    port: 0,
    host: LOCALHOST,
    receiveBufferBytes: BUFFER_BYTES,
    sendBufferBytes: BUFFER_BYTES,
    segmentation: true,
    slots: BATCH,
  });
  readonly #destination: Destination;

  constructor(
    port: number,
    kind: LoadKind,
    seed: number,
    readonly window: number,
  ) {
    this.#requests = buildRequests(port, kind, new SeededRandom(seed));
    this.#destination = new Destination({ host: LOCALHOST, port });
    this.#poller.add(this.#socket.fd, POLLIN);
  }

  run(seconds: number): void {
    const endAt = performance.now() + seconds * 1000;
    while (performance.now() < endAt) {
      while (this.#underWay <= this.window - BATCH && this.#send());
      this.#poller.wait(QUIET_MS);
      this.#receive();
    }
  }

  /** Sends a batch; false when the kernel took none of it. */
  #send(): boolean {
    const { memory, requestBytes } = this.#requests;
    const batchBytes = BATCH * requestBytes;
    const address = memory.address + this.#batch * batchBytes;
    const sent = this.#socket.send(this.#destination, address, batchBytes, requestBytes, 0);
    if (sent <= 0) return false;
    this.#batch = (this.#batch + 1) % BATCHES;
    this.#underWay += sent / requestBytes;
    return true;
  }

  #receive(): void {
    const now = performance.now();
    const messages = this.#socket.receive(this.#replies.address, SLOT_BYTES);
    if (messages > 0) this.#heardAt = now;
    else if (now - this.#heardAt > QUIET_MS) this.#giveUp(now);
    for (let i = 0; i < messages; i++) this.#count(i * SLOT_BYTES, this.#socket.lengthOf(i), this.#socket.segmentOf(i));
  }

  /** Counts the replies that UDP_GRO joined in a message: each of `segment` bytes, and a last one that may be shorter. */
  #count(start: number, length: number, segment: number): void {
    const { bytes } = this.#replies;
    for (let at = start; at < start + length; at += segment) {
      this.answered++;
      if (bytes[at + 1]! & HAS_ERROR) this.refused++;
    }
    // What was given up may be answered after all.
    this.#underWay = Math.max(0, this.#underWay - Math.ceil(length / segment));
  }

  #giveUp(now: number): void {
    this.lost += this.#underWay;
    this.#underWay = 0;
    this.#heardAt = now;
  }
}

/** User and system time of a process with all its threads, in seconds. */
function cpuSeconds(pid: number): { user: number; system: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // from the third on (proc_pid_stat(5))
  return { user: Number(fields[11]) / TICKS_PER_SECOND, system: Number(fields[12]) / TICKS_PER_SECOND };
}

function measure(options: Required<Omit<LoadOptions, "pid">> & { readonly pid: number | null }): LoadReport {
  const { port, kind, pid, seed, window } = options;
  const load = new Load(port, kind, seed, window);
  load.run(options.warmUpSeconds);
  load.answered = load.refused = load.lost = 0;
  const startedAt = performance.now();
  const before = pid === null ? null : cpuSeconds(pid);
  load.run(options.seconds);
  const after = pid === null ? null : cpuSeconds(pid);
  const seconds = (performance.now() - startedAt) / 1000;

  const { answered, refused, lost } = load;
  const perRequest = (what: "user" | "system") => ((after![what] - before![what]) * 1e6) / answered;
  const [user, system] = before && after ? [perRequest("user"), perRequest("system")] : [0, 0];
  const cpuMicros = before && answered > 0 ? { total: user + system, user, system } : null;
  return { kind, seconds, answered, perSecond: answered / seconds, refused, lost, cpuMicros };
}

if (import.meta.main) {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      pid: { type: "string" },
      seconds: { type: "string", default: "3" },
      "warm-up": { type: "string", default: "1" },
      window: { type: "string", default: "512" },
      seed: { type: "string", default: "1" },
    },
  });
  const [port, name] = positionals;
  const kind = LOAD_KINDS.find((kind) => kind === name);
  if (!Number(port) || !kind) {
    console.error(`usage: bun dht-load.ts PORT ${LOAD_KINDS.join("|")} [--pid PID] [--seconds 3] ...`);
    process.exit(2);
  }
  const report = measure({
    port: Number(port),
    kind,
    pid: values.pid === undefined ? null : Number(values.pid),
    seconds: Number(values.seconds),
    warmUpSeconds: Number(values["warm-up"]),
    window: Math.max(BATCH, Number(values.window)),
    seed: Number(values.seed),
  });
  console.log(JSON.stringify(report));
}
