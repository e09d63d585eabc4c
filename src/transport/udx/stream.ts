/**
 * One UDX stream: bytes in order in both directions, each of which ends by itself, and messages beside them. What its owner calls
 * takes effect at the next `Udx.advance`, so that writes of one turn share packets. Source: udx-wire.md §4, §5, §12–§16.
 */
import type { Address } from "../../base/address.ts";
import { assert } from "../../base/assert.ts";
import type { Due } from "../../base/deadlines.ts";
import {
  ackOf,
  DATA,
  DESTROY,
  END,
  encodeId,
  HEADER_BYTES,
  HEARTBEAT,
  MESSAGE,
  offsetOf,
  rwndOf,
  seqOf,
  typeOf,
} from "../../wire/udx.ts";
import { AnswerLimit } from "./answer-limit.ts";
import type { EndedStream } from "./lingering.ts";
import type { Outbox } from "./outbox.ts";
import { PacketWriter, type Route } from "./packet-writer.ts";
import { DEFAULT_WINDOW_BYTES, Receiver } from "./receiver.ts";
import type { ReorderBudget } from "./reorder-buffer.ts";
import { Sender } from "./sender.ts";
import type { CloseReason, Firewall, Remote, StreamOptions, StreamOwner } from "./stream-owner.ts";

/** What a stream needs of the instance that it belongs to. */
export interface StreamHost {
  readonly outbox: Outbox;
  readonly reorderBudget: ReorderBudget;
  /** Has its `flush` called in this turn. */
  wake(stream: UdxStream): void;
  /** It is closed; `ended` when it did so in good order. */
  forget(now: number, stream: UdxStream, ended: EndedStream | null): void;
}

export class UdxStream implements Due {
  readonly id: number;
  dueAt = Infinity;
  place = -1;
  isAwake = false;
  isClosed = false;

  readonly #host: StreamHost;
  readonly #owner: StreamOwner;
  readonly #firewall: Firewall | undefined;
  readonly #receiver: Receiver;
  readonly #writer: PacketWriter;
  readonly #sender: Sender;
  readonly #heartbeatLimit = new AnswerLimit();
  #isFull = false;
  #hasToldEnd = false;
  #keepaliveMs = 0;
  #keepaliveAt = Infinity;
  /** When any packet came for it last. */
  heardAt = -Infinity;
  /** Where that came from. */
  #heardBy = "";
  #heardFrom: Address | null = null;
  #relay: UdxStream | null = null;
  readonly #relayedBy = new Set<UdxStream>();

  /** Only `Udx.createStream` makes one. */
  constructor(host: StreamHost, { id, owner, firewall, seq = 0, windowBytes, mtuLimitBytes }: StreamOptions) {
    this.id = id;
    this.#host = host;
    this.#owner = owner;
    this.#firewall = firewall;
    this.#receiver = new Receiver(windowBytes ?? DEFAULT_WINDOW_BYTES, host.reorderBudget);
    this.#writer = new PacketWriter(host.outbox, this.#receiver);
    this.#sender = new Sender(this.#writer, seq, mtuLimitBytes);
  }

  get isConnected(): boolean {
    return this.#writer.route !== null;
  }

  get remote(): Route | null {
    return this.#writer.route;
  }

  /** Where the packet that its owner is being told of came from. */
  get source(): { readonly socket: string; readonly from: Address } | null {
    return this.#heardFrom && { socket: this.#heardBy, from: this.#heardFrom };
  }

  /** Whether that is where our packets go. */
  get isFromRemote(): boolean {
    return this.#heardFrom !== null && this.#isRemote(this.#heardBy, this.#heardFrom);
  }

  /** Whether something of ours is not acknowledged. */
  get isWaiting(): boolean {
    return this.#sender.flight.span > 0;
  }

  /** What it measures; for people to look at. */
  get stats() {
    const { roundTrip, congestion, flight, mtu, queue, packetsResent } = this.#sender;
    return {
      rttMs: roundTrip.smoothedMs,
      windowPackets: congestion.window,
      underWayPackets: flight.underWay,
      mtuBytes: mtu.mtuBytes,
      unsentBytes: queue.unsent,
      unacknowledgedBytes: queue.unacknowledged,
      acknowledgedBytes: queue.acknowledged,
      reorderedBytes: this.#receiver.keptBytes,
      packetsResent,
    };
  }

  /** Sends nothing, unless an answer was due already. */
  connect(now: number, { socket, to, remoteId, ack }: Remote): void {
    assert(!this.isConnected && !this.isClosed, "a stream connects once");
    assert(to.port > 0, "a remote address has a port");
    if (ack !== undefined) this.#receiver.next = ack;
    this.#writer.route = { socket, to, remoteId };
    this.#sender.connected(to.host, this.#receiver.next);
    this.#restartKeepalive(now);
    this.#host.wake(this);
  }

  /** So many datagrams go out until the first comes in: whoever named the address may not be there (RFC 9000 §8.1). */
  allowUnheard(datagrams: number): void {
    if (this.heardAt === -Infinity) this.#writer.allowed = datagrams;
  }

  /** The bytes are the stream's until they have arrived. Returns false when that is enough for now: `writable` will say when it is not. */
  write(bytes: Uint8Array): boolean {
    assert(this.isConnected && !this.#sender.isEnding, "a stream is written to after connect and before end");
    if (this.isClosed) return false;
    this.#sender.write(bytes);
    this.#host.wake(this);
    this.#isFull ||= this.#sender.isFull;
    return !this.#isFull;
  }

  /** Nothing more will be written. The other direction goes on. */
  end(): void {
    assert(this.isConnected, "a stream ends after connect");
    if (this.isClosed || this.#sender.isEnding) return;
    this.#sender.end();
    this.#host.wake(this);
  }

  /** One packet beside the stream: neither ordered, nor repeated, nor divided. It should fit into 1,152 bytes. */
  send(message: Uint8Array): void {
    assert(this.isConnected, "a message is sent after connect");
    if (this.isClosed) return;
    this.#writer.write(MESSAGE, this.#sender.flight.next, message);
    this.#host.wake(this);
  }

  /** The same by another route than the stream's, which stays as it is. */
  sendBy(route: Route, message: Uint8Array): void {
    const used = this.#writer.route;
    this.#writer.route = route;
    this.send(message);
    this.#writer.route = used;
  }

  /** What is not acknowledged is sent again at once: the way that it went by is gone. */
  retransmit(now: number): void {
    if (this.isClosed) return;
    this.#sender.retransmit(now);
    this.#host.wake(this);
  }

  /** The owner has dealt with so many of the bytes it was given. */
  consumed(bytes: number): void {
    this.#receiver.consumed(bytes);
    if (this.#receiver.isAckDue && !this.isClosed) this.#host.wake(this);
  }

  /**
   * From now on everything goes there. Differs: what was sent before and is sent again goes there too; the reference repeats it to
   * the old address, where perhaps nobody is any more (§15).
   */
  changeRemote(now: number, { socket, to, remoteId }: Route): void {
    assert(this.isConnected, "a remote changes after connect");
    if (this.isClosed) return;
    this.#writer.route = { socket, to, remoteId };
    if (this.#sender.changeRemote(to.host)) this.#owner.remoteChanged?.(now, this);
    this.#host.wake(this);
  }

  /** Every packet for this stream goes on to the other's remote, and neither reads it. Cannot be undone. */
  relayTo(other: UdxStream): void {
    assert(this.#relay === null && !other.isClosed, "a stream relays to one other, which is not closed");
    this.#relay = other;
    other.#relayedBy.add(this);
  }

  /** Says that we are here whenever nothing was under way for so long; 0 is never. */
  setKeepalive(now: number, everyMs: number): void {
    this.#keepaliveMs = everyMs;
    this.#restartKeepalive(now);
    this.#host.wake(this);
  }

  /** Ends it at once, in both directions. What has not arrived is given up. */
  destroy(now: number): void {
    if (this.isClosed) return;
    if (this.isConnected && !this.#relay) this.#writer.write(DESTROY, this.#sender.flight.next);
    this.#close(now, null);
  }

  // What follows is for Udx alone.

  /** A packet for this stream, in the order of §5. */
  receive(now: number, socket: string, from: Address, packet: Uint8Array): void {
    // Differs: a relay asks again when an end has another address, too; so nobody else can have it pass anything on.
    const isExpected = this.#relay ? this.#isRemote(socket, from) : socket === this.#writer.route?.socket;
    if (!isExpected && this.#isRejected(now, socket, from)) return;
    this.#heardBy = socket;
    this.#heardFrom = from;
    this.heardAt = now;
    this.#writer.allowed = Infinity;
    if (this.#relay) return this.#forward(now, this.#relay, packet);
    const type = typeOf(packet);
    if (type & HEARTBEAT) return this.#answer(now);
    const payloadAt = HEADER_BYTES + offsetOf(packet);
    if (payloadAt > packet.length) return;
    const seq = this.#receiver.unwrap(seqOf(packet));
    if (!this.#read(now, seq, type, packet, payloadAt)) return;
    const ack = this.#sender.flight.unwrap(ackOf(packet));
    if (ack > this.#sender.flight.next) return;
    this.#sender.updateWindow(seq, ack, rwndOf(packet));
    const wasIdle = this.#sender.flight.span === 0;
    const isOwnEnd = this.#sender.acknowledge(now, ack, packet);
    if (!wasIdle && this.#sender.flight.span === 0) this.#restartKeepalive(now);
    if (type & (DATA | END) || (isOwnEnd && !this.#receiver.hasEnded)) this.#receiver.oweAck();
    this.#tell(now);
  }

  advance(now: number): void {
    if (!this.isConnected) return;
    if (!this.#sender.advance(now)) {
      // The other end had our END, or never will: it has closed, and what it said last was lost (§13.1).
      const isOver = this.#receiver.hasEnded && this.#sender.lacksOnlyEnd;
      return this.#close(now, isOver ? null : "timeout");
    }
    if (now < this.#keepaliveAt) return;
    if (this.#sender.flight.span === 0) this.#writer.write(HEARTBEAT, this.#sender.flight.next);
    this.#restartKeepalive(now);
  }

  deadline(): number {
    return this.isConnected ? Math.min(this.#sender.deadline(), this.#keepaliveAt) : Infinity;
  }

  /** Sends what is due: first the acknowledgement, since an END that said the same would end the other end unanswered (§5 step 10). */
  flush(now: number): void {
    if (!this.isConnected || this.isClosed) return;
    if (this.#receiver.isAckDue) this.#acknowledge();
    this.#sender.flush(now);
  }

  #isRemote(socket: string, { host, port }: Address): boolean {
    const { route } = this.#writer;
    return route !== null && route.socket === socket && route.to.port === port && route.to.host === host;
  }

  /** Returns true when the packet must go no further. */
  #isRejected(now: number, socket: string, from: Address): boolean {
    return from.port === 0 || !this.#firewall || this.#firewall(now, socket, from) || this.isClosed;
  }

  #forward(now: number, relay: UdxStream, packet: Uint8Array): void {
    const { route } = relay.#writer;
    if (route) {
      const { outbox } = this.#host;
      const at = outbox.add(route.socket, route.to, packet.length);
      outbox.bytes.set(packet, at);
      encodeId(outbox.bytes, at, route.remoteId);
    }
    if (typeOf(packet) & DESTROY) this.#close(now, "reset");
  }

  #answer(now: number): void {
    if (!this.#heartbeatLimit.take(now)) return;
    this.#receiver.oweAck();
    this.#host.wake(this);
  }

  /** Steps 5 to 7: returns whether the rest of the packet is to be read. */
  #read(now: number, seq: number, type: number, packet: Uint8Array, payloadAt: number): boolean {
    if (type & (DATA | END)) {
      const payload = packet.subarray(payloadAt);
      const taken = this.#receiver.take(seq, type, payload);
      if (taken === "refuse") return false;
      if (taken === "deliver") {
        if (type & DATA) this.#owner.data(now, this, payload);
        this.#deliverKept(now);
      }
    }
    if (this.isClosed) return false;
    if (type & DESTROY && seq >= this.#receiver.next) {
      this.#close(now, "reset");
      return false;
    }
    if (type & MESSAGE) this.#owner.message?.(now, this, packet.subarray(payloadAt));
    return !this.isClosed;
  }

  #deliverKept(now: number): void {
    while (!this.isClosed) {
      const kept = this.#receiver.takeKept();
      if (!kept) return;
      if (kept.type & DATA) this.#owner.data(now, this, kept.payload);
    }
  }

  /** What the packet led to, for the owner: each thing once, in the order of the reference. */
  #tell(now: number): void {
    const [receiver, sender] = [this.#receiver, this.#sender];
    if (receiver.hasEnded && (!this.#hasToldEnd || sender.isEnded)) {
      if (this.isConnected && receiver.isAckDue) this.#acknowledge();
      if (!this.#hasToldEnd) this.#owner.ended?.(now, this);
      this.#hasToldEnd = true;
      if (this.isClosed) return;
      if (sender.isEnded) return this.#close(now, null);
    }
    this.#host.wake(this);
    if (receiver.isAckPressing && this.isConnected) this.#acknowledge();
    if (sender.completedChange()) this.#owner.remoteChanged?.(now, this);
    if (!this.#isFull || this.isClosed || sender.isFull) return;
    this.#isFull = false;
    this.#owner.writable?.(now, this);
  }

  #acknowledge(): void {
    this.#receiver.acked();
    this.#writer.acknowledge(this.#sender.flight.next);
  }

  #restartKeepalive(now: number): void {
    this.#keepaliveAt = this.#keepaliveMs > 0 && this.isConnected ? now + this.#keepaliveMs : Infinity;
  }

  #close(now: number, reason: CloseReason): void {
    if (this.isClosed) return;
    this.isClosed = true;
    const { route } = this.#writer;
    const hasEnded = reason === null && this.#receiver.hasEnded && this.#sender.isEnding;
    const { next: ack } = this.#receiver;
    const ended = { id: this.id, seq: this.#sender.flight.next, ack, rwnd: this.#receiver.advertise() };
    this.#receiver.clear();
    this.#sender.clear();
    this.#keepaliveAt = Infinity;
    this.#host.forget(now, this, hasEnded && route ? { ...ended, route } : null);
    if (this.#relay) this.#relay.#relayedBy.delete(this);
    for (const relayer of [...this.#relayedBy]) relayer.#close(now, "relay");
    this.#owner.closed(now, this, reason);
  }
}
