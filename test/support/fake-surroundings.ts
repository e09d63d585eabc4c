/** The node that a connection being made is part of, played by a test: it sees what is asked, opened, probed and answered. */
import type { Address } from "../../src/base/address.ts";
import type { ServerRelay } from "../../src/dht/announcer.ts";
import type { RelayedAnswer, RelayedRequest } from "../../src/dht/call.ts";
import { PunchRation } from "../../src/dht/holepuncher.ts";
import type { ListenerSurroundings } from "../../src/dht/listener.ts";
import type { Reach } from "../../src/dht/probing.ts";
import type { Query, QueryOptions, QueryOwner } from "../../src/dht/query.ts";
import type { SocketName } from "../../src/dht/requests.ts";
import { INTERNAL } from "../../src/wire/rpc.ts";
import { type Sent, Wire } from "./dht-wire.ts";
import { SeededRandom } from "./random.ts";

export const node = (i: number): Address => ({ host: `20.0.${i}.1`, port: 1_000 + i });
export const US: Address = { host: "5.9.17.33", port: 1776 };

export interface Asked {
  readonly options: QueryOptions;
  readonly owner: QueryOwner;
  readonly query: Query;
  isCancelled: boolean;
}

export class FakeSurroundings implements ListenerSurroundings {
  readonly wire = new Wire({ socket: "client" });
  readonly random: SeededRandom;
  readonly punchRation = new PunchRation();
  readonly requests = this.wire.requests;
  /** Those that are open now. */
  readonly sockets = new Set<SocketName>();
  readonly probes: { readonly socket: SocketName; readonly to: Address; readonly reach: Reach }[] = [];
  readonly answers: { readonly request: RelayedRequest; readonly answer: RelayedAnswer }[] = [];
  readonly queries: Asked[] = [];
  nodes: Address[] = [1, 2, 3, 4, 5, 6].map(node);
  own: Address | null = null;
  mapped: Address | null = null;
  local: Address[] = [];
  ip6: Address[] = [];
  serverRelays: ServerRelay[] = [];
  readonly #answered = new Set<Sent>();
  #opened = 0;
  #streams = 100;

  constructor(seed = 1) {
    this.random = new SeededRandom(seed);
  }

  isOpen = () => this.own !== null;
  recentNodes = () => this.nodes;
  publicAddress = () => this.own;
  mappedAddress = () => this.mapped;
  localAddresses = () => this.local;
  addresses6 = () => this.ip6;
  mainSocket = (): SocketName => "client";
  relays = () => this.serverRelays;
  isRelay = ({ host }: Address) => this.serverRelays.some(({ relayAddress }) => relayAddress.host === host);
  streamFor = () => ++this.#streams;

  openSocket = (): SocketName => {
    const socket: SocketName = `punch-${++this.#opened}`;
    this.sockets.add(socket);
    return socket;
  };

  closeSocket = (socket: SocketName): void => {
    if (!this.sockets.delete(socket)) throw new Error(`${socket} was not open`);
  };

  probe = (socket: SocketName, to: Address, reach: Reach): void => {
    this.probes.push({ socket, to: { host: to.host, port: to.port }, reach });
  };

  reply = (_now: number, request: RelayedRequest, answer: RelayedAnswer): void => {
    this.answers.push({ request, answer });
  };

  query = (_now: number, options: QueryOptions, owner: QueryOwner): Query => {
    const asked = { options, owner, isCancelled: false };
    const query = { isDone: false, closestReplies: [], cancel: () => Object.assign(entry, { isCancelled: true }) };
    const entry: Asked = { ...asked, query: query as unknown as Query };
    this.queries.push(entry);
    return entry.query;
  };

  /** Answers the pings that sample a NAT: each node sees what `sees` says. */
  answerPings(sees: (sent: Sent, i: number) => Address): void {
    const isPing = ({ request }: Sent) => request.isInternal && request.command === INTERNAL.ping;
    const pings = this.wire.sent.filter((sent) => isPing(sent) && !this.#answered.has(sent));
    for (const [i, ping] of pings.entries()) {
      this.#answered.add(ping);
      this.wire.answer(ping, { to: sees(ping, i) });
    }
  }
}
