/**
 * Many channels over one stream of messages, compatible with Protomux. A channel is open once both sides have opened one for the same
 * protocol and id; each side numbers its own, from 1. Source: protomux 3.12 index.js; specification §15.
 *
 *   00 01  number uint, protocol string, id bytes (empty: none), handshake: the rest     open
 *   00 02  number uint, the opener's                                                     reject
 *   00 03  number uint                                                                   close
 *   00 00  number uint, then frames: length uint ≥ 1 and so many bytes; a length of 0 is followed by another number    batch
 *   number uint ≥ 1, type uint, payload: the rest                                        a channel's message
 * In a batch the frames of number 0 are the control messages above without their first 00, those of others begin with the type.
 */
import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";

const CONTROL = 0;
const BATCH = 0;
const OPEN = 1;
const REJECT = 2;
const CLOSE = 3;

/** Channels of one stream that either side may have open. Full: the other side's are rejected; ours is our own mistake. */
const MAX_CHANNELS = 1024;
/** Answers that may wait for a side that opens and does not read. More: it is no Protomux, but wants our memory. */
const MAX_UNREAD_ANSWERS = 1024;
const MAX_PROTOCOL_BYTES = 256;
const MAX_ID_BYTES = 256;
const MAX_MESSAGE_BYTES = 2 ** 24;

export interface ChannelName {
  readonly protocol: string;
  /** Tells channels of one protocol apart; null for the only one. */
  readonly id: Uint8Array | null;
}

export interface ChannelOwner {
  /** The other side has opened it, too. */
  opened(now: number, channel: Channel, handshake: Uint8Array): void;
  message(now: number, channel: Channel, type: number, payload: Uint8Array): void;
  /** After a `send` that returned false: there is room again. */
  writable?(now: number, channel: Channel): void;
  /** The other side closed or rejected it, or the stream is over. */
  closed(now: number, channel: Channel): void;
}

export interface MuxOwner {
  /** One message for the stream. False when that is enough for now: `drained` is to be called when it is not. */
  write(now: number, message: Uint8Array): boolean;
  /** The other side opened a channel that we have not: whoever gets it, or null to reject it. */
  offered(now: number, name: ChannelName, handshake: Uint8Array): ChannelOwner | null;
  /** What came is no Protomux: the stream is of no use. */
  broken(now: number): void;
}

export class Channel {
  isOpen = false;
  isClosed = false;
  /** It was told that it is enough for now, and not yet that there is room. */
  isHeld = false;
  /** Messages that wait for room on the stream, each channel's its own: one that says much does not hold up the others. */
  readonly waiting: Uint8Array[] = [];

  constructor(
    readonly name: ChannelName,
    readonly number: number,
    readonly owner: ChannelOwner,
    readonly mux: Mux,
  ) {}

  /**
   * It may be sent before the other side has opened its own. False when that is enough for now: `writable` will say when it is not.
   * What is sent all the same is kept; it is the caller's own memory.
   */
  send(now: number, type: number, payload: Uint8Array): boolean {
    if (this.isClosed) return false;
    return this.mux.send(now, this, new Writer().uint(this.number).uint(type).fixed(payload).finish());
  }

  close(now: number): void {
    this.mux.close(now, this);
  }
}

export class Mux {
  readonly #owner: MuxOwner;
  /** Ours, by our numbers. */
  readonly #local = new Map<number, Channel>();
  /** Ours, by the other side's numbers. */
  readonly #remote = new Map<number, Channel>();
  /** The stream takes no more just now; control messages, which are few, go on. */
  #isFull = false;
  /** Answers to the other side's opens since the stream was full. */
  #unread = 0;
  #isOver = false;

  constructor(owner: MuxOwner) {
    this.#owner = owner;
  }

  get size(): number {
    return this.#local.size;
  }

  /** Opens a channel; null when one of that name is open already, or there are too many. */
  open(now: number, name: ChannelName, owner: ChannelOwner, handshake = NOTHING): Channel | null {
    const isTaken = [...this.#local.values()].some((channel) => isSame(channel.name, name));
    return isTaken || this.#isOver ? null : this.#open(now, name, owner, handshake);
  }

  /** One message of the stream. */
  receive(now: number, message: Uint8Array): void {
    if (message.length === 0 || this.#isOver) return;
    const r = new Reader(message);
    const number = r.uint();
    const isUnderstood = number === CONTROL ? this.#control(now, r, true) : this.#message(now, number, r);
    if (!isUnderstood) this.#break(now);
  }

  /** The stream has room again: channels that wait have their turns, one message each. */
  drained(now: number): void {
    this.#isFull = false;
    this.#unread = 0;
    const held = [...this.#local.values()].filter(({ isHeld }) => isHeld);
    while (held.length > 0 && !this.#isFull && !this.#isOver) {
      const channel = held.shift()!;
      if (channel.isClosed) continue;
      const message = channel.waiting.shift();
      if (message) this.#write(now, message);
      channel.isHeld = channel.waiting.length > 0;
      if (channel.isHeld) held.push(channel);
      else channel.owner.writable?.(now, channel);
    }
  }

  /** The stream is over, and so is every channel. */
  end(now: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const channel of [...this.#local.values()]) this.#forget(now, channel);
  }

  // For channels.

  send(now: number, channel: Channel, message: Uint8Array): boolean {
    // Also while others have their turns: nothing overtakes what its own channel said before.
    if (this.#isFull || channel.waiting.length > 0) channel.waiting.push(message);
    else this.#write(now, message);
    if (this.#isFull || channel.waiting.length > 0) channel.isHeld = true;
    return !channel.isHeld;
  }

  close(now: number, channel: Channel): void {
    if (channel.isClosed) return;
    for (const message of channel.waiting.splice(0)) this.#write(now, message); // before the end of it
    this.#write(now, new Writer().uint(CONTROL).uint(CLOSE).uint(channel.number).finish());
    this.#forget(now, channel, { isTold: false });
  }

  #write(now: number, message: Uint8Array): void {
    if (!this.#isOver && !this.#owner.write(now, message)) this.#isFull = true;
  }

  #open(now: number, name: ChannelName, owner: ChannelOwner, handshake: Uint8Array): Channel | null {
    if (this.#local.size >= MAX_CHANNELS) return null;
    let number = 1; // Protomux wants the lowest free one
    while (this.#local.has(number)) number++;
    const channel = new Channel(name, number, owner, this);
    this.#local.set(number, channel);
    const { protocol, id } = name;
    const open = new Writer()
      .uint(CONTROL)
      .uint(OPEN)
      .uint(number)
      .string(protocol)
      .bytes(id ?? NOTHING);
    this.#write(now, open.fixed(handshake).finish());
    return channel;
  }

  #control(now: number, r: Reader, mayBatch: boolean): boolean {
    const type = r.uint();
    if (type === BATCH) return mayBatch && this.#batch(now, r);
    if (type === OPEN) return this.#onOpen(now, r);
    const number = r.uint();
    if (!r.ok) return false;
    if (type === REJECT) {
      const channel = this.#local.get(number);
      if (channel && !channel.isOpen) this.#forget(now, channel);
    } else if (type === CLOSE) {
      const channel = this.#remote.get(number);
      if (channel) this.#forget(now, channel);
    }
    return true;
  }

  #batch(now: number, r: Reader): boolean {
    let number = r.uint();
    while (r.ok && r.remaining > 0 && !this.#isOver) {
      const frame = r.bytes(MAX_MESSAGE_BYTES);
      if (!r.ok) return false;
      if (frame.length === 0) number = r.uint();
      else {
        const inner = new Reader(frame);
        const isUnderstood = number === CONTROL ? this.#control(now, inner, false) : this.#message(now, number, inner);
        if (!isUnderstood) return false;
      }
    }
    return r.ok;
  }

  #onOpen(now: number, r: Reader): boolean {
    const [number, protocol, id] = [r.uint(), r.string(MAX_PROTOCOL_BYTES), r.bytes(MAX_ID_BYTES)];
    const handshake = r.rest().slice();
    if (!r.ok || number === 0 || this.#remote.has(number)) return false;
    if (this.#isFull && ++this.#unread > MAX_UNREAD_ANSWERS) return false;
    const name = { protocol, id: id.length > 0 ? id.slice() : null };
    const waiting = [...this.#local.values()].find((channel) => !channel.isOpen && isSame(channel.name, name));
    const channel = waiting ?? this.#accept(now, name, handshake);
    if (!channel) this.#write(now, new Writer().uint(CONTROL).uint(REJECT).uint(number).finish());
    else {
      this.#remote.set(number, channel);
      channel.isOpen = true;
      channel.owner.opened(now, channel, handshake);
    }
    return true;
  }

  #accept(now: number, name: ChannelName, handshake: Uint8Array): Channel | null {
    const owner = this.#local.size < MAX_CHANNELS ? this.#owner.offered(now, name, handshake) : null;
    return owner && this.#open(now, name, owner, NOTHING);
  }

  /** A channel that is closed has its last messages still on the way: they are ignored. */
  #message(now: number, number: number, r: Reader): boolean {
    const [type, payload] = [r.uint(), r.rest()];
    const channel = this.#remote.get(number);
    if (r.ok && channel) channel.owner.message(now, channel, type, payload);
    return r.ok;
  }

  #forget(now: number, channel: Channel, { isTold = true } = {}): void {
    channel.isClosed = true;
    channel.waiting.length = 0;
    this.#local.delete(channel.number);
    for (const [number, each] of this.#remote) if (each === channel) this.#remote.delete(number);
    if (isTold) channel.owner.closed(now, channel);
  }

  #break(now: number): void {
    this.end(now);
    this.#owner.broken(now);
  }
}

const NOTHING = new Uint8Array(0);

function isSame(a: ChannelName, b: ChannelName): boolean {
  return a.protocol === b.protocol && Buffer.compare(a.id ?? NOTHING, b.id ?? NOTHING) === 0;
}
