import { expect, test } from "bun:test";
import { type Address, sameAddress } from "../../src/base/address.ts";
import { X25519Key } from "../../src/crypto/x25519.ts";
import { MemoryNetwork, type SentDatagram } from "../../src/io/datapath/memory-ports.ts";
import { COLUMN } from "../../src/io/datapath/stats.ts";
import { UNHEARD_MS } from "../../src/tunnel/activity-timers.ts";
import { MAX_JITTER_MS, REKEY_TIMEOUT_MS } from "../../src/tunnel/timing.ts";
import { FullEnd } from "../support/full-end.ts";
import { build, payloadOf, TCP, UDP } from "../support/packets.ts";
import { superVnet, taken, withVnet } from "../support/plain-kernel.ts";
import { SeededRandom } from "../support/random.ts";

/**
 * An hour of two whole ends, protocol and datapath, over a network that loses, delays, reorders and repeats, and a NAT before a that
 * gives it another address now and then. What must hold after every step: every packet that comes out went in, to the byte, and comes
 * out once. When the network begins to lose, super-packets go off soon. When it no longer loses anything, packets arrive again, all of
 * them, within the time that noticing a dead session and two handshakes take; and in order, when nothing is delayed either.
 */
const HOUR_MS = 3_600_000;
const SEEDS = 8;
const MAX_DELAY_MS = 300;
/** What bursts of 100 packets lose until a report of it is back, with much to spare: the report may be lost too. */
const MAX_LOST_WHILE_ON = 100;
const MAX_PAYLOAD_BYTES = 1350;
const RESUME_MS = UNHEARD_MS + 2 * (REKEY_TIMEOUT_MS + MAX_JITTER_MS) + 4 * MAX_DELAY_MS;
const ADDRESS_A: Address = { host: "192.168.0.1", port: 1776 };
const ADDRESS_B: Address = { host: "198.51.100.2", port: 1776 };

interface Side {
  readonly name: string;
  readonly end: FullEnd;
  readonly inner: { 4: Uint8Array; 6: Uint8Array };
  /** Packets on their way from here, and which one of all it is. */
  readonly underWay: Map<number | bigint, number>;
  /** Datagrams from here that were lost since its super-packets came on. */
  lostWhileOn: number;
}

/** How the network is for a while. */
interface Weather {
  loss: number;
  repeat: number;
  /** How likely a datagram is to take up to MAX_DELAY_MS rather than 20 ms. */
  late: number;
}

const CLEAR: Weather = { loss: 0, repeat: 0, late: 0 };

class World {
  now = 1;
  readonly a: Side;
  readonly b: Side;
  delivered = 0;
  superPackets = 0;
  readonly #random: SeededRandom;
  readonly #network = new MemoryNetwork();
  #weather: Weather = CLEAR;
  #events: { at: number; run: () => void }[] = [];
  #outside: Address = { host: "192.0.2.1", port: 1000 };
  #nextPacket = 0;
  #inOrderFrom = Infinity;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    const suite = seed % 3 === 0 ? "wireguard" : "dnet";
    const takes = { checksum: true, tcp: seed % 2 === 0, udp: seed % 4 < 2 };
    const keys = [this.#random.bytes(32), this.#random.bytes(32)] as const;
    const publicKeys = keys.map((key) => new X25519Key(key).publicKey);
    const common = { network: this.#network, suite, takes, joins: seed % 2 === 1, random: this.#random } as const;
    const side = (name: string, i: 0 | 1): Side => ({
      name,
      inner: { 4: Uint8Array.of(10, 0, 0, 1 + i), 6: new Uint8Array(16).fill(0xfd).fill(1 + i, 15) },
      underWay: new Map(),
      lostWhileOn: 0,
      end: new FullEnd({
        ...common,
        address: i === 0 ? ADDRESS_A : ADDRESS_B,
        privateKey: keys[i],
        remotePublicKey: publicKeys[1 - i]!,
        endpoint: i === 0 ? ADDRESS_B : null,
        persistentKeepaliveMs: i === 0 ? this.#random.pick([0, 25_000]) : 0,
        allowed: [`10.0.0.${2 - i}/32`, `fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fd0${2 - i}/128`],
      }),
    });
    this.a = side("a", 0);
    this.b = side("b", 1);
    this.#network.carry = (sent) => this.#carry(sent);
  }

  run(): void {
    for (const side of [this.a, this.b]) this.#talk(side);
    for (let at = 0; at < HOUR_MS; at += this.#random.between(100_000, 600_000)) this.#at(at, () => this.#change());
    this.#at(this.#random.between(100_000, HOUR_MS / 2), () => this.#download(120));
    this.#at(HOUR_MS, () => this.#clear());
    this.#runUntil(HOUR_MS + RESUME_MS);
    const first = this.#nextPacket;
    this.#inOrderFrom = first;
    for (const side of [this.a, this.b]) side.underWay.clear();
    this.#runUntil(HOUR_MS + RESUME_MS + 30_000);
    expect(this.#nextPacket - first).toBeGreaterThan(100);
    this.#events = [];
    for (const side of [this.a, this.b]) this.#receive(side);
    for (const { name, underWay } of [this.a, this.b]) {
      const lost = [...underWay.values()].filter((packet) => packet < this.#nextPacket - 100);
      expect([name, lost.length]).toEqual([name, 0]);
    }
  }

  #runUntil(until: number): void {
    let steps = 0;
    for (;;) {
      const event = this.#events[0];
      const due = Math.min(this.a.end.deadline(), this.b.end.deadline(), event?.at ?? Infinity);
      const at = Math.max(this.now, due);
      if (at > until) break;
      steps = at === this.now ? steps + 1 : 0;
      if (steps > 20_000) throw new Error(`stuck at ${at}`);
      this.now = at;
      if (event && event.at <= at) this.#events.shift()!.run();
      for (const { end } of [this.a, this.b]) if (end.deadline() <= at) end.advance(at);
      this.#check();
    }
    this.now = until;
  }

  #check(): void {
    for (const side of [this.a, this.b]) {
      if (side.end.path.stats.get(0, COLUMN.superPackets) === 0) side.lostWhileOn = 0;
      if (side.lostWhileOn > MAX_LOST_WHILE_ON) throw new Error(`${side.name} keeps super-packets on at ${this.now}`);
    }
  }

  /** Now and then a few packets, or many at once, or nothing for long. */
  #talk(side: Side): void {
    const random = this.#random;
    const isClear = this.now >= HOUR_MS;
    const count = isClear ? 5 : random.chance(0.04) ? 300 : 1 + random.below(6);
    const packets = Array.from({ length: count }, () => this.#packet(side));
    side.end.send(this.now, packets);
    const gapMs = isClear ? 500 : random.chance(0.01) ? random.between(0, 400_000) : random.between(10, 6000);
    if (isClear || this.now + gapMs < HOUR_MS) this.#at(this.now + gapMs, () => this.#talk(side));
  }

  /** A fast flow, long enough for super-packets to come on if nothing is lost; nothing is, for its first half. */
  #download(bursts: number): void {
    if (bursts === 120) this.#weather = CLEAR;
    if (bursts === 60) this.#weather = { ...CLEAR, loss: 0.03 };
    this.a.end.send(this.now, [
      ...Array.from({ length: 100 }, () => this.#packet(this.a, 800)),
      this.#packet(this.a, 20_000),
    ]);
    if (bursts > 0) this.#at(this.now + 30, () => this.#download(bursts - 1));
  }

  /** A packet unlike all others, or several in a super-packet, behind a vnet header. */
  #packet(from: Side, bytes = 0): Uint8Array {
    const random = this.#random;
    const to = from === this.a ? this.b : this.a;
    const version = random.pick([4, 6] as const);
    const protocol = random.pick([TCP, UDP]);
    const addresses = { source: from.inner[version], destination: to.inner[version] };
    const isSuper = bytes > MAX_PAYLOAD_BYTES || (bytes === 0 && random.chance(0.02));
    const single = random.below(random.pick([60, MAX_PAYLOAD_BYTES]));
    const payload = payloadOf(random, bytes || 8 + (isSuper ? 3000 + random.below(20_000) : single));
    new DataView(payload.buffer).setUint32(0, this.#nextPacket);
    const packet = build({ version, protocol, ...addresses, payload, checksum: isSuper ? "partial" : "whole" });
    const written = isSuper ? superVnet(packet, 1000) : withVnet(packet);
    for (const part of taken(written)) from.underWay.set(identity(part), this.#nextPacket++);
    return written;
  }

  /** Another weather, and perhaps another address. */
  #change(): void {
    const random = this.#random;
    const loss = random.pick([0, 0, 0.01, 0.05]);
    this.#weather = { loss, repeat: random.pick([0, 0.02]), late: random.pick([0, 0.1]) };
    if (random.chance(0.3)) this.#outside = { ...this.#outside, port: this.#outside.port + 1 };
  }

  #clear(): void {
    this.#weather = CLEAR;
    for (const side of [this.a, this.b]) this.#talk(side);
  }

  /** Every datagram is on its way for a while; a's pass its NAT. */
  #carry(sent: SentDatagram): SentDatagram[] {
    const random = this.#random;
    const { loss, repeat, late } = this.#weather;
    if (sent.datagram[0] === 0x86) this.superPackets++;
    const fromA = sameAddress(sent.from, ADDRESS_A);
    if (!fromA && !sameAddress(sent.to, this.#outside)) return []; // an address that a no longer has
    if (random.chance(loss)) {
      (fromA ? this.a : this.b).lostWhileOn++;
      return [];
    }
    const arriving = fromA ? { ...sent, from: this.#outside } : { ...sent, to: ADDRESS_A };
    for (let copies = random.chance(repeat) ? 2 : 1; copies > 0; copies--) {
      const delayMs = late > 0 && random.chance(late) ? random.between(5, MAX_DELAY_MS) : 20;
      this.#at(this.now + delayMs, () => {
        this.#network.inject(arriving);
        // What arrives in one instant is received together, as behind a real socket.
        const isMore = (this.#events[0]?.at ?? Infinity) <= this.now;
        if (!isMore || random.chance(0.05)) for (const side of [this.a, this.b]) this.#receive(side);
      });
    }
    return [];
  }

  #receive(to: Side): void {
    const { underWay } = to === this.a ? this.b : this.a;
    let latest = -1;
    for (const packet of to.end.receive(this.now)) {
      const number = underWay.get(identity(packet));
      if (number === undefined) throw new Error(`${to.name} got at ${this.now} what nobody sent, or what it had`);
      if (number >= this.#inOrderFrom && number < latest) throw new Error(`${to.name} got ${number} after ${latest}`);
      latest = number;
      underWay.delete(identity(packet));
      this.delivered++;
    }
  }

  #at(at: number, run: () => void): void {
    let place = this.#events.length;
    while (place > 0 && this.#events[place - 1]!.at > at) place--;
    this.#events.splice(place, 0, { at, run });
  }
}

/** All of a packet but what counts up when a super-packet is cut, and the checksum over that. */
function identity(packet: Uint8Array): number | bigint {
  const isVersion4 = packet[0]! >> 4 === 4;
  return Bun.hash(isVersion4 ? packet.subarray(12) : packet);
}

test("through an hour of loss, reordering and moves, what comes out is what went in, once", () => {
  let superPackets = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const world = new World(seed);
    try {
      world.run();
    } catch (error) {
      throw new Error(`seed ${seed}: ${error}`, { cause: error });
    }
    expect(world.delivered).toBeGreaterThan(10_000);
    superPackets += world.superPackets;
  }
  expect(superPackets).toBeGreaterThan(0);
}, 60_000);
