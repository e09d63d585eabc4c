/** One DHT node without a network: a test plays everyone else, on a clock of its own. */
import type { Address } from "../../src/base/address.ts";
import { DhtNode } from "../../src/dht/node.ts";
import type { DhtNodeOptions, DhtOutput } from "../../src/dht/node-options.ts";
import { nodeId } from "../../src/dht/peer.ts";
import type { SocketName } from "../../src/dht/requests.ts";
import {
  decodeRequest,
  decodeResponse,
  encodeAddresses,
  encodeRequest,
  encodeResponse,
  INTERNAL,
  type Request,
  type Response,
} from "../../src/wire/rpc.ts";
import { nodeOptions } from "./dht-node.ts";

/** The node's own address on the internet. */
export const HERE: Address = { host: "88.99.3.86", port: 1776 };

export interface SentDatagram {
  readonly at: number;
  readonly socket: SocketName;
  readonly to: Address;
  readonly datagram: Uint8Array;
  readonly request: Request | null;
  readonly response: Response | null;
}

export class LoneNode {
  now = 0;
  readonly node: DhtNode;
  /** What it said beside datagrams, oldest first. */
  readonly events: DhtOutput[] = [];
  /** What the network does with a datagram. */
  onSent: (sent: SentDatagram) => void = () => {};
  readonly #sent: SentDatagram[] = [];
  #later: { readonly at: number; readonly happens: () => void }[] = [];

  constructor(options: Partial<DhtNodeOptions> = {}) {
    this.node = new DhtNode(0, nodeOptions(options));
    this.node.start(0, HERE.port);
    this.#drain();
  }

  /** Feeds the node one input of its user's. */
  input<Result>(feed: (node: DhtNode, now: number) => Result): Result {
    const result = feed(this.node, this.now);
    this.#drain();
    return result;
  }

  receive(datagram: Uint8Array, from: Address, socket: SocketName = "server"): void {
    this.input((node, now) => node.receive(now, socket, from, datagram));
  }

  /** A request arrives. Returns what the node sent at once. */
  ask(from: Address, fields: Partial<Request> = {}, socket: SocketName = "server"): SentDatagram[] {
    this.takeSent();
    this.receive(requestTo(fields), from, socket);
    return this.takeSent();
  }

  /** The node's request is answered from where it was sent, with the id that follows from there. */
  answer({ request, to, socket }: SentDatagram, fields: Partial<Response> = {}, from: Address = to): void {
    if (!request) throw new Error("only a request is answered");
    const { closerNodes = [], ...rest } = fields;
    const empty = { tid: request.tid, to: HERE, id: nodeId(from), token: null, error: 0, value: null };
    const encoded = closerNodes.length > 0 ? encodeAddresses(closerNodes) : null;
    this.receive(encodeResponse({ ...empty, ...rest, closerNodes: encoded }), from, socket);
  }

  later(afterMs: number, happens: () => void): void {
    this.#later.push({ at: this.now + afterMs, happens });
    this.#later.sort((a, b) => a.at - b.at);
  }

  /** Goes on to `until`, doing on the way whatever is due. */
  run(until: number): void {
    for (;;) {
      const next = Math.max(this.now, Math.min(this.node.deadline(), this.#later[0]?.at ?? Infinity));
      if (next > until) break;
      this.now = next;
      if ((this.#later[0]?.at ?? Infinity) <= next) this.#later.shift()!.happens();
      else this.input((node, now) => node.advance(now));
    }
    this.now = until;
  }

  takeSent(): SentDatagram[] {
    return this.#sent.splice(0);
  }

  eventsOf<Type extends DhtOutput["type"]>(type: Type): (DhtOutput & { readonly type: Type })[] {
    return this.events.filter((event): event is DhtOutput & { readonly type: Type } => event.type === type);
  }

  #drain(): void {
    for (const output of this.node.drain()) {
      if (output.type !== "send") {
        this.events.push(output);
        continue;
      }
      const { socket, datagram } = output;
      const to = { host: output.to.host, port: output.to.port };
      const [request, response] = [decodeRequest(datagram), decodeResponse(datagram)];
      const sent = { at: this.now, socket, to, datagram, request, response };
      this.#sent.push(sent);
      this.onSent(sent);
    }
  }
}

/** A persistent node at `HERE` from the start. */
export function persistentNode(options: Partial<DhtNodeOptions> = {}): LoneNode {
  return new LoneNode({ isEphemeral: false, isFirewalled: false, publicAddress: HERE, ...options });
}

/** A request to the node: a ping without an id unless said otherwise. */
export function requestTo(fields: Partial<Request> = {}): Uint8Array {
  const none = { tid: 7, to: HERE, id: null, token: null, target: null, value: null, isBrief: false };
  return encodeRequest({ ...none, isInternal: true, command: INTERNAL.ping, ...fields });
}
