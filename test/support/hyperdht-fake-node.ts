/** A persistent node that does what a test says: it gives its true id, and whatever answers it is told to. */
import type { Address } from "../../src/base/address.ts";
import { nodeId } from "../../src/dht/peer.ts";
import type { DatagramSocket } from "../../src/io/datagram-socket.ts";
import { openUdpSocket } from "../../src/io/udp-socket.ts";
import { decodeRequest, encodeAddresses, encodeResponse, INTERNAL, type Request } from "../../src/wire/rpc.ts";
import { bareRequest } from "./hyperdht-probe.ts";

export interface FakeAnswer {
  readonly token?: Uint8Array;
  readonly closerNodes?: readonly Address[];
  readonly error?: number;
  readonly value?: Uint8Array;
}

export class FakeNode implements Disposable {
  /** All that it was asked. */
  readonly asked: Request[] = [];
  /** Null for silence. */
  answer: (request: Request) => FakeAnswer | null = () => ({});
  readonly id: Uint8Array;
  readonly #socket: DatagramSocket;

  private constructor(socket: DatagramSocket) {
    this.#socket = socket;
    this.id = nodeId(socket.address);
    socket.onDatagram((from, datagram) => this.#take(from, datagram.slice()));
  }

  static async open(host = "127.0.0.1"): Promise<FakeNode> {
    return new FakeNode(await openUdpSocket({ host, port: 0 }));
  }

  get address(): Address {
    return this.#socket.address;
  }

  /** Asks `to` something as itself, or with another id; nothing is made of the answer. */
  ask(to: Address, request: Partial<Request> = { isInternal: true, command: INTERNAL.ping }): void {
    this.#socket.send(to, bareRequest(to, { id: this.id, ...request }));
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  #take(from: Address, datagram: Uint8Array): void {
    const request = decodeRequest(datagram);
    if (!request) return;
    this.asked.push(request);
    const answer = this.answer(request);
    if (!answer) return;
    const { token = null, closerNodes = [], error = 0, value = null } = answer;
    const encoded = closerNodes.length > 0 ? encodeAddresses(closerNodes) : null;
    const { tid } = request;
    this.#socket.send(from, encodeResponse({ tid, to: from, id: this.id, token, closerNodes: encoded, error, value }));
  }
}
