import type { Address } from "../../../src/base/address.ts";
import { type DatagramSocket, sendApart } from "../../../src/io/datagram-socket.ts";
import type { Carrier } from "./carrier.ts";
import { Flight } from "./flight.ts";
import type { Host } from "./host.ts";

const DEFAULT_TTL = 64; // Linux, net.ipv4.ip_default_ttl

/** A bound UDP socket of a simulated host. */
export class SimSocket implements DatagramSocket {
  readonly address: Address;
  #carrier: Carrier;
  #host: Host;
  #source: Address; // as its realm sees it; follows the host when that moves
  #handler: ((from: Address, datagram: Uint8Array) => void) | null = null;
  #isClosed = false;

  /** Only `Host.bind` makes one. */
  constructor(carrier: Carrier, host: Host, port: number) {
    this.address = { host: "0.0.0.0", port };
    this.#carrier = carrier;
    this.#host = host;
    this.#source = { host: host.address, port };
  }

  onDatagram(handler: (from: Address, datagram: Uint8Array) => void): void {
    this.#handler = handler;
  }

  /** With a low `ttl` it dies on its way: past its sender's NATs, at best, and short of the other end's. */
  send(to: Address, datagram: Uint8Array, ttl = DEFAULT_TTL): void {
    if (this.#isClosed) return;
    if (this.#source.host !== this.#host.address) this.#source = { ...this.#source, host: this.#host.address };
    this.#carrier.send(new Flight(this.#host, this.#source, to, new Uint8Array(datagram), ttl));
  }

  sendRun(to: Address, run: Uint8Array, segmentBytes: number): void {
    sendApart(this, to, run, segmentBytes);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#host.release(this.address.port);
  }

  /** A datagram is here. Before there is a handler, nobody listens. */
  receive(flight: Flight): void {
    if (!this.#handler) return this.#carrier.drop("closed", flight);
    this.#carrier.deliver(flight);
    this.#handler(flight.from, flight.datagram);
  }
}
