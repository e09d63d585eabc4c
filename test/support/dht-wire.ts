/** The requests of one node, without a network: a test sees what is sent, and answers it or not, on a clock of its own. */
import type { Address } from "../../src/base/address.ts";
import { peerAt } from "../../src/dht/peer.ts";
import { Requests, type Sender, type SocketName } from "../../src/dht/requests.ts";
import { decodeRequest, type Request, type Response } from "../../src/wire/rpc.ts";
import { SeededRandom } from "./random.ts";

export interface Sent {
  readonly at: number;
  readonly socket: SocketName;
  readonly to: Address;
  readonly request: Request;
  readonly datagram: Uint8Array;
}

export interface WireOptions {
  readonly maxWindow?: number;
  readonly socket?: SocketName;
  readonly id?: Uint8Array;
}

/** Rounds that one moment may take: more is a machine that spins. */
const MAX_ROUNDS = 10_000;

export class Wire {
  now = 0;
  readonly sent: Sent[] = [];
  readonly requests: Requests;
  /** What the network does with a datagram. */
  onSent: (sent: Sent) => void = () => {};
  #later: { readonly at: number; readonly happens: () => void }[] = [];

  constructor({ maxWindow = 80, socket = "server", id }: WireOptions = {}) {
    this.requests = new Requests({
      random: new SeededRandom(1),
      maxWindow,
      socket: () => socket,
      id: () => id ?? null,
      send: (from, to, datagram) => {
        const request = decodeRequest(datagram);
        if (!request) throw new Error("a node sends whole requests");
        const sent = { at: this.now, socket: from, to: { host: to.host, port: to.port }, request, datagram };
        this.sent.push(sent);
        this.onSent(sent);
      },
    });
  }

  /** Goes on to `until`, doing on the way whatever is due. */
  run(until: number): void {
    let rounds = 0;
    for (;;) {
      const next = Math.max(this.now, Math.min(this.requests.deadline(), this.#later[0]?.at ?? Infinity));
      if (next > until) break;
      rounds = next === this.now ? rounds + 1 : 0;
      if (rounds > MAX_ROUNDS) throw new Error(`something spins at ${this.now}`);
      this.now = next;
      if ((this.#later[0]?.at ?? Infinity) <= next) this.#later.shift()!.happens();
      else this.requests.advance(next);
    }
    this.now = until;
  }

  later(afterMs: number, happens: () => void): void {
    this.#later.push({ at: this.now + afterMs, happens });
    this.#later.sort((a, b) => a.at - b.at);
  }

  /** An answer to `sent` arrives from `from`. Returns whether anyone waited for it. */
  answer({ request, to }: Sent, response: Partial<Response> = {}, from: Sender = withId(to)): boolean {
    const pending = this.requests.match(from, request.tid);
    const us = { host: "5.9.17.33", port: 1776 };
    const empty = { tid: request.tid, to: us, id: null, token: null, closerNodes: [], error: 0, value: null };
    if (pending) this.requests.receive(this.now, pending, from, { ...empty, ...response });
    return pending !== null;
  }

  /** Forgets what was sent until now, and hands it over. */
  takeSent(): Sent[] {
    return this.sent.splice(0);
  }
}

export function withId({ host, port }: Address): Sender & { readonly id: Uint8Array } {
  return { host, port, id: peerAt({ host, port }).id };
}
