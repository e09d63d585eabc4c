/** One stream of ours, and a peer that a test writes packet by packet. */
import type { Address } from "../../src/base/address.ts";
import type { UdxStream } from "../../src/transport/udx/stream.ts";
import type { CloseReason, Firewall, StreamOwner } from "../../src/transport/udx/stream-owner.ts";
import { Udx, type UdxOptions } from "../../src/transport/udx/udx.ts";
import { decodeUdxPacket, encodeUdxPacket, type UdxPacket } from "../../src/wire/udx.ts";

export const PEER: Address = { host: "192.0.2.1", port: 1000 };
export const OUR_ID = 1001;
export const THEIR_ID = 2002;
const PLAIN = { id: OUR_ID, rwnd: 4_194_304, seq: 0, ack: 0, paddingBytes: 0, sacks: [], payload: new Uint8Array() };

/** A packet that we sent, and where to. */
export interface SentPacket extends UdxPacket {
  readonly to: Address;
  readonly socket: string;
}

export interface PeerOptions {
  readonly firewall?: Firewall;
  readonly isConnected?: boolean;
  readonly windowBytes?: number;
  /** Says at once that what it got is used. */
  readonly consumes?: boolean;
  readonly udx?: UdxOptions;
}

export class ScriptedPeer implements StreamOwner {
  readonly udx: Udx;
  readonly stream: UdxStream;
  now = 0;
  events: string[] = [];
  readonly #consumes: boolean;

  constructor({ firewall, isConnected = true, windowBytes, consumes = true, udx }: PeerOptions = {}) {
    this.udx = new Udx(udx);
    this.#consumes = consumes;
    this.stream = this.udx.createStream({
      id: OUR_ID,
      owner: this,
      ...(firewall ? { firewall } : {}),
      ...(windowBytes ? { windowBytes } : {}),
    });
    if (isConnected) this.connect();
  }

  connect(remote: { socket?: string; to?: Address; ack?: number } = {}): void {
    this.stream.connect(this.now, { socket: "main", to: PEER, remoteId: THEIR_ID, ...remote });
  }

  /** The peer's packet comes in. Returns whether a stream took it. */
  receive(packet: Partial<UdxPacket>, { socket = "main", from = PEER } = {}): boolean {
    return this.udx.receive(this.now, socket, from, encodeUdxPacket({ ...PLAIN, type: 0, ...packet }));
  }

  /** What we sent since the last look. */
  sent(): SentPacket[] {
    this.udx.advance(this.now);
    return this.udx.drain().flatMap(({ socket, to, datagram, segmentBytes }) => {
      const bytes = segmentBytes || datagram.length;
      return Array.from({ length: Math.ceil(datagram.length / bytes) }, (_, i) => ({
        ...decodeUdxPacket(datagram.subarray(i * bytes, (i + 1) * bytes))!,
        socket,
        to,
      }));
    });
  }

  /** What we sent, one packet a word: `DATA 5` is number 5, `ack 3` acknowledges all before 3. */
  words(): string[] {
    return this.sent().map(({ type, seq, ack, sacks }) => {
      if (type === 0 || type === 4) return `ack ${ack}${sacks.map(([start, end]) => ` [${start},${end})`).join("")}`;
      const name = { 1: "DATA", 2: "END", 3: "DATA|END", 8: "MESSAGE", 16: "DESTROY", 32: "HEARTBEAT" }[type];
      return `${name} ${seq}`;
    });
  }

  /** Time goes on; whatever is due happens. Returns what was sent meanwhile, with the moments. */
  pass(ms: number): string[] {
    const until = this.now + ms;
    const seen: string[] = [];
    while (this.udx.deadline() <= until) {
      this.now = Math.max(this.now, this.udx.deadline());
      seen.push(...this.words().map((word) => `${Math.round(this.now)} ${word}`));
    }
    this.now = until;
    return seen;
  }

  data(_now: number, stream: UdxStream, bytes: Uint8Array): void {
    this.events.push(`data ${new TextDecoder().decode(bytes.subarray(0, 20))}`);
    if (this.#consumes) stream.consumed(bytes.length);
  }

  ended(): void {
    this.events.push("ended");
  }

  message(_now: number, _stream: UdxStream, bytes: Uint8Array): void {
    this.events.push(`message ${new TextDecoder().decode(bytes)}`);
  }

  writable(): void {
    this.events.push("writable");
  }

  remoteChanged(): void {
    this.events.push("remoteChanged");
  }

  closed(_now: number, _stream: UdxStream, reason: CloseReason): void {
    this.events.push(`closed ${reason}`);
  }
}

export const text = (words: string) => new TextEncoder().encode(words);
