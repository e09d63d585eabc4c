/** Our UDX over real sockets on loopback, with a user that sends a pattern and hashes what it gets; and a bad network between two ends. */
import { createHash } from "node:crypto";
import type { DatagramSocket } from "../../src/io/datagram-socket.ts";
import { type Drive, drive } from "../../src/io/drive.ts";
import { openUdpSocket } from "../../src/io/udp-socket.ts";
import type { UdxStream } from "../../src/transport/udx/stream.ts";
import type { CloseReason, StreamOwner } from "../../src/transport/udx/stream-owner.ts";
import { Udx } from "../../src/transport/udx/udx.ts";
import { SeededRandom } from "./random.ts";
import { patternByte } from "./udx-sim.ts";

export const LOOPBACK = "127.0.0.1";
const CHUNK_BYTES = 65_536;

export class RealUdx {
  readonly udx = new Udx();
  readonly #sockets = new Map<string, DatagramSocket>();
  readonly #drive: Drive = drive(this.udx, ({ socket, to, datagram, segmentBytes }) => {
    const bytes = segmentBytes || datagram.length;
    for (let at = 0; at < datagram.length; at += bytes) {
      this.#sockets.get(socket)!.send(to, datagram.subarray(at, at + bytes));
    }
  });

  /** Returns its port. */
  async bind(name: string): Promise<number> {
    const socket = await openUdpSocket({ host: LOOPBACK, port: 0 });
    this.#sockets.set(name, socket);
    socket.onDatagram((from, datagram) => this.input((now) => this.udx.receive(now, name, from, datagram)));
    return socket.address.port;
  }

  input(feed: (now: number) => void): void {
    this.#drive.input(feed);
  }

  close(): void {
    this.#drive.stop();
    for (const socket of this.#sockets.values()) socket.close();
  }
}

/** Sends a pattern when told to; what it gets it counts and hashes. */
export class PatternUser implements StreamOwner {
  received = 0;
  sha256: string | null = null;
  reason: CloseReason | undefined;
  hasEnded = false;
  readonly messages: string[] = [];
  remoteChanges = 0;
  #hash = createHash("sha256");
  #plan = { bytes: 0, salt: 0, ends: true };
  #written = 0;

  send(stream: UdxStream, plan: { bytes: number; salt: number; ends?: boolean }): void {
    this.#plan = { ends: true, ...plan };
    this.#written = 0;
    this.writable(0, stream);
  }

  writable(_now: number, stream: UdxStream): void {
    const { bytes, salt, ends } = this.#plan;
    let isRoom = true;
    while (isRoom && this.#written < bytes) {
      const chunk = pattern(this.#written, Math.min(CHUNK_BYTES, bytes - this.#written), salt);
      this.#written += chunk.length;
      isRoom = stream.write(chunk);
    }
    if (this.#written === bytes && ends) stream.end();
  }

  data(_now: number, stream: UdxStream, bytes: Uint8Array): void {
    this.received += bytes.length;
    this.#hash.update(bytes);
    stream.consumed(bytes.length);
  }

  ended(): void {
    this.hasEnded = true;
    this.sha256 = this.#hash.digest("hex");
  }

  message(_now: number, _stream: UdxStream, bytes: Uint8Array): void {
    this.messages.push(new TextDecoder().decode(bytes));
  }

  remoteChanged(): void {
    this.remoteChanges++;
  }

  closed(_now: number, _stream: UdxStream, reason: CloseReason): void {
    this.reason = reason;
  }
}

export function patternHash(bytes: number, salt: number): string {
  const hash = createHash("sha256");
  for (let at = 0; at < bytes; at += CHUNK_BYTES) hash.update(pattern(at, Math.min(CHUNK_BYTES, bytes - at), salt));
  return hash.digest("hex");
}

function pattern(from: number, length: number, salt: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = patternByte(from + i, salt);
  return bytes;
}

export interface BadNetwork {
  readonly loss?: number;
  readonly duplication?: number;
  /** Which share is held back, by up to so many milliseconds. */
  readonly reordering?: number;
  readonly reorderMs?: number;
  readonly delayMs?: number;
}

/** Stands between two ends: what comes to `portForA` goes to B from the other port, and the other way round. */
export async function badNetwork(seed: number, toA: number, toB: number, weather: BadNetwork) {
  const { loss = 0, duplication = 0, reordering = 0, reorderMs = 8, delayMs = 0 } = weather;
  const random = new SeededRandom(seed);
  let carried = 0;
  const open = () => openUdpSocket({ host: LOOPBACK, port: 0 });
  const atA = await open();
  let atB = await open();
  const carry = (out: () => DatagramSocket, port: number) => (_from: unknown, datagram: Uint8Array) => {
    carried++;
    if (random.chance(loss)) return;
    const copies = random.chance(duplication) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const heldMs = delayMs + (random.chance(reordering) ? random.between(0, reorderMs) : 0);
      const send = () => out().send({ host: LOOPBACK, port }, datagram);
      if (heldMs > 0) setTimeout(send, heldMs);
      else send();
    }
  };
  atA.onDatagram(carry(() => atB, toB));
  const toClient = carry(() => atA, toA);
  atB.onDatagram(toClient);
  return {
    portForA: atA.address.port,
    portForB: atB.address.port,
    /** Datagrams that came to it. */
    get carried() {
      return carried;
    },
    /** From now on B sees A at another port, and what it sends to the one before is lost: as when a NAT forgets. */
    async rebind(): Promise<void> {
      const before = atB;
      atB = await open();
      atB.onDatagram(toClient);
      before.close();
    },
    close() {
      atA.close();
      atB.close();
    },
  };
}
