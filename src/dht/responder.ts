/** Answers requests. Source: dht-rpc index.js `_onrequest`, hyperdht index.js `onrequest`; specification §3.7, §3.8, §4.1, §6. */
import type { Address } from "../base/address.ts";
import { Reader } from "../wire/reader.ts";
import { encodeRequest, encodeResponse, INTERNAL, type Request, type ResponseToSend, RPC_ERROR } from "../wire/rpc.ts";
import type { Taken } from "./connections.ts";
import type { Contacts } from "./contacts.ts";
import type { Guard } from "./guard.ts";
import { isRelayed, type Relayed, relay } from "./relay.ts";
import type { Sender, SocketName } from "./requests.ts";
import type { Answer, Storage } from "./storage.ts";
import type { Tokens } from "./tokens.ts";

/** Delayed pings that wait. Full: ignored, as are those with a longer delay than we take. */
const MAX_DELAYED = 1024;

/** A request as it came. */
export interface Incoming {
  readonly socket: SocketName;
  readonly from: Sender;
  readonly datagram: Uint8Array;
}

export interface ResponderOptions {
  readonly contacts: Contacts;
  readonly storage: Storage;
  /** Null on private networks. */
  readonly guard: Guard | null;
  readonly tokens: Tokens;
  readonly maxPingDelayMs: number;
  /** Our id, as told from that socket. */
  readonly id: (socket: SocketName) => Uint8Array | null;
  readonly send: (socket: SocketName, to: Address, datagram: Uint8Array) => void;
  /** Gives a relayed message to the server of this node that it is for. */
  readonly forServer: (now: number, incoming: Incoming, request: Request) => Taken;
}

export class Responder {
  readonly stats = { requests: 0, replies: 0, relayed: 0 };
  readonly #options: ResponderOptions;
  #delayed: { dueAt: number; incoming: Incoming; request: Request }[] = [];
  #dueAt = Infinity;

  constructor(options: ResponderOptions) {
    this.#options = options;
  }

  respond(now: number, incoming: Incoming, request: Request): void {
    const { guard, tokens } = this.#options;
    this.stats.requests++;
    if (request.token) {
      if (!tokens.accepts(now, incoming.from.host, request.token))
        return this.#reply(now, incoming, request, BAD_TOKEN);
      guard?.verified(now, incoming.from.host);
    }
    if (request.isInternal) return this.#internal(now, incoming, request);
    const { storage, id } = this.#options;
    if (isRelayed(request)) {
      const taken = this.#options.forServer(now, incoming, request);
      if (taken === "unverified") guard?.hold(now, incoming);
      if (taken !== "not ours") return;
      const relayed = relay(request, incoming.from, request.target && storage.route(now, request.target));
      return relayed ? this.#relay(now, incoming, request, relayed) : undefined;
    }
    const nodeId = id("server");
    const answer = nodeId ? storage.answer(now, incoming.from, request, nodeId) : undefined;
    if (answer !== null) this.#reply(now, incoming, request, answer ?? UNKNOWN);
  }

  advance(now: number): void {
    if (now < this.#dueAt) return;
    const due = this.#delayed.filter(({ dueAt }) => dueAt <= now);
    this.#delayed = this.#delayed.filter(({ dueAt }) => dueAt > now);
    this.#dueAt = Math.min(Infinity, ...this.#delayed.map(({ dueAt }) => dueAt));
    for (const { incoming, request } of due) this.#reply(now, incoming, request, PONG);
  }

  deadline(): number {
    return this.#dueAt;
  }

  /** Whoever waits for a delayed ping waits in vain. */
  suspend(): void {
    this.#delayed = [];
    this.#dueAt = Infinity;
  }

  #internal(now: number, incoming: Incoming, request: Request): void {
    const r = new Reader(request.value ?? NOTHING);
    switch (request.command) {
      case INTERNAL.ping:
        return this.#reply(now, incoming, request, PONG);
      case INTERNAL.pingNat: {
        const port = r.u16();
        const to = { host: incoming.from.host, port };
        return r.ok && port !== 0 ? this.#reply(now, incoming, request, PONG, to) : undefined;
      }
      case INTERNAL.findNode:
        return request.target ? this.#reply(now, incoming, request, CLOSER_NODES) : undefined;
      case INTERNAL.downHint: {
        const address = r.address4();
        if (!r.ok) return;
        this.#options.contacts.hintDown(now, address);
        return this.#reply(now, incoming, request, PONG);
      }
      case INTERNAL.delayedPing:
        return this.#delay(now, incoming, request, r);
      default:
        return this.#reply(now, incoming, request, UNKNOWN);
    }
  }

  #delay(now: number, incoming: Incoming, request: Request, r: Reader): void {
    const { guard, maxPingDelayMs } = this.#options;
    const delayMs = r.u32();
    if (!r.ok || delayMs > maxPingDelayMs || this.#delayed.length >= MAX_DELAYED) return;
    if (guard && !guard.isVerified(now, incoming.from.host)) return void guard.hold(now, incoming);
    const dueAt = now + delayMs;
    this.#delayed.push({ dueAt, incoming, request });
    this.#dueAt = Math.min(this.#dueAt, dueAt);
  }

  /** To whoever asked, unless `to` is said; from the socket that it asked. */
  #reply(now: number, incoming: Incoming, request: Request, answer: Answer, to: Address = incoming.from): void {
    const { contacts, guard, tokens, id } = this.#options;
    const { socket, from } = incoming;
    const { tid, target, isBrief } = request;
    const datagram = encodeResponse({
      tid,
      to,
      id: isBrief ? null : id(socket),
      token: answer.hasToken ? tokens.issue(now, from.host) : null,
      closerNodes: answer.hasCloserNodes && target ? contacts.table.closestEncoded(target) : null,
      error: answer.error,
      value: answer.value,
    });
    const isLarger = datagram.length > incoming.datagram.length;
    if (isLarger && guard && !guard.isVerified(now, from.host)) return void guard.hold(now, incoming);
    this.stats.replies++;
    this.#options.send(socket, to, datagram);
  }

  #relay(now: number, incoming: Incoming, request: Request, relayed: Relayed): void {
    if (relayed.type === "noRoute") return this.#reply(now, incoming, request, CLOSER_NODES);
    const { guard, id, send } = this.#options;
    const { to, value } = relayed;
    if (to.port === 0) return;
    const { tid, command, target, isInternal } = request;
    // Where we do not know that someone receives, our id would make more bytes of what came.
    const isKnown = !guard || guard.isVerified(now, to.host);
    const shared = { tid, to, id: isKnown ? id(incoming.socket) : null, token: null, value };
    const response: ResponseToSend = { ...shared, closerNodes: null, error: RPC_ERROR.none };
    const datagram =
      relayed.type === "reply"
        ? encodeResponse(response)
        : encodeRequest({ ...shared, command, target, isInternal, isBrief: false });
    // A route adds an address. Whoever announced it showed a token then; when that is forgotten, it must announce again.
    if (!isKnown && datagram.length > incoming.datagram.length) return;
    this.stats.relayed++;
    send(incoming.socket, to, datagram);
  }
}

const NOTHING = new Uint8Array(0);
const PONG: Answer = { error: RPC_ERROR.none, value: null, hasToken: false, hasCloserNodes: false };
const CLOSER_NODES: Answer = { ...PONG, hasCloserNodes: true };
const UNKNOWN: Answer = { ...CLOSER_NODES, error: RPC_ERROR.unknownCommand };
const BAD_TOKEN: Answer = { ...CLOSER_NODES, error: RPC_ERROR.invalidToken, hasToken: true };
