import { type Address, sameAddress } from "../../src/base/address.ts";
import { TAG_BYTES } from "../../src/crypto/aead.ts";
import { FRAME_HEADER_BYTES, TYPE_W_DATA } from "../../src/io/datapath/frames.ts";
import { Session, SessionSlots } from "../../src/tunnel/session.ts";
import type { Suite } from "../../src/tunnel/suite.ts";
import { Tunnel, type TunnelOutput } from "../../src/tunnel/tunnel.ts";
import { SUITE_D_BIT } from "../../src/wire/tunnel.ts";
import type { SeededRandom } from "./random.ts";
import { UNIX_ORIGIN_MS } from "./tunnel-ends.ts";

const MAX_WAITING = 8;

export interface ModelOptions {
  readonly privateKey: Uint8Array;
  readonly remotePublicKey: Uint8Array;
  readonly suite: Suite;
  readonly endpoint: Address | null;
  readonly persistentKeepaliveMs: number;
  readonly random: SeededRandom;
}

/** Whether a datagram of a ModelEnd is a data message. */
export function isData(datagram: Uint8Array): boolean {
  return (datagram[0]! & ~SUITE_D_BIT) === TYPE_W_DATA;
}

/** Whether a data message of a ModelEnd is empty. */
export function isKeepalive(datagram: Uint8Array): boolean {
  return datagram.length === FRAME_HEADER_BYTES + TAG_BYTES;
}

/**
 * A Tunnel with a data plane in the place of the datapath, for one peer. Its packets are numbers. Instead of sealing them it
 * puts 16 bytes of the key behind them, so that a packet is taken if both ends have the same key for it, and no other.
 */
export class ModelEnd {
  readonly outbox: { to: Address; datagram: Uint8Array }[] = [];
  readonly delivered: number[] = [];
  readonly tunnel: Tunnel;
  readonly slots: SessionSlots<null>;
  readonly sessions = new Map<number, Session<null>>();
  readonly #activity = { unansweredSince: 0, unheardSince: 0, lastTraversalAt: 0 };
  #endpoint: Address | null;
  #waiting: number[] = [];
  #hasWished = false;

  constructor({ privateKey, remotePublicKey, random, ...config }: ModelOptions) {
    this.#endpoint = config.endpoint;
    const activity = () => this.#activity;
    this.tunnel = new Tunnel({ privateKey, random, unixOriginMs: UNIX_ORIGIN_MS, activity });
    this.tunnel.addPeer({ ...config, publicKey: remotePublicKey, presharedKey: null });
    this.slots = new SessionSlots((session) => this.sessions.delete(session.keys.localIndex));
  }

  deadline(): number {
    return this.tunnel.deadline();
  }

  advance(now: number): void {
    this.tunnel.advance(now);
    this.#settle(now);
  }

  /** Sends a packet, or lets it wait for a session. */
  send(now: number, packet: number): void {
    this.#waiting.push(packet);
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
    this.#flush(now);
    this.#settle(now);
  }

  receive(now: number, from: Address, datagram: Uint8Array): void {
    if (isData(datagram)) this.#receiveData(now, from, datagram);
    else this.tunnel.receive(now, from, datagram);
    this.#settle(now);
  }

  #receiveData(now: number, from: Address, datagram: Uint8Array): void {
    const view = new DataView(datagram.buffer, datagram.byteOffset);
    const session = this.sessions.get(view.getUint32(4, true));
    const counter = view.getUint32(8, true);
    if (!session || session.expired(now)) return;
    const { suite, receiveKey, localIndex } = session.keys;
    const tag = datagram.subarray(-TAG_BYTES);
    if (suite.bit !== (datagram[0]! & SUITE_D_BIT) || !tag.every((byte, i) => byte === receiveKey[i])) return;
    if (!session.window.check(counter)) return;
    session.window.accept(counter);

    const activity = this.#activity;
    activity.lastTraversalAt = now;
    activity.unheardSince = 0;
    if (!this.#endpoint || !sameAddress(this.#endpoint, from)) {
      this.#endpoint = from;
      this.tunnel.roamed(now, 0, from);
    }
    if (this.slots.authenticated(session)) {
      this.#hasWished = false;
      this.tunnel.confirmed(now, 0, localIndex);
      this.#flush(now);
    }
    if (this.slots.current?.staleOnReceive(now)) this.#wish(now);
    if (isKeepalive(datagram)) return;
    activity.unansweredSince ||= now;
    this.delivered.push(view.getUint32(FRAME_HEADER_BYTES));
  }

  /** Does what the tunnel's outputs ask, until there are no more. */
  #settle(now: number): void {
    for (let outputs = this.tunnel.drain(); outputs.length > 0; outputs = this.tunnel.drain()) {
      for (const output of outputs) this.#obey(now, output);
    }
  }

  #obey(now: number, output: TunnelOutput): void {
    switch (output.type) {
      case "send":
        this.outbox.push(output);
        break;
      case "session": {
        const session = new Session(output.keys, null);
        this.slots.install(session);
        this.sessions.set(output.keys.localIndex, session);
        this.#answered();
        break;
      }
      case "keepalive":
        if (this.#waiting.length > 0) this.#flush(now);
        else this.#transmit(now, null);
        break;
      case "endpoint":
        this.#endpoint = output.address;
        break;
      case "unreachable":
        this.#waiting = [];
        this.#answered();
        break;
      case "forget":
        this.slots.clear();
        this.#hasWished = false;
    }
  }

  #answered(): void {
    this.#hasWished = false;
    this.#activity.unansweredSince = 0;
    this.#activity.unheardSince = 0;
  }

  #flush(now: number): void {
    while (this.#waiting.length > 0 && this.#transmit(now, this.#waiting[0]!)) this.#waiting.shift();
  }

  /** Sends a packet, or null for a keepalive. False, and the wish for a session, when there is none. */
  #transmit(now: number, packet: number | null): boolean {
    const session = this.slots.sendable(now);
    if (!session || !this.#endpoint) {
      this.#wish(now);
      return false;
    }
    const { suite, remoteIndex, sendKey } = session.keys;
    const datagram = new Uint8Array(FRAME_HEADER_BYTES + (packet === null ? 0 : 4) + TAG_BYTES);
    const view = new DataView(datagram.buffer);
    view.setUint8(0, TYPE_W_DATA | suite.bit);
    view.setUint32(4, remoteIndex, true);
    view.setUint32(8, session.sendCounter++, true);
    if (packet !== null) view.setUint32(FRAME_HEADER_BYTES, packet);
    datagram.set(sendKey.subarray(0, TAG_BYTES), datagram.length - TAG_BYTES);
    this.outbox.push({ to: this.#endpoint, datagram });

    const activity = this.#activity;
    activity.lastTraversalAt = now;
    activity.unansweredSince = 0;
    if (packet !== null) activity.unheardSince ||= now;
    if (session.staleOnSend(now)) this.#wish(now);
    return true;
  }

  #wish(now: number): void {
    if (this.#hasWished) return;
    this.#hasWished = true;
    this.tunnel.want(now, 0);
  }
}
