/**
 * Carries the datagrams of those who have no UDP, over WebSockets: each client that was admitted has sockets of its own here. Only
 * what can be the DHT's or a stream's is carried, and to no address that its operator's own network has, where that network is not the DHT's.
 */
import type { Server, ServerWebSocket } from "bun";
import { isBogon } from "../../base/address-classes.ts";
import { DnetError } from "../../base/error.ts";
import { verify } from "../../crypto/ed25519.ts";
import {
  CHALLENGE_BYTES,
  decodeProxyMessage,
  encodeProxyMessage,
  MAX_PROXY_MESSAGE_BYTES,
  type ProxyMessage,
} from "../../wire/proxy.ts";
import type { DatagramSocket } from "../datagram-socket.ts";
import { systemRandom } from "../entropy.ts";
import { localHosts } from "../gateway/local-network.ts";
import { openUdpSocket } from "../udp-socket.ts";
import { isCarried, proxySignable } from "./carried.ts";

/** Clients at once. Full: the next one is told to come later. */
const MAX_CLIENTS = 1_024;
/** Sockets of one client: two, and one for each punch under way. Full: the next one is not opened. */
const MAX_SOCKETS = 64;
/** How long a client may take to show its key. */
const HELLO_WITHIN_MS = 10_000;
/** What may wait for a client that reads slowly. Full: datagrams to it are lost. */
const MAX_WAITING_BYTES = 1 << 20;
const IDLE_SECONDS = 60;
const TOO_MANY = 1013; // RFC 6455 §7.4 and its registry: try again later
const REFUSED = 1008;

export interface ProxyOptions {
  readonly host: string;
  /** TCP. 0 for a free one. */
  readonly port: number;
  readonly admits: (publicKey: Uint8Array) => boolean;
  /**
   * What clients call this machine, beside its own addresses: `HOST`, or `HOST:PORT`. A client signs the name that it asked for, and no
   * other is taken: so a proxy that one of ours uses elsewhere cannot pass as that one here.
   */
  readonly names: readonly string[];
  /** Whether addresses that the internet does not route may be sent to: in a network of one's own. */
  readonly carriesPrivate: boolean;
}

interface Client {
  readonly random: Uint8Array;
  /** As it named us. */
  readonly host: string;
  readonly sockets: Map<number, DatagramSocket | null>;
  isAdmitted: boolean;
  late: ReturnType<typeof setTimeout> | null;
}

type Socket = ServerWebSocket<Client>;

export class ProxyServer {
  readonly #options: ProxyOptions;
  readonly #server: Server<Client>;
  readonly #clients = new Set<Socket>();

  /** Throws DnetError when the port cannot be had. */
  constructor(options: ProxyOptions) {
    this.#options = options;
    this.#server = this.#listen();
  }

  get port(): number {
    return this.#server.port!;
  }

  /** Clients that were admitted. */
  get size(): number {
    return [...this.#clients].filter(({ data }) => data.isAdmitted).length;
  }

  async close(): Promise<void> {
    await this.#server.stop(true);
  }

  #listen(): Server<Client> {
    const { host, port } = this.#options;
    try {
      return Bun.serve<Client>({
        hostname: host,
        port,
        fetch: (request, server) => this.#upgrade(request, server),
        websocket: {
          maxPayloadLength: MAX_PROXY_MESSAGE_BYTES,
          idleTimeout: IDLE_SECONDS,
          open: (socket) => this.#opened(socket),
          message: (socket, message) => void this.#receive(socket, message),
          close: (socket) => this.#closed(socket),
        },
      });
    } catch (cause) {
      const message = `TCP ${host}:${port} cannot be listened on: ${(cause as Error).message}`;
      throw new DnetError("PORT_IN_USE", message, { failure: "configuration", hint: "choose another port", cause });
    }
  }

  #upgrade(request: Request, server: Server<Client>): Response | undefined {
    const random = systemRandom.bytes(CHALLENGE_BYTES);
    const host = (request.headers.get("host") ?? "").toLowerCase();
    if (!this.#isOurs(host)) {
      const words = `This machine is not known as ${JSON.stringify(host)}; its operator can say so: dnet dht proxy --name\n`;
      return new Response(words, { status: 421 });
    }
    const data: Client = { random, host, sockets: new Map(), isAdmitted: false, late: null };
    if (server.upgrade(request, { data })) return undefined;
    return new Response("This carries the DHT's datagrams over WebSocket; see dnet dht proxy --help.\n", {
      status: 426,
    });
  }

  /** Whether `host`, as the request has it, is a name of ours. */
  #isOurs(host: string): boolean {
    const own = localHosts("0.0.0.0").concat("127.0.0.1", "localhost");
    const names = [
      ...own.map((name) => `${name}:${this.port}`),
      ...this.#options.names.map((name) => name.toLowerCase()),
    ];
    return names.some((name) => host === name || host === `${name}:${this.port}`);
  }

  #opened(socket: Socket): void {
    if (this.#clients.size >= MAX_CLIENTS) return socket.close(TOO_MANY);
    this.#clients.add(socket);
    socket.data.late = setTimeout(() => socket.close(REFUSED), HELLO_WITHIN_MS);
    socket.sendBinary(encodeProxyMessage({ type: "challenge", random: socket.data.random }));
  }

  #closed(socket: Socket): void {
    this.#clients.delete(socket);
    if (socket.data.late) clearTimeout(socket.data.late);
    for (const each of socket.data.sockets.values()) each?.close();
    socket.data.sockets.clear();
  }

  async #receive(socket: Socket, bytes: string | Buffer): Promise<void> {
    const message = typeof bytes === "string" ? null : decodeProxyMessage(bytes);
    const { data } = socket;
    if (!message) return socket.close(REFUSED);
    if (message.type === "hello" && !data.isAdmitted) return this.#admit(socket, message);
    if (!data.isAdmitted) return socket.close(REFUSED);
    switch (message.type) {
      case "open":
        return this.#open(socket, message.socket);
      case "close":
        data.sockets.get(message.socket)?.close();
        data.sockets.delete(message.socket);
        return;
      case "datagram": {
        const { address, hops } = message;
        const mayGo = isCarried(message.bytes) && (this.#options.carriesPrivate || !isBogon(address.host));
        if (mayGo) data.sockets.get(message.socket)?.send(address, message.bytes.slice(), hops || undefined);
      }
    }
  }

  #admit(socket: Socket, { publicKey, signature }: { publicKey: Uint8Array; signature: Uint8Array }): void {
    const { data } = socket;
    const isTheirs = verify(signature, proxySignable(data.random, data.host), publicKey);
    if (!isTheirs || !this.#options.admits(publicKey)) return socket.close(REFUSED);
    data.isAdmitted = true;
    if (data.late) clearTimeout(data.late);
  }

  async #open(socket: Socket, number: number): Promise<void> {
    const { sockets } = socket.data;
    const answer = (port: number) => this.#say(socket, { type: "opened", socket: number, port });
    if (sockets.has(number) || sockets.size >= MAX_SOCKETS) return answer(0);
    sockets.set(number, null);
    const opened = await openUdpSocket({ host: "0.0.0.0", port: 0 }).catch(() => null);
    if (!opened) sockets.delete(number);
    if (!opened) return answer(0);
    if (!sockets.has(number)) return opened.close(); // closed, or gone, meanwhile
    sockets.set(number, opened);
    opened.onDatagram((address, bytes) => {
      if (isCarried(bytes)) this.#say(socket, { type: "datagram", socket: number, address, hops: 0, bytes });
    });
    answer(opened.address.port);
  }

  /** Lost, when too much waits already. */
  #say(socket: Socket, message: ProxyMessage): void {
    if (socket.getBufferedAmount() <= MAX_WAITING_BYTES) socket.sendBinary(encodeProxyMessage(message));
  }
}
