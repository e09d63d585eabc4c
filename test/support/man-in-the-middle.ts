/** Stands between two ends, each of which takes it for the other, and does with their datagrams what it likes. */
import type { Address } from "../../src/base/address.ts";
import type { Namespace } from "./namespaces.ts";

export type Side = "left" | "right";

interface UdpSocket {
  send(datagram: Uint8Array, port: number, host: string): boolean;
  close(): void;
}

/** What arrives instead of a datagram on its way to a side. */
export type Carry = (datagram: Uint8Array, to: Side) => readonly Uint8Array[];

/** As it came. */
export const faithfully: Carry = (datagram) => [datagram];

export class ManInTheMiddle {
  carry: Carry = faithfully;
  readonly #sockets: { left: UdpSocket; right: UdpSocket };
  readonly #ends: { left: Address | null; right: Address | null };

  private constructor(sockets: { left: UdpSocket; right: UdpSocket }, right: Address) {
    this.#sockets = sockets;
    this.#ends = { left: null, right };
  }

  /** Listens at `at` for the left end, whose address it learns, and speaks to the right end from a port of its own. */
  static async open(namespace: Namespace, { at, right }: { at: Address; right: Address }): Promise<ManInTheMiddle> {
    let it: ManInTheMiddle | null = null;
    const socket = (hostname: string, port: number, from: Side) =>
      namespace.enter(() =>
        Bun.udpSocket({
          hostname,
          port,
          socket: {
            data: (_socket, datagram, port, host) => it?.take(from, { host, port }, Uint8Array.from(datagram)),
          },
        }),
      );
    it = new ManInTheMiddle(
      { left: await socket(at.host, at.port, "left"), right: await socket("0.0.0.0", 0, "right") },
      right,
    );
    return it;
  }

  /** Sends a datagram to a side, from the address that it takes for the other end's. */
  inject(datagram: Uint8Array, to: Side): void {
    const end = this.#ends[to];
    if (end) this.#sockets[to].send(datagram, end.port, end.host);
  }

  /** Takes a datagram from one side, and sends on what `carry` makes of it. */
  take(from: Side, address: Address, datagram: Uint8Array): void {
    this.#ends[from] = address;
    const to = from === "left" ? "right" : "left";
    for (const arriving of this.carry(datagram, to)) this.inject(arriving, to);
  }

  close(): void {
    for (const side of ["left", "right"] as const) this.#sockets[side].close();
  }
}
