/** One end of a tunnel in this very thread: the protocol's machine, the datapath, and memory for a TUN and a network. */
import type { Address } from "../../src/base/address.ts";
import { parsePrefix } from "../../src/base/ip.ts";
import { Arena } from "../../src/io/datapath/arena.ts";
import { DATAPATH_ARENA_BYTES, Datapath } from "../../src/io/datapath/datapath.ts";
import type { DatagramPort } from "../../src/io/datapath/inbound.ts";
import { type MemoryNetwork, MemoryTun } from "../../src/io/datapath/memory-ports.ts";
import { COLUMN, Stats } from "../../src/io/datapath/stats.ts";
import { VNET_BYTES } from "../../src/io/datapath/vnet-header.ts";
import { systemRandom } from "../../src/io/entropy.ts";
import { SUITE_D } from "../../src/tunnel/suite.ts";
import { Tunnel, type TunnelOutput } from "../../src/tunnel/tunnel.ts";

const SOCKET_BYTES = 65_536;
const MTU = 1420;
/** The one peer that each end has. */
const PEER = 0;

export class MemoryEnd {
  readonly stats = new Stats(1);
  readonly tunnel: Tunnel;
  readonly #tun: MemoryTun;
  readonly #datapath: Datapath<Address>;
  readonly #port: DatagramPort<Address>;
  /** What the datapath told the protocol in a turn; it hears of it after the turn, as over a thread's border. */
  readonly #told: ((now: number) => void)[] = [];
  #hasReceived = false;

  constructor(
    network: MemoryNetwork,
    readonly address: Address,
    /** Its IPv4 address inside the tunnel. */
    readonly inner: string,
  ) {
    const arena = new Arena(DATAPATH_ARENA_BYTES + SOCKET_BYTES);
    const { stats } = this;
    this.#tun = new MemoryTun(arena);
    const sockets = network.bind(address, arena, true);
    const port = sockets.ports[0]!;
    const receive = () => {
      const count = port.receive();
      this.#hasReceived ||= count > 0;
      return count;
    };
    this.#port = { ...port, receive };
    this.tunnel = new Tunnel({
      privateKey: systemRandom.bytes(32),
      random: systemRandom,
      unixOriginMs: Date.now() - performance.now(),
      activity: (peer) => ({
        unansweredSince: stats.get(peer, COLUMN.unansweredSince),
        unheardSince: stats.get(peer, COLUMN.unheardSince),
        lastTraversalAt: stats.get(peer, COLUMN.lastTraversalAt),
      }),
    });
    const tell = (what: (now: number) => void) => void this.#told.push(what);
    this.#datapath = new Datapath({
      arena,
      tun: this.#tun,
      sockets: { ...sockets, ports: [this.#port] },
      stats,
      mtu: MTU,
      control: {
        want: (peer) => tell((now) => this.tunnel.want(now, peer)),
        tooBig: () => {}, // memory has no narrow links
        confirmed: (peer, localIndex) => tell((now) => this.tunnel.confirmed(now, peer, localIndex)),
        roamed: (peer, to) => tell((now) => this.tunnel.roamed(now, peer, to)),
        hasRoom: () => true,
        datagram: (from, view) => {
          const datagram = view.slice();
          tell((now) => this.tunnel.receive(now, from, datagram));
        },
      },
    });
  }

  /** Makes the other end its peer. */
  know({ tunnel, address, inner }: MemoryEnd): void {
    const { publicKey } = tunnel;
    this.tunnel.addPeer({ publicKey, presharedKey: null, suite: SUITE_D, endpoint: address, persistentKeepaliveMs: 0 });
    const allowed = [parsePrefix(`${inner}/32`)!];
    this.#apply({ type: "peer", peer: PEER, suite: "dnet", superPackets: true, allowed });
    this.#apply({ type: "endpoint", peer: PEER, address });
  }

  /** Takes a packet from this end's programs. */
  send(packet: Uint8Array): void {
    const withHeader = new Uint8Array(VNET_BYTES + packet.length);
    withHeader.set(packet, VNET_BYTES);
    this.#tun.incoming.push(withHeader);
  }

  /** Hands over what came for this end's programs. */
  take(): Uint8Array[] {
    return this.#tun.outgoing.splice(0).map((packet) => packet.subarray(VNET_BYTES));
  }

  /** Moves what is there to move; false when there was nothing. */
  turn(): boolean {
    const now = performance.now();
    const hadPackets = this.#tun.incoming.length > 0;
    this.#hasReceived = false;
    this.#datapath.turnTun(now);
    this.#datapath.turnSocket(now, this.#port);
    const told = this.#told.splice(0);
    for (const tell of told) tell(now);
    this.tunnel.advance(now);
    for (const output of this.tunnel.drain()) this.#obey(output);
    return hadPackets || this.#hasReceived || told.length > 0;
  }

  close(): void {
    this.#datapath.close();
  }

  #obey(output: TunnelOutput): void {
    if (output.type === "send") return this.#datapath.send(output.to, output.datagram);
    if (output.type !== "session") return this.#apply(output);
    const { suite, ...keys } = output.keys;
    this.#apply({ type: "session", peer: output.peer, keys: { ...keys, suite: suite.name } });
  }

  #apply(command: Parameters<Datapath<Address>["apply"]>[1]): void {
    this.#datapath.apply(performance.now(), command);
  }
}
