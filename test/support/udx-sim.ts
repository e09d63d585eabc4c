/** UDX endpoints on the simulated internet, and users of streams that know what must come: see `test/sim/udx.test.ts`. */
import type { Address } from "../../src/base/address.ts";
import type { Drive } from "../../src/io/drive.ts";
import type { UdxStream } from "../../src/transport/udx/stream.ts";
import type { CloseReason, Firewall, StreamOwner } from "../../src/transport/udx/stream-owner.ts";
import { Udx, type UdxOptions } from "../../src/transport/udx/udx.ts";
import type { Host } from "../sim/internet/host.ts";
import type { SimSocket } from "../sim/internet/socket.ts";
import type { SeededRandom } from "./random.ts";

/** One instance on one host, with sockets by name. */
export class UdxEnd {
  readonly udx: Udx;
  /** Datagrams that no stream took. */
  raw = 0;
  readonly #sockets = new Map<string, SimSocket>();
  readonly #drive: Drive;

  constructor(
    readonly host: Host,
    options: UdxOptions = {},
  ) {
    this.udx = new Udx(options);
    this.#drive = host.drive(this.udx, ({ socket, to, datagram, segmentBytes }) => {
      const bytes = segmentBytes || datagram.length;
      for (let at = 0; at < datagram.length; at += bytes) {
        this.#sockets.get(socket)!.send(to, datagram.subarray(at, at + bytes));
      }
    });
  }

  bind(name: string): Address {
    const socket = this.host.bind(0);
    this.#sockets.set(name, socket);
    socket.onDatagram((from, datagram) => {
      this.input((now) => {
        if (!this.udx.receive(now, name, from, datagram)) this.raw++;
      });
    });
    return { host: this.host.address, port: socket.address.port };
  }

  input(feed: (now: number) => void): void {
    this.#drive.input(feed);
  }
}

/** Byte `place` of a direction: no two places near each other look alike. */
export function patternByte(place: number, salt: number): number {
  return (place * 31 + (place >> 8) * 17 + (place >> 16) * 7 + salt) & 0xff;
}

export interface UserPlan {
  readonly sends: number;
  readonly expects: number;
  readonly salt: number;
  /** Of what the other end sends. */
  readonly theirSalt: number;
  /** It ends its direction only when it has heard the other's end. */
  readonly endsLast: boolean;
  /** How long it keeps what it got before it says that it has used it. */
  readonly readsAfterMs: number;
  readonly windowBytes: number;
}

/** An application: writes its bytes as fast as it may, and checks every byte it gets. Throws when one is wrong. */
export class StreamUser implements StreamOwner {
  stream!: UdxStream;
  written = 0;
  received = 0;
  unread = 0;
  mostUnread = 0;
  hasEnded = false;
  isClosed = false;
  reason: CloseReason = null;
  messages: string[] = [];
  remoteChanges = 0;
  readonly #waiting: { at: number; bytes: number }[] = [];

  constructor(
    readonly end: UdxEnd,
    readonly plan: UserPlan,
    readonly random: SeededRandom,
  ) {}

  open(id: number, options: { seq?: number; firewall?: Firewall } = {}): UdxStream {
    this.stream = this.end.udx.createStream({ id, owner: this, windowBytes: this.plan.windowBytes, ...options });
    return this.stream;
  }

  /** Writes until it is told that it is enough, and ends when there is no more. */
  write(): void {
    if (this.stream.isClosed) return;
    let isRoom = true;
    while (isRoom && this.written < this.plan.sends) {
      const length = Math.min(this.plan.sends - this.written, 1 + this.random.below(20_000));
      const from = this.written;
      isRoom = this.stream.write(Uint8Array.from({ length }, (_, i) => patternByte(from + i, this.plan.salt)));
      this.written += length;
    }
    if (this.written === this.plan.sends && (!this.plan.endsLast || this.hasEnded)) this.stream.end();
  }

  /** Uses what it has kept for long enough. */
  read(now: number): void {
    while (this.#waiting.length > 0 && this.#waiting[0]!.at <= now) {
      const { bytes } = this.#waiting.shift()!;
      this.unread -= bytes;
      this.stream.consumed(bytes);
    }
  }

  data(now: number, stream: UdxStream, bytes: Uint8Array): void {
    this.#mustBeOpen();
    if (this.hasEnded) throw new Error("bytes after the end");
    for (const byte of bytes) {
      const wanted = patternByte(this.received, this.plan.theirSalt);
      if (byte !== wanted) throw new Error(`byte ${this.received} is ${byte}, not ${wanted}`);
      this.received++;
    }
    if (this.plan.readsAfterMs === 0) return stream.consumed(bytes.length);
    this.unread += bytes.length;
    this.mostUnread = Math.max(this.mostUnread, this.unread);
    this.#waiting.push({ at: now + this.plan.readsAfterMs, bytes: bytes.length });
  }

  ended(): void {
    this.#mustBeOpen();
    if (this.hasEnded) throw new Error("it ended twice");
    if (this.received !== this.plan.expects) throw new Error(`ended after ${this.received} of ${this.plan.expects}`);
    this.hasEnded = true;
    this.write();
  }

  message(_now: number, _stream: UdxStream, bytes: Uint8Array): void {
    this.#mustBeOpen();
    this.messages.push(new TextDecoder().decode(bytes));
  }

  writable(): void {
    this.#mustBeOpen();
    this.write();
  }

  remoteChanged(): void {
    this.#mustBeOpen();
    this.remoteChanges++;
  }

  closed(_now: number, _stream: UdxStream, reason: CloseReason): void {
    this.#mustBeOpen();
    this.isClosed = true;
    this.reason = reason;
  }

  #mustBeOpen(): void {
    if (this.isClosed) throw new Error("something was told after the close");
  }
}
