/**
 * A path for `udx.ts`: forwards every datagram between two ends, loses each with a probability, and holds each for a while.
 *   bun udx-proxy.ts LOSS DELAY_MS SEED
 * Prints its two ports, is told the ends' on stdin, and carries until it is killed. Source: udx-wire.md §23.
 */
import { Memory, monotonicMs } from "../../ffi/libc.ts";
import { POLLIN, Poller } from "../../ffi/poll.ts";
import { Destination } from "../../ffi/udp-destination.ts";
import { UdpSocket } from "../../ffi/udp-linux.ts";
import { SeededRandom } from "../support/random.ts";
import { Lines } from "./lines.ts";

const SLOT_BYTES = 65_535;
const SLOTS = 16;
const BUFFER_BYTES = 4_194_304;
const DATAGRAM_BYTES = 1_500;
/** Datagrams held in one direction: 24 MB. Full: further ones are lost. */
const HELD = 16_384;
/** Datagrams of one length that leave in one call. */
const MAX_RUN = 44;

const [loss, delayMs, seed] = process.argv.slice(2).map(Number) as [number, number, number];
const random = new SeededRandom(seed);
const open = () =>
  UdpSocket.open({
    family: 4,
    port: 0,
    host: Uint8Array.of(127, 0, 0, 1),
    receiveBufferBytes: BUFFER_BYTES,
    sendBufferBytes: BUFFER_BYTES,
    segmentation: true,
    slots: SLOTS,
  });
const sockets = [open(), open()] as const;
const inbox = new Memory(SLOTS * SLOT_BYTES);

/** One direction: a ring of datagrams, each with the moment it is due. */
class Direction {
  readonly #memory = new Memory(HELD * DATAGRAM_BYTES);
  readonly #lengths = new Uint16Array(HELD);
  readonly #dueAt = new Float64Array(HELD);
  readonly #run = new Memory(MAX_RUN * DATAGRAM_BYTES);
  #first = 0;
  #count = 0;

  constructor(
    readonly from: UdpSocket,
    readonly to: UdpSocket,
    readonly destination: Destination,
  ) {}

  get deadline(): number {
    return this.#count > 0 ? this.#dueAt[this.#first]! : Number.POSITIVE_INFINITY;
  }

  take(now: number): void {
    for (let count = SLOTS; count === SLOTS; ) {
      count = this.from.receive(inbox.address, SLOT_BYTES);
      for (let i = 0; i < count; i++) {
        const [length, segment] = [this.from.lengthOf(i), this.from.segmentOf(i)];
        for (let at = 0; at < length; at += segment) {
          const start = i * SLOT_BYTES + at;
          this.#hold(now, inbox.bytes.subarray(start, i * SLOT_BYTES + Math.min(at + segment, length)));
        }
      }
    }
  }

  give(now: number): void {
    while (this.deadline <= now) {
      const length = this.#lengths[this.#first]!;
      let bytes = 0;
      let isLast = false;
      for (let run = 0; run < MAX_RUN && this.deadline <= now && !isLast; run++) {
        const each = this.#lengths[this.#first]!;
        if (each > length) break;
        isLast = each < length;
        const at = this.#first * DATAGRAM_BYTES;
        this.#run.bytes.set(this.#memory.bytes.subarray(at, at + each), bytes);
        bytes += each;
        this.#first = (this.#first + 1) % HELD;
        this.#count--;
      }
      this.to.send(this.destination, this.#run.address, bytes, length, 0);
    }
  }

  #hold(now: number, datagram: Uint8Array): void {
    if (this.#count === HELD || datagram.length > DATAGRAM_BYTES || random.chance(loss)) return;
    const slot = (this.#first + this.#count++) % HELD;
    this.#memory.bytes.set(datagram, slot * DATAGRAM_BYTES);
    this.#lengths[slot] = datagram.length;
    this.#dueAt[slot] = now + delayMs;
  }
}

console.log(sockets.map(({ port }) => port).join(" "));
const ends = (await new Lines(Bun.stdin.stream()).next())!.split(" ").map((port) => {
  return new Destination({ host: Uint8Array.of(127, 0, 0, 1), port: Number(port) });
});
const directions = [new Direction(sockets[0], sockets[1], ends[1]!), new Direction(sockets[1], sockets[0], ends[0]!)];
const poller = new Poller(2);
for (const { fd } of sockets) poller.add(fd, POLLIN);
for (;;) {
  poller.wait(Math.min(...directions.map(({ deadline }) => deadline)) - monotonicMs());
  const now = monotonicMs();
  for (const direction of directions) {
    direction.take(now);
    direction.give(now);
  }
}
