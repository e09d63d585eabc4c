/**
 * The sending half of a stream: what is sent when, first and again, and what the other end's packets say of it. Each decision has a
 * file of its own; this one puts them in order. Source: udx-wire.md §5 steps 9–14, §7.
 */
import { DATA, END, HEADER_BYTES, HEARTBEAT } from "../../wire/udx.ts";
import { Arrivals } from "./arrivals.ts";
import { Bbr, type Recovery } from "./bbr.ts";
import { InFlight, IS_END, IS_PROBE, MAX_SPAN, SACKED, UNDER_WAY } from "./in-flight.ts";
import { MtuSearch } from "./mtu-search.ts";
import { Pacer } from "./pacer.ts";
import type { PacketWriter } from "./packet-writer.ts";
import { PeerWindow } from "./peer-window.ts";
import { Rack } from "./rack.ts";
import { RateSampler } from "./rate-sampler.ts";
import { RetransmitTimers } from "./retransmit-timers.ts";
import { RoundTrip } from "./round-trip.ts";
import { SendQueue } from "./send-queue.ts";
import { ZeroWindow } from "./zero-window.ts";

/** What may wait beyond the window before a write reports that it is enough. */
const WRITE_AHEAD_BYTES = 262_144;

export class Sender {
  readonly queue = new SendQueue();
  readonly flight: InFlight;
  readonly roundTrip = new RoundTrip();
  readonly congestion = new Bbr();
  readonly mtu: MtuSearch;
  readonly zeroWindow = new ZeroWindow();
  /** Our END has arrived, so everything has. */
  isEnded = false;
  packetsResent = 0;

  readonly #writer: PacketWriter;
  readonly #rack = new Rack();
  readonly #arrivals: Arrivals;
  readonly #rates = new RateSampler();
  readonly #pacer = new Pacer();
  readonly #timers = new RetransmitTimers();
  #paceAt = Infinity;

  #isEnding = false;
  /** The number of our END; -1 until it is sent. */
  #endSeq = -1;
  #isFreshlyBlocked = false;

  readonly #window: PeerWindow;
  #recovery: Recovery = "open";
  #recoveredAt = 0; // a number: when all before it is acknowledged
  /** Until everything before this number is acknowledged the remote is still changing; -1 when it is not. */
  #changedAt = -1;

  /** Packets declared lost since the congestion control heard of it. */
  #lost = 0;

  constructor(writer: PacketWriter, seq: number, mtuLimitBytes: number) {
    this.#writer = writer;
    this.flight = new InFlight(seq);
    this.#window = new PeerWindow(seq);
    this.mtu = new MtuSearch(mtuLimitBytes);
    this.#arrivals = new Arrivals(this.flight, this.roundTrip, this.#rack, this.mtu);
  }

  get isEnding(): boolean {
    return this.#isEnding;
  }

  /**
   * More is waiting than is good: enough to fill the window, and some to go on with (§7.4). What was SACKed waits for others and not
   * for room: counted too, it would starve the sender whenever a packet is missing.
   */
  get isFull(): boolean {
    const { congestion, mtu, flight, queue } = this;
    const window = Math.min(congestion.window * mtu.payloadBytes, this.#window.bytes);
    return queue.unsent + (flight.underWay + flight.lost) * mtu.payloadBytes > WRITE_AHEAD_BYTES + window;
  }

  /** Nothing but our END is not acknowledged. */
  get lacksOnlyEnd(): boolean {
    return this.#endSeq >= 0 && this.flight.first === this.#endSeq;
  }

  get isChangingRemote(): boolean {
    return this.#changedAt >= 0;
  }

  write(bytes: Uint8Array): void {
    this.#noteBlocked();
    this.queue.push(bytes);
  }

  end(): void {
    this.#noteBlocked();
    this.#isEnding = true;
  }

  /** The stream has a way to its other end, whose first number is `ack`. */
  connected(host: string, ack: number): void {
    this.#window.begin(ack);
    this.mtu.restart(host);
  }

  /** Congestion, round trips and numbers stay. Returns whether the change is complete at once. */
  changeRemote(host: string): boolean {
    this.mtu.restart(host);
    this.#changedAt = this.flight.span > 0 ? this.flight.next : -1;
    return this.#changedAt < 0;
  }

  /** What is not acknowledged counts as lost, and the other end as just heard. */
  retransmit(now: number): void {
    const { flight } = this;
    if (flight.span === 0) return;
    this.#timers.advanced();
    // Also what was lost before: the other end waits for the first one, which may have been sent again in vain.
    for (let seq = flight.first; seq < flight.next; seq++) {
      if (flight.states[seq & flight.mask] !== SACKED) this.#lose(seq);
    }
    this.#lost = 0;
    this.#timers.progressed(now, this.roundTrip, flight.span, this.#mayLackTail);
  }

  /** Whether the change of the remote is complete now, told once. */
  completedChange(): boolean {
    if (this.#changedAt < 0 || this.flight.first < this.#changedAt) return false;
    this.#changedAt = -1;
    return true;
  }

  /** Takes the window of a packet, unless one that is newer was taken. */
  updateWindow(seq: number, ack: number, window: number): void {
    this.zeroWindow.heard();
    if (ack >= this.flight.first) this.#window.update(seq, ack, window);
  }

  /** What an acknowledgement says; `ack` is at most the next number. Returns whether it was that our END has arrived. */
  acknowledge(now: number, ack: number, packet: Uint8Array): boolean {
    const before = this.flight.first;
    this.#arrivals.read(now, ack, packet);
    if (ack > before) this.#advanced(ack);
    if (this.#endSeq >= 0 && this.flight.first > this.#endSeq && !this.isEnded) {
      this.isEnded = true;
      this.#timers.stop();
      return true;
    }
    if (this.#arrivals.count > 0) this.#conclude(now);
    return false;
  }

  /** Does what is due. Returns false when the other end must be taken for gone. */
  advance(now: number): boolean {
    if (now >= this.#timers.reorderAt) this.#detectLoss(now);
    if (now >= this.#timers.probeAt) this.#probeTail(now);
    else if (now >= this.#timers.timeoutAt && !this.#timeOut(now)) return false;
    if (now < this.zeroWindow.dueAt) return true;
    this.#writer.write(HEARTBEAT, this.flight.next);
    return this.zeroWindow.ask(now, this.roundTrip.rtoMs);
  }

  deadline(): number {
    return Math.min(this.#timers.deadline, this.#paceAt, this.zeroWindow.dueAt);
  }

  /** Sends what may be sent (§7.2): lost packets first. */
  flush(now: number): void {
    const { flight, congestion } = this;
    const pacer = this.#pacer;
    this.#paceAt = Infinity;
    if (flight.lost > 0 || this.#hasUnsent) {
      pacer.rate = congestion.pacingRate * (this.mtu.payloadBytes + HEADER_BYTES);
      pacer.fill(now);
      while (flight.lost > 0 && flight.underWay < congestion.window && pacer.isOpen)
        this.#resend(now, flight.firstLost);
      if (flight.lost === 0) this.#sendNew(now);
      const mayResend = flight.lost > 0 && flight.underWay < congestion.window;
      const maySend = flight.lost === 0 && this.#hasUnsent && flight.underWay < this.#allowed;
      if ((mayResend || maySend) && !pacer.isOpen) this.#paceAt = pacer.opensAt;
    }
    if (flight.lost === 0 && !this.#hasUnsent && flight.underWay < congestion.window)
      this.#rates.limited(flight.underWay);
    if (this.#window.isClosed && flight.span === 0 && this.#hasUnsent) {
      this.zeroWindow.blocked(now, this.roundTrip.rtoMs, this.#isFreshlyBlocked);
    } else {
      this.zeroWindow.open();
    }
    this.#isFreshlyBlocked = false;
  }

  clear(): void {
    this.queue.clear();
    this.#timers.stop();
    this.#paceAt = Infinity;
    this.zeroWindow.open();
  }

  get #hasUnsent(): boolean {
    return this.queue.unsent > 0 || (this.#isEnding && this.#endSeq < 0);
  }

  /** How many packets may be under way, by both windows, when something new is to leave. */
  get #allowed(): number {
    return Math.min(this.congestion.window, this.#window.packets(this.mtu.payloadBytes));
  }

  /** No gap and no loss is known, so a lost tail would be missed in silence. */
  get #mayLackTail(): boolean {
    return this.#recovery === "open" && this.flight.sacked === 0;
  }

  #noteBlocked(): void {
    if (this.#window.isClosed && this.flight.span === 0 && !this.#hasUnsent) this.#isFreshlyBlocked = true;
  }

  #sendNew(now: number): void {
    const { flight } = this;
    const allowed = this.#allowed;
    while (this.#hasUnsent && flight.underWay < allowed && flight.span < MAX_SPAN && this.#pacer.isOpen)
      this.#sendNext(now);
  }

  /** The next packet of the stream: as much as one carries, and the END if nothing follows. */
  #sendNext(now: number): void {
    const { queue, flight, mtu } = this;
    const length = Math.min(queue.unsent, mtu.payloadBytes);
    const isEnd = this.#isEnding && length === queue.unsent;
    const padding = this.isChangingRemote ? -1 : mtu.paddingFor(length);
    const offset = Math.max(0, padding);
    const type = (length > 0 ? DATA : 0) | (isEnd ? END : 0);
    const at = this.#writer.begin(type, flight.next, offset + length, offset);
    queue.copy(queue.packed, length, this.#writer.bytes, at + offset);
    if (flight.span === 0 && this.#rates.isAppLimited) this.congestion.restarted(now);
    if (isEnd) this.#endSeq = flight.next;
    if (padding >= 0) mtu.probeSent();

    const isIdle = flight.underWay === 0;
    const slot = flight.add();
    flight.starts[slot] = queue.packed;
    flight.lengths[slot] = length;
    flight.flags[slot] = (isEnd ? IS_END : 0) | (padding >= 0 ? IS_PROBE : 0);
    queue.packed += length;
    this.#sent(now, slot, isIdle);
    this.#timers.sent(now, this.roundTrip, flight.underWay, this.#mayLackTail);
  }

  /** The same number and payload; acknowledgement and window are today's, and padding is gone. */
  #resend(now: number, seq: number): void {
    const { queue, flight } = this;
    const slot = seq & flight.mask;
    const length = flight.lengths[slot]!;
    const flags = flight.flags[slot]!;
    const type = (length > 0 ? DATA : 0) | (flags & IS_END ? END : 0);
    const at = this.#writer.begin(type, seq, length);
    queue.copy(flight.starts[slot]!, length, this.#writer.bytes, at);
    if (flags & IS_PROBE) this.#dropProbe(slot);
    const isIdle = flight.underWay === 0;
    flight.resend(seq);
    this.packetsResent++;
    this.#sent(now, slot, isIdle);
  }

  #sent(now: number, slot: number, isIdle: boolean): void {
    this.flight.sentAt[slot] = now;
    this.#rates.sent(now, this.flight, slot, isIdle);
    this.#pacer.spend(HEADER_BYTES + this.flight.lengths[slot]!);
  }

  #advanced(ack: number): void {
    const { flight, queue } = this;
    const last = (flight.first - 1) & flight.mask;
    queue.acknowledge(flight.starts[last]! + flight.lengths[last]!);
    this.#timers.advanced();
    if (this.#recovery === "open" || ack < this.#recoveredAt) return;
    this.#recovery = "open";
    this.#rack.recovered();
  }

  /** Something has arrived: what follows for times, losses, timers and the rate. */
  #conclude(now: number): void {
    const { flight, roundTrip } = this;
    const { count, newest, newestSentAt, measuredSentAt, wereHasty } = this.#arrivals;
    const isMeasured = measuredSentAt > -Infinity;
    const rttMs = isMeasured ? now - measuredSentAt : -1;
    if (isMeasured) {
      roundTrip.sample(now, rttMs);
      this.#timers.measured();
    }
    if (!this.isChangingRemote) this.mtu.heard();
    if (!wereHasty) this.#rack.arrived(now, newest, newestSentAt);
    const sample = this.#rates.arrived(now, count, flight, newest & flight.mask, roundTrip.minMs);
    this.#detectLoss(now);
    this.#timers.progressed(now, roundTrip, flight.span, this.#mayLackTail);
    this.congestion.arrived(now, {
      sample,
      arrived: count,
      lost: this.#lost,
      underWay: flight.underWay,
      delivered: this.#rates.delivered,
      rttMs,
      recovery: this.#recovery,
    });
    this.#lost = 0;
  }

  #detectLoss(now: number): void {
    const before = this.#lost;
    const windowMs = this.#rack.windowMs(this.flight, this.roundTrip, this.#recovery !== "open");
    this.#timers.reorderAt = this.#rack.detect(now, this.flight, windowMs, this.#lose);
    if (this.#lost === before || this.#recovery !== "open") return;
    this.#recovery = "recovery";
    this.#recoveredAt = this.flight.next;
    this.#timers.probeAt = Infinity;
  }

  /** A lost probe tells of the path's MTU and not of congestion. */
  readonly #lose = (seq: number): void => {
    const slot = seq & this.flight.mask;
    if (this.flight.flags[slot]! & IS_PROBE) this.#dropProbe(slot);
    else this.#lost++;
    this.flight.lose(seq);
  };

  #dropProbe(slot: number): void {
    this.flight.flags[slot]! &= ~IS_PROBE;
    this.mtu.probeLost();
  }

  /** Something new tells most; else the last packet again. No window holds it back. */
  #probeTail(now: number): void {
    const { flight } = this;
    this.#timers.probed(now, this.roundTrip);
    if (this.#hasUnsent && flight.span < MAX_SPAN) this.#sendNext(now);
    else if (flight.span > 0 && flight.states[(flight.next - 1) & flight.mask] === UNDER_WAY)
      this.#resend(now, flight.next - 1);
    this.#timers.probed(now, this.roundTrip);
  }

  #timeOut(now: number): boolean {
    const { flight } = this;
    if (this.#timers.expired(now, this.roundTrip)) return false;
    this.#recovery = "loss";
    this.#recoveredAt = flight.next;
    const state = flight.states[flight.first & flight.mask];
    if (state === SACKED) this.#renege();
    else if (state === UNDER_WAY) this.#lose(flight.first);
    const windowMs = this.#rack.windowMs(flight, this.roundTrip, true);
    for (let seq = flight.oldestSent; seq >= 0; seq = flight.oldestSent) {
      if (flight.sentAt[seq & flight.mask]! + this.#rack.rttMs + windowMs >= now) break;
      this.#lose(seq);
    }
    this.#lost = 0;
    this.congestion.timedOut(flight.underWay);
    return true;
  }

  /** The other end said that it has the oldest packet, and still waits for it: what it SACKed is not to be relied on. */
  #renege(): void {
    const { flight } = this;
    for (let seq = flight.first; seq < flight.next; seq++) {
      if (flight.states[seq & flight.mask] === SACKED) this.#lose(seq);
    }
  }
}
