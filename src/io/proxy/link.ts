/**
 * UDP sockets that another machine has for us, over a WebSocket to it. When that breaks, they are opened anew there, at other ports, as
 * after a change of network; what is sent meanwhile is lost, as it might be on its way.
 */
import type { Address } from "../../base/address.ts";
import { DnetError } from "../../base/error.ts";
import { type KeyPair, sign } from "../../crypto/ed25519.ts";
import { decodeProxyMessage, encodeProxyMessage, type ProxyMessage } from "../../wire/proxy.ts";
import { type DatagramSocket, sendApart } from "../datagram-socket.ts";
import { isCarried, proxySignable } from "./carried.ts";

/** How long the proxy may take to be there, and to open a socket. */
const OPEN_WITHIN_MS = 10_000;
/** Pauses before it is called again. */
const RETRY_MS = [250, 1_000, 5_000, 15_000];
/** What may wait to be sent. Full: datagrams are lost. */
const MAX_WAITING_BYTES = 1 << 20;
const MAX_SOCKETS = 65_536;
const REFUSED = 1008; // RFC 6455 §7.4.1

export interface ProxyLinkOptions {
  /** `ws://HOST:PORT` or `wss://HOST`. */
  readonly url: string;
  readonly keyPair: KeyPair;
  /** The sockets are at other ports than before. */
  readonly onMoved: () => void;
}

export class ProxyLink {
  readonly #options: ProxyLinkOptions;
  readonly #sockets = new Map<number, ProxiedSocket>();
  #nextSocket = 0;
  #webSocket: WebSocket | null = null;
  #isReady = false;
  #isClosed = false;
  #failures = 0;
  #retry: ReturnType<typeof setTimeout> | null = null;

  constructor(options: ProxyLinkOptions) {
    this.#options = options;
  }

  /** Opens one more socket. Throws DnetError when the proxy is not there, does not admit us, or has no more. */
  async open(): Promise<DatagramSocket> {
    while (this.#sockets.has(this.#nextSocket)) this.#nextSocket = (this.#nextSocket + 1) % MAX_SOCKETS;
    const socket = new ProxiedSocket(this, this.#nextSocket);
    this.#sockets.set(socket.number, socket);
    if (this.#isReady) this.say({ type: "open", socket: socket.number });
    else if (!this.#webSocket && !this.#retry) this.#call();
    const late = setTimeout(() => socket.refuse("does not answer, or does not admit this key"), OPEN_WITHIN_MS);
    try {
      await socket.opened;
    } catch (reason) {
      this.forget(socket.number);
      throw new DnetError("PROXY_FAILED", `the proxy ${this.#options.url} ${reason}`, {
        failure: "unreachable",
        hint: "check the address, and that it was told to --admit this key",
      });
    } finally {
      clearTimeout(late);
    }
    return socket;
  }

  /** Nothing is sent or received any more. */
  close(): void {
    this.#isClosed = true;
    if (this.#retry) clearTimeout(this.#retry);
    this.#webSocket?.close();
    this.#sockets.clear();
  }

  // For its sockets.

  say(message: ProxyMessage): void {
    const socket = this.#webSocket;
    if (this.#isReady && socket && socket.bufferedAmount <= MAX_WAITING_BYTES) socket.send(encodeProxyMessage(message));
  }

  forget(number: number): void {
    if (!this.#sockets.delete(number)) return;
    this.say({ type: "close", socket: number });
    if (this.#sockets.size === 0) this.close();
  }

  #call(): void {
    this.#retry = null;
    const socket = new WebSocket(this.#options.url);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      const message = data instanceof ArrayBuffer ? decodeProxyMessage(new Uint8Array(data)) : null;
      if (message && socket === this.#webSocket) this.#receive(message);
    };
    socket.onclose = ({ code }) => this.#broken(socket, code);
    this.#webSocket = socket;
  }

  #broken(socket: WebSocket, code: number): void {
    if (socket !== this.#webSocket) return;
    if (code === REFUSED) for (const each of this.#sockets.values()) each.refuse("does not admit this key"); // those that wait
    this.#webSocket = null;
    this.#isReady = false;
    if (this.#isClosed) return;
    this.#retry = setTimeout(() => this.#call(), RETRY_MS[Math.min(this.#failures++, RETRY_MS.length - 1)]);
  }

  #receive(message: ProxyMessage): void {
    switch (message.type) {
      case "challenge":
        return this.#introduce(message.random);
      case "opened":
        return this.#opened(message.socket, message.port);
      case "datagram":
        return this.#sockets.get(message.socket)?.receive(message.address, message.bytes.slice());
    }
  }

  #introduce(random: Uint8Array): void {
    const { keyPair, url } = this.#options;
    const signature = sign(proxySignable(random, new URL(url).host), keyPair.secretKey);
    this.#isReady = true;
    this.say({ type: "hello", publicKey: keyPair.publicKey, signature });
    for (const number of this.#sockets.keys()) this.say({ type: "open", socket: number });
  }

  #opened(number: number, port: number): void {
    this.#failures = 0;
    const socket = this.#sockets.get(number);
    if (!socket) return;
    if (port === 0) return socket.refuse("has no more sockets for us");
    if (socket.openedAt(port)) this.#options.onMoved();
  }
}

class ProxiedSocket implements DatagramSocket {
  address: Address = { host: "0.0.0.0", port: 0 };
  readonly opened: Promise<void>;
  readonly #opening = Promise.withResolvers<void>();
  #handler: (from: Address, datagram: Uint8Array) => void = () => {};

  constructor(
    readonly link: ProxyLink,
    readonly number: number,
  ) {
    this.opened = this.#opening.promise;
    this.opened.catch(() => {}); // whoever opens it is told
  }

  onDatagram(handler: (from: Address, datagram: Uint8Array) => void): void {
    this.#handler = handler;
  }

  send(address: Address, bytes: Uint8Array, hops = 0): void {
    if (isCarried(bytes) && address.port !== 0) {
      this.link.say({ type: "datagram", socket: this.number, address, hops, bytes });
    }
  }

  sendRun(to: Address, run: Uint8Array, segmentBytes: number): void {
    sendApart(this, to, run, segmentBytes);
  }

  close(): void {
    this.#handler = () => {};
    this.link.forget(this.number);
  }

  receive(from: Address, datagram: Uint8Array): void {
    this.#handler(from, datagram);
  }

  refuse(reason: string): void {
    this.#opening.reject(reason);
  }

  /** Returns whether it was at another port before. */
  openedAt(port: number): boolean {
    const hasMoved = this.address.port !== 0 && this.address.port !== port;
    this.address = { host: "0.0.0.0", port };
    this.#opening.resolve();
    return hasMoved;
  }
}
