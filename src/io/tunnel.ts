/**
 * A static tunnel (`dnet tunnel up`): the protocol's machine on this thread, packets in the datapath's Worker, and what ties the two
 * together: an interface, sockets, a clock, names that are resolved again, and the control socket.
 */
import { monotonicMs } from "../../ffi/libc.ts";
import type { UdpSocket } from "../../ffi/udp-linux.ts";
import { type Address, formatAddress } from "../base/address.ts";
import { assert } from "../base/assert.ts";
import { DnetError } from "../base/error.ts";
import { formatPrefix } from "../base/ip.ts";
import { SUITE_D, SUITE_W } from "../tunnel/suite.ts";
import { Tunnel, type TunnelOutput } from "../tunnel/tunnel.ts";
import { type ControlHandlers, serveControl } from "./control-socket.ts";
import type { DatagramSocket } from "./datagram-socket.ts";
import { cipherProvider } from "./datapath/cipher.ts";
import { DatapathLink, MAX_PEERS } from "./datapath/link.ts";
import { COLUMN, NO_PEER } from "./datapath/stats.ts";
import type { WorkerEvent } from "./datapath/worker.ts";
import { type Drive, drive } from "./drive.ts";
import { NamedEndpoint, resolveEndpoint } from "./endpoints.ts";
import { systemRandom } from "./entropy.ts";
import { createInterface, type NetworkInterface } from "./network-interface.ts";
import { LEAST_MTU, type TunnelConfig, type TunnelPeerConfig } from "./tunnel-config.ts";
import type { TunnelPeerView, TunnelView } from "./tunnel-view.ts";
import { openUdpPorts } from "./udp-ports.ts";
import { Underlay } from "./underlay.ts";

export interface TunnelRunOptions {
  onReady(view: TunnelView): void;
  log(line: string): void;
  /** Is given the tunnel's UDP port as other protocols may use it; left out, what is theirs is dropped and counted. */
  share?(socket: DatagramSocket): void;
  readonly signal: AbortSignal;
}

const DEFAULT_LINK_MTU = 1500;
/** IPv6, UDP, the frame's header and the tag: kept free of a link's MTU over IPv4 too, as in WireGuard. */
const TUNNEL_OVERHEAD_BYTES = 80;
/** How often the network below is asked whether it has changed. */
const NETWORK_LOOK_MS = 1_000;
/** How often names and paths are looked at again. */
const LOOK_EVERY_MS = 30_000;
/** A session that nothing renewed for this long is dead: perhaps the name leads elsewhere by now. */
const SILENT_AFTER_MS = 135_000;

/** Runs until `signal` is aborted or the tunnel is stopped through its socket; then everything it made is gone. Throws DnetError. */
export async function runTunnel(config: TunnelConfig, options: TunnelRunOptions): Promise<void> {
  if (config.peers.length > MAX_PEERS) {
    throw new DnetError("TOO_MANY_PEERS", `${config.name} has ${config.peers.length} peers; at most ${MAX_PEERS} fit`, {
      failure: "configuration",
      hint: "spread them over several interfaces",
    });
  }
  const resolved = await Promise.all(config.peers.map(({ endpoint }) => endpoint && resolveEndpoint(endpoint)));
  for (const [i, { endpoint }] of config.peers.entries()) {
    if (endpoint && !resolved[i]) options.log(`${endpoint.host} does not resolve just now; it is asked for again`);
  }
  await new RunningTunnel(config, options, openParts(config, resolved), resolved).run();
}

/** What a tunnel holds of the system. */
interface Parts {
  readonly underlay: Underlay;
  readonly sockets: readonly UdpSocket[];
  readonly device: NetworkInterface;
}

/** Opens all of it or nothing. */
function openParts(config: TunnelConfig, resolved: readonly (Address | null)[]): Parts {
  const { name, addresses, listenPort } = config;
  const sockets = openUdpPorts(listenPort);
  const underlay = new Underlay();
  try {
    const routes = config.peers.flatMap(({ allowedAddresses }) => allowedAddresses);
    const mtus = resolved.map((address) => (address && underlay.mtuTo(address.host)) ?? DEFAULT_LINK_MTU);
    const least = addresses.some(({ bytes }) => bytes.length === 16) ? LEAST_MTU[6] : LEAST_MTU[4];
    const mtu = config.mtu ?? Math.max(least, Math.min(DEFAULT_LINK_MTU, ...mtus) - TUNNEL_OVERHEAD_BYTES);
    return { underlay, sockets, device: createInterface({ name, mtu, addresses, routes }) };
  } catch (error) {
    underlay.close();
    for (const socket of sockets) socket.close();
    throw error;
  }
}

class RunningTunnel implements ControlHandlers {
  readonly #config: TunnelConfig;
  readonly #options: TunnelRunOptions;
  readonly #parts: Parts;
  readonly #tunnel: Tunnel;
  readonly #link: DatapathLink;
  readonly #drive: Drive;
  readonly #names: NamedEndpoint[];
  readonly #limited = new Map<number, number>(); // peers whose path is narrower than the interface, and how wide it is
  readonly #startedAt = new Date();
  readonly #stopping = Promise.withResolvers<void>();
  readonly #stopped = Promise.withResolvers<void>();
  #failure: Error | null = null;

  constructor(config: TunnelConfig, options: TunnelRunOptions, parts: Parts, resolved: readonly (Address | null)[]) {
    this.#config = config;
    this.#options = options;
    this.#parts = parts;
    const { device, sockets } = parts;
    this.#link = new DatapathLink({
      tun: device.tun,
      sockets,
      mtu: device.mtu,
      handlers: {
        onEvent: (event) => this.#onEvent(event),
        onDatagram: (from, datagram) => this.#drive.input((now) => this.#tunnel.receive(now, from, datagram)),
      },
    });
    const { stats } = this.#link;
    this.#tunnel = new Tunnel({
      privateKey: config.privateKey,
      random: systemRandom,
      unixOriginMs: Date.now() - monotonicMs(),
      activity: (peer) => ({
        unansweredSince: stats.get(peer, COLUMN.unansweredSince),
        unheardSince: stats.get(peer, COLUMN.unheardSince),
        lastTraversalAt: stats.get(peer, COLUMN.lastTraversalAt),
      }),
    });
    for (const [i, peer] of config.peers.entries()) this.#addPeer(i, peer, resolved[i] ?? null);
    this.#names = config.peers.map(
      ({ endpoint }, i) => new NamedEndpoint(endpoint ?? NO_ENDPOINT, resolved[i] ?? null),
    );
    this.#avoidOwnRoutes();
    this.#drive = drive(this.#tunnel, (output) => this.#obey(output));
  }

  async run(): Promise<void> {
    const { signal, log, onReady, share } = this.#options;
    const stop = () => this.#stopping.resolve();
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    const control = serveControl(this.#config.name, this);
    const looks = [
      setInterval(() => this.#lookAgain(), LOOK_EVERY_MS),
      setInterval(() => this.#parts.underlay.hasChanged() && this.#followNetwork(), NETWORK_LOOK_MS),
    ];
    try {
      const isUp = this.#link.ready.then(() => true);
      if (await Promise.race([isUp, this.#stopping.promise.then(() => false)])) {
        share?.(this.#link.share());
        onReady(this.view());
      }
      await this.#stopping.promise;
      log(`stopping ${this.#config.name}`);
    } finally {
      for (const look of looks) clearInterval(look);
      this.#drive.stop();
      await this.#link.stop();
      control.hide();
      this.#parts.device.close();
      this.#parts.underlay.close();
      for (const socket of this.#parts.sockets) socket.close();
      this.#stopped.resolve();
      await control.close();
    }
    if (this.#failure) throw this.#failure;
  }

  async stop(): Promise<void> {
    this.#stopping.resolve();
    await this.#stopped.promise;
  }

  view(): TunnelView {
    const { name, addresses, peers } = this.#config;
    const now = monotonicMs();
    return {
      schema: "dnet.tunnel/1",
      name,
      publicKey: base64(this.#tunnel.publicKey),
      listenPort: this.#parts.sockets[0]!.port,
      mtu: this.#parts.device.mtu,
      addresses: addresses.map(formatPrefix),
      pid: process.pid,
      startedAt: this.#startedAt.toISOString(),
      features: this.#features(),
      counters: sum(this.#link.stats.drops(NO_PEER), this.#tunnel.counters),
      peers: peers.map((peer, i) => this.#peerView(now, peer, i)),
    };
  }

  #features(): TunnelView["features"] {
    const { device, sockets } = this.#parts;
    const { vnetHeader, offloads } = device.tun;
    const every = (feature: (socket: UdpSocket) => boolean) => sockets.every(feature);
    return {
      "tun-vnet-header": vnetHeader,
      "tun-checksum": offloads.checksum,
      "tun-tso": offloads.tso,
      "tun-uso": offloads.uso,
      "tun-gso-size": device.gsoMaxSize,
      "udp-gso": every(({ features }) => features.gso),
      "udp-gro": every(({ features }) => features.gro),
      "udp-pktinfo": every(({ features }) => features.pktinfo),
      ipv6: sockets.some(({ family }) => family === 6),
      "aes-256-gcm": cipherProvider("aes-256-gcm"),
      "chacha20-poly1305": cipherProvider("chacha20-poly1305"),
    };
  }

  #peerView(now: number, peer: TunnelPeerConfig, i: number): TunnelPeerView {
    const { stats } = this.#link;
    const live = this.#tunnel.peer(now, i);
    assert(live, "every configured peer is in the tunnel");
    const handshakeAt = live.lastHandshakeAt;
    return {
      publicKey: base64(peer.publicKey),
      presharedKey: peer.presharedKey !== null,
      suite: peer.suite,
      endpoint: live.endpoint && formatAddress(live.endpoint),
      allowedAddresses: peer.allowedAddresses.map(formatPrefix),
      latestHandshakeSecondsAgo: handshakeAt === null ? null : Math.floor((now - handshakeAt) / 1000),
      receivedBytes: stats.get(i, COLUMN.receivedBytes),
      sentBytes: stats.get(i, COLUMN.sentBytes),
      receivedPackets: stats.get(i, COLUMN.receivedPackets),
      sentPackets: stats.get(i, COLUMN.sentPackets),
      persistentKeepaliveSeconds: peer.persistentKeepaliveSeconds || null,
      superPackets: stats.get(i, COLUMN.superPackets) === 1,
      pathMtu: this.#limited.get(i) ?? null,
      drops: stats.drops(i),
    };
  }

  #addPeer(i: number, peer: TunnelPeerConfig, endpoint: Address | null): void {
    const { publicKey, presharedKey, suite, superPackets, allowedAddresses } = peer;
    const number = this.#tunnel.addPeer({
      publicKey,
      presharedKey,
      suite: suite === "dnet" ? SUITE_D : SUITE_W,
      endpoint,
      persistentKeepaliveMs: peer.persistentKeepaliveSeconds * 1000,
    });
    assert(number === i, "a new tunnel numbers its peers in the order they are added");
    this.#link.apply({ type: "peer", peer: i, suite, superPackets, allowed: [...allowedAddresses] });
    if (endpoint) this.#link.apply({ type: "endpoint", peer: i, address: endpoint });
  }

  /** A decision of the protocol's, handed to the datapath. */
  #obey(output: TunnelOutput): void {
    switch (output.type) {
      case "send":
        return this.#link.send(output.to, output.datagram);
      case "session": {
        const { suite, ...keys } = output.keys;
        this.#link.apply({ type: "session", peer: output.peer, keys: { ...keys, suite: suite.name } });
        keys.sendKey.fill(0); // the Worker has its own copies
        keys.receiveKey.fill(0);
        return;
      }
      case "unreachable":
        this.#link.apply(output);
        return void this.#resolveAgain(output.peer);
      default:
        return this.#link.apply(output);
    }
  }

  #onEvent(event: Exclude<WorkerEvent, { type: "datagrams" | "ready" | "stopped" }>): void {
    switch (event.type) {
      case "want":
        return this.#drive.input((now) => this.#tunnel.want(now, event.peer));
      case "confirmed":
        return this.#drive.input((now) => this.#tunnel.confirmed(now, event.peer, event.localIndex));
      case "roamed":
        return this.#drive.input((now) => this.#tunnel.roamed(now, event.peer, event.address));
      case "tooBig":
        return this.#measurePath(event.peer);
      case "failed": {
        const message = `the datapath of ${this.#config.name} stopped: ${event.message}`;
        this.#options.log(message); // in the background nobody reads the error any more
        this.#failure = new DnetError("DATAPATH_FAILED", message, {
          hint: "dnet tunnel up again; if it recurs, report it",
        });
        return this.#stopping.resolve();
      }
    }
  }

  #lookAgain(): void {
    const now = monotonicMs();
    for (const peer of this.#config.peers.keys()) {
      const at = this.#tunnel.peer(now, peer)?.lastHandshakeAt ?? Number.NEGATIVE_INFINITY;
      if (now - at > SILENT_AFTER_MS) void this.#resolveAgain(peer);
    }
    this.#followNetwork();
  }

  #followNetwork(): void {
    for (const peer of this.#limited.keys()) this.#measurePath(peer);
    this.#avoidOwnRoutes();
  }

  async #resolveAgain(peer: number): Promise<void> {
    const name = this.#names[peer];
    if (!name?.isName) return;
    const address = await name.refresh();
    if (!address) return;
    this.#options.log(`${name.endpoint.host} is now ${formatAddress(address)}`);
    this.#drive.input((now) => this.#tunnel.setEndpoint(now, peer, address));
  }

  /** A datagram did not fit, or did not a while ago: asks the kernel what does. */
  #measurePath(peer: number): void {
    const endpoint = this.#tunnel.peer(monotonicMs(), peer)?.endpoint;
    const bytes = endpoint && this.#parts.underlay.mtuTo(endpoint.host);
    if (!endpoint || !bytes || bytes === this.#limited.get(peer)) return;
    this.#limited.set(peer, bytes);
    this.#options.log(`the path to ${formatAddress(endpoint)} takes packets of ${bytes} bytes`);
    this.#link.apply({ type: "pathMtu", peer, bytes, version: endpoint.host.includes(":") ? 6 : 4 });
  }

  #avoidOwnRoutes(): void {
    const { device, sockets, underlay } = this.#parts;
    const now = monotonicMs();
    const endpoints = this.#config.peers.map((_, i) => this.#tunnel.peer(now, i)?.endpoint?.host);
    underlay.avoid(
      device.index,
      sockets,
      endpoints.filter((host) => host !== undefined),
    );
  }
}

/** Stands for a peer that has none: a literal address is never resolved. */
const NO_ENDPOINT = { host: "0.0.0.0", port: 0 };

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

/** Counters by reason, without the zeros; the two threads have some reasons in common. */
function sum(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): { [reason: string]: number } {
  const reasons = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  const totals = reasons.map((reason) => [reason, (a[reason] ?? 0) + (b[reason] ?? 0)] as const);
  return Object.fromEntries(totals.filter(([, count]) => count > 0));
}
