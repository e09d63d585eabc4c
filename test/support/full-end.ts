/** A whole end of a tunnel in one thread: the protocol's machine and the datapath over memory, wired as `src/io/tunnel.ts` does. */
import type { Address } from "../../src/base/address.ts";
import { parsePrefix } from "../../src/base/ip.ts";
import type { MemoryNetwork } from "../../src/io/datapath/memory-ports.ts";
import { SUITE_D, SUITE_W } from "../../src/tunnel/suite.ts";
import { Tunnel, type TunnelOutput } from "../../src/tunnel/tunnel.ts";
import { DatapathEnd, type EndOptions } from "./datapath-pair.ts";
import type { SeededRandom } from "./random.ts";
import { UNIX_ORIGIN_MS } from "./tunnel-ends.ts";

export interface FullEndOptions extends EndOptions {
  readonly network: MemoryNetwork;
  readonly address: Address;
  readonly privateKey: Uint8Array;
  readonly remotePublicKey: Uint8Array;
  readonly suite: "wireguard" | "dnet";
  readonly endpoint: Address | null;
  readonly persistentKeepaliveMs: number;
  /** The inner addresses of its one peer, number 0. */
  readonly allowed: readonly string[];
  readonly random: SeededRandom;
}

export class FullEnd {
  readonly tunnel: Tunnel;
  readonly path: DatapathEnd;
  /** What the datapath told, not yet passed on: it must not be called back while it is at work. */
  readonly #told: ((now: number) => void)[] = [];

  constructor(options: FullEndOptions) {
    const { network, address, privateKey, remotePublicKey, suite, endpoint, persistentKeepaliveMs, random } = options;
    const tell = (event: (now: number) => void) => this.#told.push(event);
    this.path = new DatapathEnd(network, address, {
      ...options,
      control: {
        want: (peer) => tell((now) => this.tunnel.want(now, peer)),
        tooBig: () => {},
        confirmed: (peer, index) => tell((now) => this.tunnel.confirmed(now, peer, index)),
        roamed: (peer, from) => tell((now) => this.tunnel.roamed(now, peer, from)),
        hasRoom: () => true,
        datagram: (from, view) => {
          const datagram = view.slice();
          tell((now) => this.tunnel.receive(now, from, datagram));
        },
      },
    });
    const activity = (peer: number) => this.path.activity(peer);
    this.tunnel = new Tunnel({ privateKey, random, unixOriginMs: UNIX_ORIGIN_MS, activity });
    this.tunnel.addPeer({
      publicKey: remotePublicKey,
      presharedKey: null,
      suite: suite === "dnet" ? SUITE_D : SUITE_W,
      endpoint,
      persistentKeepaliveMs,
    });
    const allowed = options.allowed.map((text) => parsePrefix(text)!);
    this.path.datapath.apply(0, { type: "peer", peer: 0, suite, superPackets: true, allowed });
    if (endpoint) this.path.datapath.apply(0, { type: "endpoint", peer: 0, address: endpoint });
  }

  deadline(): number {
    return this.tunnel.deadline();
  }

  advance(now: number): void {
    this.tunnel.advance(now);
    this.#settle(now);
  }

  /** Sends what came from the TUN, each behind its vnet header. */
  send(now: number, packets: readonly Uint8Array[]): void {
    this.path.send(now, packets);
    this.#settle(now);
  }

  /** Receives what lies in the socket, and returns the packets that came out of the TUN. */
  receive(now: number): Uint8Array[] {
    const packets = this.path.receive(now);
    this.#settle(now);
    return [...packets, ...this.path.takeDelivered()];
  }

  /** Passes on what each of the two told the other, until neither has anything more to say. */
  #settle(now: number): void {
    for (;;) {
      for (const event of this.#told.splice(0)) event(now);
      const outputs = this.tunnel.drain();
      for (const output of outputs) this.#obey(now, output);
      if (outputs.length === 0 && this.#told.length === 0) return;
    }
  }

  #obey(now: number, output: TunnelOutput): void {
    if (output.type === "send") return this.path.datapath.send(output.to, output.datagram);
    if (output.type !== "session") return this.path.datapath.apply(now, output);
    const { suite, ...keys } = output.keys;
    this.path.datapath.apply(now, { type: "session", peer: output.peer, keys: { ...keys, suite: suite.name } });
  }
}
