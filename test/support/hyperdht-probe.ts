/**
 * A stranger to the DHT with two sockets, who sends nodes bare datagrams from one and sees what comes of each at both. Datagrams
 * on loopback keep their order, so silence is seen without waiting: a ping that was sent later is answered, and nothing came before.
 */
import type { Address } from "../../src/base/address.ts";
import type { DatagramSocket } from "../../src/io/datagram-socket.ts";
import { openUdpSocket } from "../../src/io/udp-socket.ts";
import { decodeResponse, encodeRequest, INTERNAL, type Request, type Response } from "../../src/wire/rpc.ts";

/** The number of every request but the pings that mark what came before them. */
const TID = 7;
const FIRST_MARK = 0x8000;

export interface Arrived {
  /** Which of the two sockets it came to. */
  readonly at: "asker" | "other";
  readonly datagram: Uint8Array;
}

export class Probe implements Disposable {
  #arrived: Arrived[] = [];
  #marks = 0;
  readonly #marked = new Map<number, () => void>();

  private constructor(
    readonly asker: DatagramSocket,
    readonly other: DatagramSocket,
  ) {
    for (const at of ["asker", "other"] as const) {
      this[at].onDatagram((_, datagram) => this.#take({ at, datagram: datagram.slice() }));
    }
  }

  static async open(host = "127.0.0.1"): Promise<Probe> {
    return new Probe(await openUdpSocket({ host, port: 0 }), await openUdpSocket({ host, port: 0 }));
  }

  /** Sends one datagram, and gives all that the node sent to either socket because of it. */
  async send(to: Address, datagram: Uint8Array): Promise<Arrived[]> {
    this.#arrived = [];
    this.asker.send(to, datagram);
    await this.#mark(this.asker, to); // by then the node has done all that it does at once
    await this.#mark(this.other, to);
    return this.#arrived;
  }

  /** `send` of a request. */
  request(to: Address, request: Partial<Request>): Promise<Arrived[]> {
    return this.send(to, bareRequest(to, request));
  }

  /** The answer to a request; null when there is none. */
  async ask(to: Address, request: Partial<Request>): Promise<Response | null> {
    const [first] = await this.request(to, request);
    return first?.at === "asker" ? decodeResponse(first.datagram) : null;
  }

  [Symbol.dispose](): void {
    this.asker.close();
    this.other.close();
  }

  #mark(socket: DatagramSocket, to: Address): Promise<void> {
    const tid = FIRST_MARK + (this.#marks++ % FIRST_MARK);
    socket.send(to, bareRequest(to, { tid, isInternal: true, command: INTERNAL.ping }));
    return new Promise((resolve) => this.#marked.set(tid, resolve));
  }

  #take(arrived: Arrived): void {
    const mark = this.#marked.get(decodeResponse(arrived.datagram)?.tid ?? -1);
    if (mark) mark();
    else this.#arrived.push(arrived);
  }
}

/** A request as a node that has no id, or no wish to tell it, would send it. */
export function bareRequest(to: Address, request: Partial<Request>): Uint8Array {
  const bare = { tid: TID, to, id: null, token: null, isInternal: false, command: 0, target: null, value: null };
  return encodeRequest({ ...bare, isBrief: false, ...request });
}
