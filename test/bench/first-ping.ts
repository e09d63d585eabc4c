/** How long it takes from nothing to an answer through the tunnel. */
import { check, libc, Memory } from "../../ffi/libc.ts";
import { AF_INET, encodeSockaddr, SOCKADDR4_BYTES } from "../../ffi/sockaddr.ts";
import { parseIp } from "../../src/base/ip.ts";
import type { Namespace } from "../support/namespaces.ts";
import type { Stage } from "./stage.ts";
import type { Running } from "./tools.ts";

const SOCK_RAW_NONBLOCK_CLOEXEC = 3 | 0o4000 | 0o2000000;
const IPPROTO_ICMP = 1;
const ECHO_REQUEST = 8;
const ECHO_BYTES = 8;
const EVERY_MS = 10;
const WITHIN_MS = 30_000;

/**
 * Milliseconds from launching the first process, both at once, to the first echo reply. The requests, every 10 ms, begin
 * when both ends say that they are up: one that met a far end without a socket would wait five seconds for a retry.
 */
export async function startAndPing(
  { a }: Stage,
  start: () => Promise<Running>,
): Promise<{ running: Running; ms: number }> {
  const socket = new EchoSocket(a);
  try {
    const startedAt = performance.now();
    const running = await start();
    let askAt = 0;
    while (!socket.hasReply()) {
      const now = performance.now();
      if (now - startedAt > WITHIN_MS) throw new Error(`no echo reply within ${WITHIN_MS} ms of the start`);
      if (now >= askAt) {
        socket.ask(running.to);
        askAt = now + EVERY_MS;
      }
      await Bun.sleep(1);
    }
    return { running, ms: performance.now() - startedAt };
  } finally {
    socket.close();
  }
}

/** A raw ICMP socket in a namespace (icmp(7), RFC 792): type u8, code u8, checksum u16, identifier u16, sequence u16. */
class EchoSocket {
  readonly #fd: number;
  readonly #request = new Memory(ECHO_BYTES);
  readonly #reply = new Memory(256);
  readonly #name = new Memory(SOCKADDR4_BYTES);
  readonly #identifier = process.pid & 0xffff;

  constructor(namespace: Namespace) {
    const type = SOCK_RAW_NONBLOCK_CLOEXEC;
    this.#fd = namespace.enter(() => check("socket", libc().socket(AF_INET, type, IPPROTO_ICMP)));
    const { view } = this.#request;
    view.setUint8(0, ECHO_REQUEST);
    view.setUint16(4, this.#identifier);
    const sum = ECHO_REQUEST * 256 + this.#identifier;
    view.setUint16(2, ~((sum & 0xffff) + (sum >>> 16)));
  }

  /** Sends a request; one that cannot leave yet is lost. */
  ask(to: string): void {
    encodeSockaddr({ host: parseIp(to)!, port: 0 }, this.#name.bytes);
    libc().sendto(this.#fd, this.#request.address, ECHO_BYTES, 0, this.#name.address, SOCKADDR4_BYTES);
  }

  /** Whether a reply to one of ours has come. */
  hasReply(): boolean {
    const { bytes, view, address } = this.#reply;
    for (;;) {
      const length = libc().recvfrom(this.#fd, address, bytes.length, 0, 0, 0);
      if (length < 0) return false;
      const at = (bytes[0]! & 15) * 4; // a raw socket hears the IP header too
      if (length >= at + ECHO_BYTES && bytes[at] === 0 && view.getUint16(at + 4) === this.#identifier) return true;
    }
  }

  close(): void {
    check("close", libc().close(this.#fd));
  }
}
