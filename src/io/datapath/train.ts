/**
 * Datagrams on their way out, one behind the other in the arena, so that a run of them to one peer costs one system call
 * (UDP_SEGMENT: 4.4 times the throughput of a call for each). The kernel cuts a train into pieces of one length, of which only
 * the last may be shorter; so a train ends with a shorter datagram, another peer or other ECN bits.
 */
import type { Arena } from "./arena.ts";
import { COLUMN, type Stats } from "./stats.ts";

/** A UDP socket's sending half, or what stands for one. `to` is what `DatagramPort` made of an address. */
export interface Sender<Destination> {
  /**
   * Sends `length` bytes at `at` as datagrams of `segment` bytes each, the last of which may be shorter, with the TOS bits `tos`.
   * 0, or the negative errno when the kernel refused them.
   */
  send(to: Destination, at: number, length: number, segment: number, tos: number): number;
  /** The same for datagrams that do not fit the path: IP may fragment them. */
  sendFragmented(to: Destination, at: number, length: number, segment: number, tos: number): number;
}

export interface TrainPeer<Destination> {
  readonly index: number;
  destination: Destination | null;
  /** The kernel said that a datagram of `datagramBytes` does not fit the path. */
  tooBig(datagramBytes: number): void;
}

export const MAX_TRAIN_BYTES = 65_000; // UDP_SEGMENT takes 65,507 over IPv4 and 65,487 over IPv6
const MAX_TRAIN_DATAGRAMS = 64; // UDP_MAX_SEGMENTS before Linux 6.9
const EMSGSIZE = -90;
/** IPv6 inside may count on 1280 bytes (RFC 8200 §5), with a frame's header and tag; where the path is narrower, we fragment outside. */
const ALWAYS_CARRIED_BYTES = 1280 + 32;

export class Train<Destination> {
  readonly #at: number;
  readonly #sender: Sender<Destination>;
  readonly #stats: Stats;
  #peer: TrainPeer<Destination> | null = null;
  #tos = 0;
  #segment = 0;
  #length = 0;
  #datagrams = 0;
  #closed = false;

  constructor(arena: Arena, sender: Sender<Destination>, stats: Stats) {
    this.#at = arena.reserve(MAX_TRAIN_BYTES + 2048);
    this.#sender = sender;
    this.#stats = stats;
  }

  /** Where to write the next datagram, of `length` bytes, for `peer`. What does not go with it is sent first. */
  append(peer: TrainPeer<Destination>, length: number, tos: number): number {
    const fits =
      peer === this.#peer &&
      tos === this.#tos &&
      length <= this.#segment &&
      !this.#closed &&
      this.#datagrams < MAX_TRAIN_DATAGRAMS &&
      this.#length + length <= MAX_TRAIN_BYTES;
    if (!fits) {
      this.flush();
      this.#peer = peer;
      this.#tos = tos;
      this.#segment = length;
    }
    const at = this.#at + this.#length;
    this.#length += length;
    this.#datagrams++;
    this.#closed = length < this.#segment;
    return at;
  }

  /** Where a whole train of `length` bytes for `peer` goes; it is sent by the `flush` that must follow. */
  whole(peer: TrainPeer<Destination>, length: number, segment: number, tos: number): number {
    this.flush();
    this.#peer = peer;
    this.#tos = tos;
    this.#segment = segment;
    this.#length = length;
    this.#datagrams = Math.ceil(length / segment);
    this.#closed = true;
    return this.#at;
  }

  flush(): void {
    const peer = this.#peer;
    if (this.#length === 0 || !peer) return;
    const length = this.#length;
    const datagrams = this.#datagrams;
    this.#length = 0;
    this.#datagrams = 0;
    this.#closed = false;
    if (!peer.destination) return this.#stats.add(peer.index, COLUMN.noAddress, datagrams);
    let result = this.#sender.send(peer.destination, this.#at, length, this.#segment, this.#tos);
    if (result === EMSGSIZE) {
      peer.tooBig(this.#segment);
      if (this.#segment <= ALWAYS_CARRIED_BYTES) {
        result = this.#sender.sendFragmented(peer.destination, this.#at, length, this.#segment, this.#tos);
      }
    }
    if (result < 0) this.#stats.add(peer.index, COLUMN.sendFailed, datagrams);
  }
}
