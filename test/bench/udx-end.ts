/**
 * One end of a stream of ours, for `udx.ts`: a process of its own over a socket with UDP_SEGMENT and UDP_GRO.
 *   bun udx-end.ts send BYTES SECONDS | receive | ping SECONDS | echo
 * Prints its port, is told the other end's on stdin, and prints a report when the stream has closed.
 */

import { ptr } from "bun:ffi";
import { EAGAIN, ENOBUFS, Memory, monotonicMs } from "../../ffi/libc.ts";
import { POLLIN, POLLOUT, Poller } from "../../ffi/poll.ts";
import { Destination } from "../../ffi/udp-destination.ts";
import { UdpSocket } from "../../ffi/udp-linux.ts";
import type { Address } from "../../src/base/address.ts";
import type { UdxSend } from "../../src/transport/udx/outbox.ts";
import type { UdxStream } from "../../src/transport/udx/stream.ts";
import type { StreamOwner } from "../../src/transport/udx/stream-owner.ts";
import { Udx } from "../../src/transport/udx/udx.ts";
import { Lines } from "./lines.ts";
import { type EndReport, type EndRole, PING_BYTES, WRITE_BYTES } from "./udx-report.ts";

const SLOT_BYTES = 65_535;
const SLOTS = 16;
/** As the reference asks for (udx-wire.md §17). */
const RECEIVE_BUFFER_BYTES = 1_048_576;
const SEND_BUFFER_BYTES = 1_048_576;
const ID = 1;

const [role, ...numbers] = process.argv.slice(2) as [EndRole, ...string[]];
const udx = new Udx();
const socket = UdpSocket.open({
  family: 4,
  port: 0,
  host: Uint8Array.of(127, 0, 0, 1),
  receiveBufferBytes: RECEIVE_BUFFER_BYTES,
  sendBufferBytes: SEND_BUFFER_BYTES,
  segmentation: true,
  slots: SLOTS,
});
console.log(socket.port);
const remotePort = Number(await new Lines(Bun.stdin.stream()).next());
const from: Address = { host: "127.0.0.1", port: remotePort };
const destination = new Destination({ host: Uint8Array.of(127, 0, 0, 1), port: remotePort });
const memory = new Memory(SLOTS * SLOT_BYTES);
const poller = new Poller(1);
const slot = poller.add(socket.fd, POLLIN);
let unsent: UdxSend[] = [];

class User implements StreamOwner {
  readonly report: EndReport = { bytes: 0, seconds: 0, cpuSeconds: 0, resent: 0, roundTrips: [] };
  isClosed = false;
  #firstAt = -1;
  readonly #chunk = new Uint8Array(role === "ping" ? PING_BYTES : WRITE_BYTES).fill(7);
  readonly #most = Number(numbers[0]);
  readonly #endsAt = monotonicMs() + 1_000 * Number(numbers[role === "send" ? 1 : 0]);
  #cpu = process.cpuUsage();
  #askedAt = 0;
  #isOver = false;

  start(stream: UdxStream): void {
    if (role === "send") this.writable(0, stream);
    if (role === "ping") this.#ask(stream);
  }

  writable(_now: number, stream: UdxStream): void {
    if (this.#firstAt < 0) this.#firstAt = monotonicMs();
    while (!this.#isOver) {
      const isRoom = stream.write(this.#chunk);
      this.report.bytes += this.#chunk.length;
      this.#isOver = this.report.bytes >= this.#most || monotonicMs() > this.#endsAt;
      if (this.#isOver) return stream.end();
      if (!isRoom) return;
    }
  }

  data(now: number, stream: UdxStream, bytes: Uint8Array): void {
    stream.consumed(bytes.length);
    if (this.#firstAt < 0) {
      this.#firstAt = now;
      this.#cpu = process.cpuUsage();
    }
    this.report.bytes += bytes.length;
    this.report.seconds = (now - this.#firstAt) / 1_000;
    if (role === "echo") stream.write(bytes.slice());
    if (role === "ping" && this.report.bytes % PING_BYTES === 0) this.#answered(stream);
  }

  ended(_now: number, stream: UdxStream): void {
    stream.end();
  }

  closed(_now: number, stream: UdxStream): void {
    const { user, system } = process.cpuUsage(this.#cpu);
    this.report.cpuSeconds = (user + system) / 1e6;
    this.report.resent = stream.stats.packetsResent;
    this.isClosed = true;
  }

  #answered(stream: UdxStream): void {
    const now = monotonicMs();
    this.report.roundTrips.push(now - this.#askedAt);
    if (now > this.#endsAt) stream.end();
    else this.#ask(stream);
  }

  #ask(stream: UdxStream): void {
    this.#askedAt = monotonicMs();
    stream.write(this.#chunk);
  }
}

/** Sends what is waiting until the kernel has no more room; what it refuses for another reason is lost. */
function transmit(): void {
  for (const [i, { datagram, segmentBytes }] of unsent.entries()) {
    const sent = socket.send(destination, ptr(datagram), datagram.length, segmentBytes, 0);
    if (sent === datagram.length || (sent < 0 && sent !== -EAGAIN && sent !== -ENOBUFS)) continue;
    const rest = { ...unsent[i]!, datagram: datagram.subarray(Math.max(0, sent)) };
    unsent = [rest, ...unsent.slice(i + 1)];
    return poller.setEvents(slot, POLLIN | POLLOUT);
  }
  unsent = [];
  poller.setEvents(slot, POLLIN);
}

function receive(now: number): void {
  const count = socket.receive(memory.address, SLOT_BYTES);
  for (let i = 0; i < count; i++) {
    const [length, segment] = [socket.lengthOf(i), socket.segmentOf(i)];
    for (let at = 0; at < length; at += segment) {
      const start = i * SLOT_BYTES + at;
      const end = i * SLOT_BYTES + Math.min(at + segment, length);
      udx.receive(now, "main", from, memory.bytes.subarray(start, end));
    }
  }
}

const user = new User();
const stream = udx.createStream({ id: ID, owner: user });
stream.connect(monotonicMs(), { socket: "main", to: from, remoteId: ID });
user.start(stream);
while (!user.isClosed) {
  const now = monotonicMs();
  receive(now);
  udx.advance(now);
  const outputs = udx.drain();
  if (unsent.length === 0) unsent = outputs;
  else unsent.push(...outputs);
  transmit();
  poller.wait(udx.deadline() - monotonicMs());
}
// The last acknowledgement may be lost; whoever misses it asks again.
for (const until = monotonicMs() + 300; monotonicMs() < until; poller.wait(20)) {
  receive(monotonicMs());
  udx.advance(monotonicMs());
  unsent = udx.drain();
  transmit();
}
console.log(JSON.stringify(user.report));
process.exit(0);
