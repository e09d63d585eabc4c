/** Replicas in simulated time, and records that owners write. */
import { Database } from "bun:sqlite";
import type { KeyPair } from "../../src/crypto/ed25519.ts";
import { sha256 } from "../../src/crypto/sha256.ts";
import type { Ahead } from "../../src/overlay/dnetdb/ahead.ts";
import { recordId } from "../../src/overlay/dnetdb/ids.ts";
import type { Lock } from "../../src/overlay/dnetdb/lock.ts";
import { Replica, type ReplicaOptions, type ReplicaOutput } from "../../src/overlay/dnetdb/replica.ts";
import type { OpName, Script } from "../../src/overlay/dnetdb/script.ts";
import { Store } from "../../src/overlay/dnetdb/store.ts";
import type { Sync } from "../../src/overlay/dnetdb/sync.ts";
import { decodeSyncMessage, type Interests } from "../../src/overlay/dnetdb/sync-messages.ts";
import {
  AMOUNT,
  draft,
  encodeTransaction,
  signTransaction,
  type Transaction,
} from "../../src/overlay/dnetdb/transaction.ts";
import { anyKeyPair, lockOf } from "./dnetdb.ts";
import { SeededRandom } from "./random.ts";

/** Ms since 1970 at the start of every simulation. */
export const START = 1_790_000_000_000;

export interface Signed {
  readonly id: Uint8Array;
  readonly transaction: Transaction;
  readonly bytes: Uint8Array;
  readonly body: Uint8Array | null;
}

/** Writes one private dnet, step by step. What it is told to `sign` beside the chain is the caller's to keep. */
export class Owner {
  readonly keyPair: KeyPair;
  readonly record: Uint8Array;
  /** The mint and the creation. */
  readonly first: readonly [Signed, Signed];
  head: Signed;
  readonly #random: SeededRandom;
  #time: number;

  constructor(seed: number, { bodyBytes = 120, time = START - 86_400_000 } = {}) {
    this.#random = new SeededRandom(seed);
    this.keyPair = anyKeyPair(this.#random);
    this.#time = time;
    const mint = this.sign(null, { op: "OP_MINT" }, null);
    this.record = recordId(mint.id);
    this.head = this.sign(mint, { op: "OP_DNET_CREATE", dnet: this.record, name: null }, this.#random.bytes(bodyBytes));
    this.first = [mint, this.head];
  }

  /** The next step: a member more. */
  add(bodyBytes = 120): Signed {
    const script = { op: "OP_DNET_NODE", dnet: this.record, slot: this.#tag(), member: this.#tag() } as const;
    this.head = this.sign(this.head, script, this.#random.bytes(bodyBytes));
    return this.head;
  }

  policy(body: Uint8Array): Signed {
    this.head = this.sign(this.head, { op: "OP_DNET_POLICY", dnet: this.record }, body);
    return this.head;
  }

  /** An invitation, and the join that spends it. */
  invite(): { readonly invitation: Signed; readonly join: Signed } {
    const guest = anyKeyPair(this.#random);
    const script = { op: "OP_DNET_INVITE", dnet: this.record, slot: this.#tag(), expiresAt: null } as const;
    const invitation = this.sign(this.head, script, this.#random.bytes(80), { guest });
    this.head = invitation;
    const spend = { op: "OP_DNET_JOIN", dnet: this.record, slot: script.slot, member: this.#tag() } as const;
    const join = this.sign(invitation, spend, this.#random.bytes(80), { output: 1, signer: guest });
    return { invitation, join };
  }

  /** A cloud is attached. */
  attach(ovx: Uint8Array): Signed {
    this.head = this.sign(this.head, { op: "OP_DNET_OVX", dnet: this.record, ovx }, this.#random.bytes(60));
    return this.head;
  }

  /** Signed as a step after `spent`, whatever follows that already. */
  sign(
    spent: Signed | null,
    script: { readonly op: OpName; readonly [operand: string]: unknown },
    body: Uint8Array | null,
    {
      output = 0,
      signer = this.keyPair,
      to = lockOf(signer),
      guest,
    }: { output?: number; signer?: KeyPair; to?: Lock; guest?: KeyPair } = {},
  ): Signed {
    const locks = [to, ...(guest ? [lockOf(guest)] : [])];
    const unsigned = draft({
      time: this.#time++,
      input: spent && { transaction: spent.id, output },
      outputs: locks.map((lock) => ({ amount: AMOUNT, script: { ...script, lock } as unknown as Script })),
      bodyHash: body && sha256(body),
    });
    const transaction = signTransaction(unsigned, signer);
    return { id: transaction.id, transaction, bytes: encodeTransaction(transaction), body };
  }

  #tag() {
    return { kind: "tag", tag: this.#random.bytes(16) } as const;
  }
}

/** A cloud's record, and the key by which it bears witness. */
export class Cloud {
  readonly keyPair: KeyPair;
  readonly record: Uint8Array;
  readonly first: readonly [Signed, Signed];
  readonly #owner: Owner;

  constructor(seed: number) {
    const random = new SeededRandom(seed);
    this.keyPair = anyKeyPair(random);
    this.#owner = new Owner(seed);
    const [mint] = this.#owner.first;
    this.record = recordId(mint.id);
    const { publicKey: key } = this.keyPair;
    const script = { op: "OP_OVX_CREATE", ovx: this.record, name: `cloud-${seed}`, key } as const;
    this.first = [mint, this.#owner.sign(mint, script, random.bytes(60))];
    this.#owner.head = this.first[1];
  }

  authorise(dnet: Uint8Array): Signed {
    const script = { op: "OP_OVX_AUTH", ovx: this.record, dnet, expiresAt: null, quotaBytes: null } as const;
    this.#owner.head = this.#owner.sign(this.#owner.head, script, null);
    return this.#owner.head;
  }
}

/** What a lying replica sends in place of an honest frame; null: nothing. */
export type Tamper = (frame: Uint8Array) => Uint8Array | null;

export interface Sent {
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
  /** Its type, and of what it is: `items steps 12`. */
  readonly message: string;
}

/** What a replica's machine said, and of whom. */
export interface Told {
  readonly at: number;
  readonly of: number | null;
  readonly output: ReplicaOutput;
  readonly time: number;
}

interface Link {
  readonly ends: readonly [End, End];
  isUp: boolean;
}

interface End {
  readonly at: number;
  readonly peer: Sync;
  /** How many frames were handed to the link and have not come. */
  underway: number;
}

/** Frames that a link holds: further ones stay where they are made. */
const ROOM = 4;
export const LATENCY_MS = 20;
/** A frame's length goes with it. */
const LENGTH_BYTES = 4;

/** Replicas, and links between them that keep the order of frames. */
export class Replicas {
  now = 0;
  readonly stores: Store[] = [];
  readonly replicas: Replica[] = [];
  readonly databases: Database[] = [];
  readonly sent: Sent[] = [];
  readonly outputs: Told[] = [];
  readonly tampers = new Map<number, Tamper>();
  readonly #links = new Set<Link>();
  readonly #options: (ReplicaOptions & { readonly ahead?: Ahead })[] = [];
  #queue: { readonly at: number; readonly order: number; readonly act: () => void }[] = [];
  #order = 0;

  /** `ahead`: verifies signatures ahead for its store. */
  add(options: ReplicaOptions & { readonly ahead?: Ahead } = {}): number {
    const at = this.stores.length;
    this.databases.push(new Database(":memory:"));
    this.#options.push(options);
    this.#open(at);
    return at;
  }

  /** As after a crash: all but what is in its database is gone. */
  restart(at: number): void {
    this.cut(at, null, { isCrash: true });
    this.#open(at);
  }

  connect(a: number, b: number, interests: readonly [Interests, Interests] = ["all", "all"]): void {
    const ends = [a, b].map((at, i): End => {
      const peer = this.replicas[at]!.connect(this.now, { peer: `peer ${[b, a][i]}`, interests: interests[i]! });
      return { at, peer: peer!, underway: 0 };
    }) as unknown as [End, End];
    const link = { ends, isUp: true };
    this.#links.add(link);
    for (const { at } of ends) this.#drain(at);
  }

  /** All links of a replica, or those between two. */
  cut(a: number, b: number | null = null, { isCrash = false } = {}): void {
    for (const link of this.#links) {
      const sides = link.ends.map(({ at }) => at);
      if (!sides.includes(a) || (b !== null && !sides.includes(b))) continue;
      this.#cut(link, isCrash ? a : null);
    }
  }

  /** At random, so that each has some `degree`, and all hang together. */
  link(random: SeededRandom, degree: number): void {
    const count = this.stores.length;
    for (let at = 0; at < count; at++) {
      for (let i = 0; i < degree / 2; i++) {
        const to = i === 0 ? (at + 1) % count : random.below(count);
        if (to !== at && !this.isLinked(at, to)) this.connect(at, to);
      }
    }
  }

  isLinked(a: number, b: number): boolean {
    return [...this.#links].some(({ ends }) => ends.every(({ at }) => at === a || at === b));
  }

  get linkCount(): number {
    return this.#links.size;
  }

  /** How many links each is away. */
  distances(from: number): number[] {
    const distances = this.stores.map(() => Number.POSITIVE_INFINITY);
    distances[from] = 0;
    for (let round = 0; round < distances.length; round++) {
      for (const { ends } of this.#links) {
        const [a, b] = [ends[0].at, ends[1].at];
        distances[a] = Math.min(distances[a]!, distances[b]! + 1);
        distances[b] = Math.min(distances[b]!, distances[a]! + 1);
      }
    }
    return distances;
  }

  submit(at: number, ...steps: readonly Signed[]): void {
    for (const { bytes, body } of steps) {
      const verdict = this.replicas[at]!.submit(this.now, START + this.now, bytes, body);
      if (verdict.status === "refused") throw new Error(`refused: ${verdict.why}`);
    }
    this.#drain(at);
  }

  /** The replica's store was changed by other means. */
  changed(at: number): void {
    this.replicas[at]!.changed(this.now);
    this.#drain(at);
  }

  /** Until nothing is underway, or so long. Timers are rung only when `untilMs` is given. */
  run(untilMs?: number): void {
    for (;;) {
      this.#queue.sort((a, b) => a.at - b.at || a.order - b.order);
      const event = this.#queue[0];
      const ring =
        untilMs === undefined ? Number.POSITIVE_INFINITY : Math.min(...this.replicas.map((each) => each.deadline()));
      const next = Math.min(event?.at ?? Number.POSITIVE_INFINITY, ring);
      if (next === Number.POSITIVE_INFINITY || next > (untilMs ?? Number.POSITIVE_INFINITY)) break;
      this.now = Math.max(this.now, next);
      if (event && event.at <= ring) {
        this.#queue.shift();
        event.act();
      } else {
        for (const [at, replica] of this.replicas.entries()) {
          replica.advance(this.now);
          this.#drain(at);
        }
      }
    }
    this.now = Math.max(this.now, untilMs ?? 0);
  }

  /** What a replica has of every record, as text: equal states are equal. */
  state(at: number): string {
    const heads = this.stores[at]!.changedSince(0, 1_000_000);
    const rows = heads.map(({ record, height, head, digest }) => [record, height, head, digest].map(textOf).join(" "));
    return rows.sort().join("\n");
  }

  #open(at: number): void {
    const { ahead, ...options } = this.#options[at]!;
    this.stores[at] = new Store(this.databases[at]!, sha256(Uint8Array.of(at >> 8, at)).slice(0, 16), ahead);
    this.replicas[at] = new Replica(this.stores[at], options);
  }

  #cut(link: Link, crashed: number | null = null): void {
    link.isUp = false;
    this.#links.delete(link);
    for (const { at, peer } of link.ends) if (at !== crashed) this.replicas[at]!.disconnect(START + this.now, peer);
  }

  #drain(at: number): void {
    for (const output of this.replicas[at]!.drain()) {
      const link = output.type === "news" ? null : this.#linkOf(output.peer);
      const of = link?.ends.find((end) => end.at !== at)?.at ?? null;
      this.outputs.push({ at, of, output, time: this.now });
      if (output.type === "ready") this.#pump(output.peer);
      if (output.type === "dropped" && link) this.#later(LATENCY_MS + 1, () => this.#cut(link));
    }
  }

  #pump(peer: Sync): void {
    const link = this.#linkOf(peer);
    if (!link) return;
    const [mine, other] = link.ends[0].peer === peer ? link.ends : [link.ends[1], link.ends[0]];
    while (mine.underway < ROOM) {
      const frame = this.replicas[mine.at]!.take(this.now, peer);
      if (!frame) break;
      mine.underway++;
      this.sent.push({ from: mine.at, to: other.at, bytes: frame.length + LENGTH_BYTES, message: nameOf(frame) });
      this.#later(LATENCY_MS, () => {
        mine.underway--;
        if (!link.isUp) return;
        const tamper = this.tampers.get(mine.at);
        const said = tamper ? tamper(frame) : frame;
        if (said) this.replicas[other.at]!.receive(this.now, START + this.now, other.peer, said);
        this.#drain(other.at);
        this.#pump(peer);
        this.#drain(mine.at);
      });
    }
    this.#drain(mine.at);
  }

  #linkOf(peer: Sync): Link | undefined {
    return [...this.#links].find(({ ends }) => ends.some((end) => end.peer === peer));
  }

  #later(delayMs: number, act: () => void): void {
    this.#queue.push({ at: this.now + delayMs, order: this.#order++, act });
  }
}

function nameOf(frame: Uint8Array): string {
  const message = decodeSyncMessage(frame)!;
  switch (message.type) {
    case "items":
      return `items ${message.part} ${message.items.length}`;
    case "want":
      return `want ${message.part}`;
    case "heads":
      return `heads ${message.heads.length}`;
    default:
      return message.type;
  }
}

function textOf(value: Uint8Array | number): string {
  return typeof value === "number" ? `${value}` : value.toHex();
}
