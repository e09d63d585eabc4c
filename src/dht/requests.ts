/**
 * Requests under way: numbers them, sends them again, matches their answers, gives up.
 *
 * A request is sent 1 + retries times and fails after (1 + retries) times its timeout, as in the reference (§3.5).
 * Differs: the reference sends again every 1,000 ms; here the first repeat comes as soon as the node's usual round trip says that
 * the answer is late, and only then the full waits. An answer counts only from the host that was asked.
 */
import type { Address } from "../base/address.ts";
import { addressKey } from "../base/ip4.ts";
import { type Random, randomUint32 } from "../base/random.ts";
import { encodeRequest, type Response } from "../wire/rpc.ts";
import { RoundTrips } from "./round-trips.ts";
import { SendWindow } from "./send-window.ts";

/**
 * Requests and datagrams of a node that is believed unreachable leave from the client socket (§3.1). By `six`, the one of IPv6, go
 * streams and their probes alone.
 */
export type SocketName = "server" | "client" | "six" | `punch-${number}`;

export const TIMEOUT_MS = 1_000;
export const RETRIES = 3;
const TIDS = 65_536;
/** Full: a request fails at once. Only our own users can get there; what strangers make us ask has bounds of its own. */
const MAX_PENDING = 16_384;

export interface Outgoing {
  readonly to: Address;
  readonly isInternal: boolean;
  readonly command: number;
  readonly target?: Uint8Array | null;
  readonly token?: Uint8Array | null;
  readonly value?: Uint8Array | null;
  /** Left out: the one that this node's own requests leave from at that moment. */
  readonly socket?: SocketName;
  readonly retries?: number;
  /** Instead of TIMEOUT_MS. */
  readonly timeoutMs?: number;
  /** Neither waits for the window nor counts in it, is never repeated, and its failure says nothing of the network. */
  readonly isForced?: boolean;
  /** Without our id, and asking for an answer without one: the fewest bytes. */
  readonly isBrief?: boolean;
}

/** A node that sent a datagram; its id is null unless it gave the one that follows from its address. */
export interface Sender extends Address {
  readonly id: Uint8Array | null;
}

export interface Reply {
  readonly tid: number;
  /** From the request's creation. */
  readonly rttMs: number;
  readonly from: Sender;
  /** We, as the replier sees us. */
  readonly to: Address;
  readonly token: Uint8Array | null;
  readonly closerNodes: readonly Address[];
  readonly error: number;
  readonly value: Uint8Array | null;
}

export type RequestFailure = "timeout" | "suspended" | "overloaded";

/** Whoever asked. Told exactly once how it ended, and before that, each time it is asked again, that the answer is late. */
export interface Requester {
  answered(now: number, request: PendingRequest, reply: Reply): void;
  failed(now: number, request: PendingRequest, why: RequestFailure): void;
  late?(now: number, request: PendingRequest): void;
}

export interface PendingRequest {
  readonly outgoing: Outgoing;
  readonly owner: Requester;
  readonly tid: number;
  readonly key: number;
  readonly createdAt: number;
  sends: number;
  /** The first time. */
  sentAt: number;
  /** When to send again or to give up; Infinity until it was sent once. */
  dueAt: number;
  /** When it fails; counted from the first send. */
  failsAt: number;
  isLate: boolean;
  /** Answered, failed or forgotten: its owner hears no more of it. */
  isOver: boolean;
}

export interface RequestsOptions {
  readonly random: Random;
  readonly maxWindow: number;
  /** The socket that requests leave from when they do not say. */
  readonly socket: () => SocketName;
  /** Our id, as told to those that we ask from that socket. */
  readonly id: (socket: SocketName) => Uint8Array | null;
  readonly send: (socket: SocketName, to: Address, datagram: Uint8Array) => void;
}

export class Requests {
  answers = 0;
  timeouts = 0;
  /** How many are under way or waiting. */
  get size(): number {
    return this.#pending.size;
  }

  readonly #options: RequestsOptions;
  readonly #pending = new Map<number, PendingRequest>();
  readonly #waiting: PendingRequest[] = [];
  readonly #refused: { readonly request: PendingRequest; readonly why: RequestFailure }[] = [];
  readonly #window: SendWindow;
  readonly #roundTrips = new RoundTrips();
  /** No request is due before this. */
  #dueAt = Infinity;
  #isSuspended = false;

  constructor(options: RequestsOptions) {
    this.#options = options;
    this.#window = new SendWindow(options.maxWindow);
  }

  start(now: number, outgoing: Outgoing, owner: Requester): PendingRequest {
    const key = addressKey(outgoing.to);
    const never = { sentAt: Infinity, dueAt: Infinity, failsAt: Infinity };
    const begun = { outgoing, owner, key, createdAt: now, sends: 0, ...never, isLate: false, isOver: false };
    if (this.#isSuspended || this.#pending.size >= MAX_PENDING) {
      const request = { ...begun, tid: -1 };
      // Its owner learns it in the next advance, when it knows the request.
      this.#refused.push({ request, why: this.#isSuspended ? "suspended" : "overloaded" });
      return request;
    }
    const request = { ...begun, tid: this.#freeTid() };
    this.#pending.set(request.tid, request);
    if (outgoing.isForced || !this.#window.isFull(now)) this.#send(now, request);
    else this.#waiting.push(request);
    return request;
  }

  /** The request that an answer from `from` with that number belongs to; null when nobody waits for it. */
  match(from: Address, tid: number): PendingRequest | null {
    const request = this.#pending.get(tid);
    if (!request || request.sends === 0) return null;
    return request.outgoing.to.host === from.host ? request : null;
  }

  /** Hands the answer to a request that `match` gave to whoever asked. */
  receive(now: number, request: PendingRequest, from: Sender, response: Response): void {
    const { tid, to, token, closerNodes, error, value } = response;
    const rttMs = now - request.createdAt;
    this.answers++;
    this.forget(now, request);
    const isMeasured = request.sends === 1 && request.outgoing.timeoutMs === undefined;
    if (isMeasured) this.#roundTrips.heard(request.key, now - request.sentAt);
    request.owner.answered(now, request, { tid, rttMs, from, to, token, closerNodes, error, value });
  }

  /** Gives a request up without telling its owner. */
  forget(now: number, request: PendingRequest): void {
    if (request.isOver) return;
    request.isOver = true;
    this.#pending.delete(request.tid);
    if (request.sends > 0 && !request.outgoing.isForced) this.#window.finished(now);
  }

  /** Ends every request, and each that is started before `resume`. */
  suspend(now: number): void {
    this.#isSuspended = true;
    this.#waiting.length = 0;
    this.#dueAt = Infinity;
    for (const request of [...this.#pending.values()]) this.#fail(now, request, "suspended");
    this.#tellRefused(now);
  }

  resume(): void {
    this.#isSuspended = false;
  }

  advance(now: number): void {
    this.#tellRefused(now);
    if (this.#waiting.length > 0 && now >= this.#window.roomAt) this.#sendWaiting(now);
    if (now < this.#dueAt) return;
    this.#dueAt = Infinity;
    for (const request of [...this.#pending.values()]) {
      if (request.isOver) continue; // by what an earlier one of these led to
      if (now >= request.dueAt) this.#onDue(now, request);
      else this.#dueAt = Math.min(this.#dueAt, request.dueAt);
    }
  }

  deadline(): number {
    if (this.#refused.length > 0) return -Infinity;
    return this.#waiting.length > 0 ? Math.min(this.#dueAt, this.#window.roomAt) : this.#dueAt;
  }

  #onDue(now: number, request: PendingRequest): void {
    if (now >= request.failsAt) {
      if (!request.outgoing.isForced) this.timeouts++;
      return this.#fail(now, request, "timeout");
    }
    this.#due(request, request.failsAt);
    if (request.sends <= retriesOf(request.outgoing)) {
      if (this.#window.isFull(now)) this.#waiting.push(request);
      else this.#send(now, request);
    }
    request.isLate = true;
    request.owner.late?.(now, request);
  }

  #send(now: number, request: PendingRequest): void {
    const { outgoing, tid } = request;
    const { to, isInternal, command, timeoutMs = TIMEOUT_MS, isBrief = false, isForced = false } = outgoing;
    const { target = null, token = null, value = null } = outgoing;
    const socket = outgoing.socket ?? this.#options.socket();
    const id = isBrief ? null : this.#options.id(socket);
    const datagram = encodeRequest({ tid, to, id, token, isInternal, command, target, value, isBrief });
    if (!isForced) this.#window.sent(now);
    request.sends++;
    if (request.sends === 1) {
      request.sentAt = now;
      request.failsAt = now + timeoutMs * (1 + retriesOf(outgoing));
      const isUsual = retriesOf(outgoing) > 0 && outgoing.timeoutMs === undefined;
      this.#due(request, now + (isUsual ? this.#roundTrips.waitMs(request.key, timeoutMs) : timeoutMs));
    } else {
      this.#due(request, Math.min(request.failsAt, now + timeoutMs));
    }
    this.#options.send(socket, to, datagram);
  }

  #sendWaiting(now: number): void {
    while (this.#waiting.length > 0 && !this.#window.isFull(now)) {
      const request = this.#waiting.shift()!;
      if (!request.isOver) this.#send(now, request);
    }
  }

  #due(request: PendingRequest, at: number): void {
    request.dueAt = at;
    this.#dueAt = Math.min(this.#dueAt, at);
  }

  #tellRefused(now: number): void {
    for (let refused = this.#refused.shift(); refused; refused = this.#refused.shift()) {
      this.#fail(now, refused.request, refused.why);
    }
  }

  /** Unless it is over, by what another's end led to. */
  #fail(now: number, request: PendingRequest, why: RequestFailure): void {
    if (request.isOver) return;
    this.forget(now, request);
    request.owner.failed(now, request, why);
  }

  /** Differs: the reference counts up, so that who sees one number can forge the answers to the next. */
  #freeTid(): number {
    let tid = randomUint32(this.#options.random) % TIDS;
    while (this.#pending.has(tid)) tid = (tid + 1) % TIDS;
    return tid;
  }
}

function retriesOf({ retries, isForced }: Outgoing): number {
  return isForced ? 0 : (retries ?? RETRIES);
}
