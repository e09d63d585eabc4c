/**
 * Counters in shared memory: the datapath writes, anyone reads, nobody waits. One row of 64-bit floats for each peer, and
 * row 0 for what belongs to no peer. A float holds whole numbers up to 2^53 and is written in one piece on x64 and arm64.
 */

/** Why a packet or datagram went no further. */
export const DROP_REASONS = [
  "malformed", // not a whole IP packet, or a frame that says it is something it is not
  "unknownType", // a datagram of no kind that we speak
  "unknownSession", // a session index that is not ours, or no longer
  "wrongSuite", // a frame of the one suite for a session of the other
  "expired", // a session past its age or its count
  "replayed", // a counter seen before, or too old to tell
  "forged", // the tag does not match
  "sourceNotAllowed", // an inner source address that is not the sender's
  "noRoute", // an inner destination that no peer has
  "noAddress", // the peer's address is not known yet
  "queueFull", // the oldest of too many packets that waited for a handshake
  "unreachable", // waited for a handshake that nobody answered
  "tooBig", // does not fit the path; the sender was told
  "congestionMarked", // outer header says congestion, inner header cannot carry it (RFC 6040 §4.2)
  "incomplete", // pieces of a super-packet whose others never came
  "sendFailed", // the kernel refused the datagram
  "tunRefused", // the kernel refused the packet
  "controlBusy", // the control thread has too many datagrams waiting
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

const FIELDS = [
  "receivedBytes",
  "sentBytes",
  "receivedPackets",
  "sentPackets",
  "unansweredSince",
  "unheardSince",
  "lastTraversalAt",
  "superPackets", // 1 while they are on
  "superPacketsSent",
  "bundlesSent",
] as const;
type Field = (typeof FIELDS)[number];

const WIDTH = FIELDS.length + DROP_REASONS.length;

/** Each field's column, by name, so that the hot path adds to a slot without a look-up. */
export const COLUMN = Object.fromEntries([...FIELDS, ...DROP_REASONS].map((name, i) => [name, i])) as {
  readonly [name in Field | DropReason]: number;
};

/** The row for what belongs to no peer. */
export const NO_PEER = -1;

export class Stats {
  readonly shared: SharedArrayBuffer;
  readonly #cells: Float64Array;

  /** Over `shared` when another thread made it. */
  constructor(peers: number, shared = new SharedArrayBuffer((peers + 1) * WIDTH * 8)) {
    this.shared = shared;
    this.#cells = new Float64Array(shared);
  }

  add(peer: number, column: number, amount: number): void {
    const cell = (peer + 1) * WIDTH + column;
    this.#cells[cell] = this.#cells[cell]! + amount;
  }

  set(peer: number, column: number, value: number): void {
    this.#cells[(peer + 1) * WIDTH + column] = value;
  }

  get(peer: number, column: number): number {
    return this.#cells[(peer + 1) * WIDTH + column]!;
  }

  /** The drops of one row by reason, without the zeros. */
  drops(peer: number): { [reason: string]: number } {
    const counted = DROP_REASONS.map((reason) => [reason, this.get(peer, COLUMN[reason])] as const);
    return Object.fromEntries(counted.filter(([, count]) => count > 0));
  }

  /** Empties a row for its next peer. */
  clear(peer: number): void {
    this.#cells.fill(0, (peer + 1) * WIDTH, (peer + 2) * WIDTH);
  }
}
