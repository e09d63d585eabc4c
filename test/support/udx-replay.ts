/** Plays a captured conversation with a hand-written peer against our endpoint: its packets in, ours compared with the reference's. */
import { expect } from "bun:test";
import type { Address } from "../../src/base/address.ts";
import type { UdxStream } from "../../src/transport/udx/stream.ts";
import type { Firewall, StreamOwner } from "../../src/transport/udx/stream-owner.ts";
import { Udx } from "../../src/transport/udx/udx.ts";
import { DATA, DESTROY, decodeUdxPacket, END, HEARTBEAT, MESSAGE } from "../../src/wire/udx.ts";
import { type CapturedPacket, described, expected, type Scenario } from "./udx-vectors.ts";

const PEER: Address = { host: "192.0.2.1", port: 1000 };
const OTHER_PORT: Address = { host: "192.0.2.1", port: 1001 };
/** The reference reads datagrams into a buffer of this size. */
const RECEIVE_BYTES = 2048;
const PATIENCE_MS = 5_000;

export interface ReplayOptions {
  /** What the application does before the packet of that index; data, messages, ends and destroys follow from the packets otherwise. */
  readonly before?: { readonly [index: number]: (replay: Replay) => void };
  readonly firewall?: (replay: Replay, ...asked: Parameters<Firewall>) => boolean;
  /** From this index on, how payloads are cut and padded is the sender's affair (§7.1, §10). */
  readonly looseFrom?: number;
  /** What we send instead of what the reference did; null for nothing. */
  readonly instead?: (fields: Fields) => Fields | null;
}

export type Fields = ReturnType<typeof expected>;

export class Replay {
  readonly udx = new Udx();
  readonly stream: UdxStream;
  now = 0;
  readonly events: string[] = [];
  /** What we sent and the conversation has not named yet. */
  readonly unexpected: Fields[] = [];
  readonly #scenario: Scenario;
  readonly #options: ReplayOptions;
  #nextSeq = 0;

  constructor(scenario: Scenario, options: ReplayOptions = {}) {
    this.#scenario = scenario;
    this.#options = options;
    const { localId, connected } = scenario.setup as { localId: number; connected?: boolean };
    const firewall: Firewall = (...asked) => options.firewall?.(this, ...asked) ?? true;
    this.stream = this.udx.createStream({ id: localId, owner: this.#owner(), firewall });
    if (connected !== false) this.connect();
  }

  connect(socket = "1"): void {
    const { remoteId } = this.#scenario.setup as { remoteId: number };
    this.stream.connect(this.now, { socket, to: PEER, remoteId });
    this.#turn();
  }

  write(length: number): void {
    this.stream.write(new Uint8Array(length));
  }

  run(): void {
    for (const [index, packet] of this.#scenario.packets.entries()) {
      if (packet.dir.startsWith("udx") || packet.dir.endsWith(" udx>peer")) this.#compare(index, packet);
      else this.#feed(index, packet);
    }
    for (let end = this.now + 300; this.udx.deadline() <= end; ) this.#pass();
  }

  #feed(index: number, { t, dir, hex, headHex, length }: CapturedPacket): void {
    this.now = Math.max(this.now, t);
    this.#options.before?.[index]?.(this);
    this.#turn();
    const bytes = new Uint8Array(length);
    bytes.set(Uint8Array.fromHex(hex ?? headHex!));
    const socket = dir.startsWith("peer2") ? "2" : "1";
    const from = dir.startsWith("other") ? OTHER_PORT : PEER;
    const datagram = bytes.subarray(0, RECEIVE_BYTES);
    if (!this.udx.receive(this.now, socket, from, datagram)) {
      this.events.push(`raw-datagram ${datagram.length} ${datagram.subarray(0, 24).toHex()}`);
    }
    this.#turn();
  }

  #compare(index: number, packet: CapturedPacket): void {
    if (packet.decoded.udx === false) return; // the application's own
    this.now = Math.max(this.now, packet.t - 1);
    this.#options.before?.[index]?.(this);
    this.#turn();
    this.#act(packet);
    const { instead = (fields: Fields) => fields } = this.#options;
    const wanted = instead(expected(packet.decoded));
    if (!wanted) return;
    const { type, seq } = wanted;
    const kindOf = (fields: Fields) => fields.type === type && (fields.type & (DATA | END) ? fields.seq === seq : true);
    for (const end = this.now + PATIENCE_MS; !this.unexpected.some(kindOf) && this.udx.deadline() < end; ) this.#pass();
    const found = this.unexpected.findIndex(kindOf);
    const where = `${this.#scenario.name}, packet ${index}`;
    const [ours] = found < 0 ? [] : this.unexpected.splice(found, 1);
    const loose = (fields: Fields | undefined) => {
      if (!fields || index < (this.#options.looseFrom ?? Infinity)) return { where, ...fields };
      const { payloadLength: _payload, paddingLength: _padding, dataOffset: _offset, ...rest } = fields;
      return { where, ...rest };
    };
    expect(loose(ours)).toEqual(loose(wanted));
  }

  /** What the application did for that packet to leave, unless the test says so itself. */
  #act({ decoded, hex, headHex, length }: CapturedPacket): void {
    const { type, seq } = decoded;
    const payload = new Uint8Array(length - 20);
    payload.set(Uint8Array.fromHex(hex ?? headHex!).subarray(20));
    const isNew = (type & (DATA | END)) !== 0 && seq >= this.#nextSeq;
    if (isNew) this.#nextSeq = seq + 1;
    const isSent = this.unexpected.some((sent) => sent.type === type && sent.seq === seq);
    if (isNew && type & DATA && !isSent && this.stream.stats.unsentBytes === 0) this.stream.write(payload);
    if (isNew && type & END) this.stream.end();
    if (type & MESSAGE) this.stream.send(payload);
    if (type & DESTROY) this.stream.destroy(this.now);
    if ((type & HEARTBEAT) === 0) this.#turn();
  }

  /** Time goes on to whatever is due next. */
  #pass(): void {
    this.now = Math.max(this.now, this.udx.deadline());
    this.#turn();
  }

  #turn(): void {
    this.udx.advance(this.now);
    for (const { datagram, segmentBytes } of this.udx.drain()) {
      const bytes = segmentBytes || datagram.length;
      for (let at = 0; at < datagram.length; at += bytes) {
        this.unexpected.push(described(decodeUdxPacket(datagram.subarray(at, at + bytes))!));
      }
    }
  }

  #owner(): StreamOwner {
    return {
      data: (_, stream, bytes) => {
        this.events.push(`data ${bytes.toHex()}`);
        stream.consumed(bytes.length);
      },
      ended: () => this.events.push("end"),
      message: (_, __, bytes) => this.events.push(`message ${bytes.toHex()}`),
      remoteChanged: () => this.events.push("remote-changed"),
      closed: (_, __, reason) => {
        if (reason === "reset") this.events.push("error ECONNRESET");
        if (reason === "timeout") this.events.push("error ETIMEDOUT");
        this.events.push("close");
      },
    };
  }
}
