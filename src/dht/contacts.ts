/**
 * The nodes that we keep in touch with: who enters the routing table, who is pinged, who leaves. Time is counted in ticks of 5 s.
 * Source: dht-rpc index.js `_addNodeFromNetwork`, `_onfullrow`, `_pingSome`, `_check`; specification §4.4, §4.5.
 */
import type { Address } from "../base/address.ts";
import { sameBytes } from "../base/bytes.ts";
import { addressKey } from "../base/ip4.ts";
import { INTERNAL } from "../wire/rpc.ts";
import { NatSampler } from "./nat-sampler.ts";
import type { Peer } from "./peer.ts";
import type { PendingRequest, Reply, Requester, RequestFailure, Requests, Sender } from "./requests.ts";
import { RoutingTable, type TableNode } from "./routing-table.ts";

/** Nodes asked within the last minute need no asking again. */
export const RECENT_TICKS = 12;
/** Half an hour: a node that has lasted so long is kept for its age. */
export const OLD_TICKS = 360;
/** Newcomers that may have the oldest node of their full row pinged at the same time. */
const MAX_SWAPS = 3;
/** So many nodes one after another that see us elsewhere, and none as before: we have moved. */
const MOVED_NODES = 3;
/** Down hints that may have nodes pinged at the same time. */
const MAX_CHECKS = 10;

interface Check {
  readonly node: TableNode;
  /** Who takes its place; null when nobody waits for it. */
  readonly newcomer: TableNode | null;
}

export interface ContactsOptions {
  readonly requests: Requests;
  readonly id: Uint8Array;
  /** At most two nodes of one /24. */
  readonly isDiverse: boolean;
  readonly firstTick: number;
  /** How many nodes without an id may say what our address is. */
  readonly maxStrangeSamples: number;
  admits(node: Address): boolean;
  onAdded(node: Peer): void;
  onRemoved(node: Peer): void;
  /** What others see of our address changed. */
  onNatChanged(): void;
  /** All that we knew of our address is over. */
  onMoved(now: number): void;
}

export class Contacts implements Requester {
  table: RoutingTable;
  sampler = new NatSampler();
  tick: number;
  /** Whether newcomers may have older nodes of a full row pinged: not before the first walk is over. */
  maySwap = false;
  readonly #options: ContactsOptions;
  readonly #checks = new Map<PendingRequest, Check>();
  /** Nodes without an id that have been counted. */
  readonly #strangers = new Set<number>();
  /** Where nodes see us that do not see us where we believe to be; by their keys. */
  readonly #elsewhere = new Map<number, Address>();

  constructor(options: ContactsOptions) {
    this.#options = options;
    this.table = new RoutingTable(options.id, { isDiverse: options.isDiverse });
    this.tick = options.firstTick;
  }

  /** A datagram came. `isSample`: on the socket whose address we want to know. */
  heard(now: number, from: Sender, to: Address, isSample: boolean): void {
    if (!this.#options.admits(from)) return;
    if (!from.id) return this.#sampleStranger(from, to);
    const known = this.table.get(addressKey(from));
    if (!known) return this.#add(now, this.#newcomer(from, from.id), isSample ? to : null);
    if (isSample) this.#noticeMove(now, known, to);
    if (isSample && (known.sampledTick === 0 || this.tick - known.sampledTick >= OLD_TICKS)) this.#sample(known, to);
    known.pingedTick = this.tick;
    this.table.touch(known);
  }

  /** A node that someone trusted named: a saved one, or our user's. */
  addKnown(now: number, node: Peer): void {
    this.#add(now, this.#newcomer(node, node.id), null);
  }

  /** One that was to answer did not. */
  remove(key: number): void {
    const node = this.table.get(key);
    if (node) this.#remove(node);
  }

  /** Someone says that the node at `address` is down: asks it, unless enough are being asked. */
  hintDown(now: number, address: Address): void {
    const node = this.table.get(addressKey(address));
    if (!node || this.#checks.size >= MAX_CHECKS) return;
    if (node.pingedTick >= this.tick && node.downHints > 0) return;
    node.downHints++;
    this.#check(now, node, null);
  }

  /** Pings the nodes that were not heard for longest: up to 5, fewer when there is other work. */
  pingSome(now: number): void {
    const [oldest] = this.table.nodes();
    if (!oldest) return;
    const isFresh = this.tick - oldest.pingedTick < RECENT_TICKS;
    let left = isFresh ? 2 : this.#options.requests.size > 2 ? 3 : 5;
    const due: TableNode[] = [];
    for (const node of this.table.nodes()) {
      if (left-- === 0) break;
      if (node.pingedTick !== this.tick) due.push(node);
    }
    for (const node of due) this.#check(now, node, null);
  }

  /** We now have another id: the nodes move to the rows that follow from it. */
  rekey(id: Uint8Array): void {
    const old = this.table;
    this.table = new RoutingTable(id, { isDiverse: this.#options.isDiverse });
    for (const node of old.nodes()) {
      if (sameBytes(node.id, id) || !this.table.add(node)) this.#options.onRemoved(node);
    }
  }

  /** Other samples than before tell our address from now on. */
  resample(sampler: NatSampler): void {
    const { host, port } = this.sampler;
    this.sampler = sampler;
    this.#strangers.clear();
    if (host !== sampler.host || port !== sampler.port) this.#options.onNatChanged();
  }

  /** Differs: the reference goes by ticks, and so drops a node that was heard just before it was asked. */
  answered(_now: number, request: PendingRequest, { from }: Reply): void {
    const check = this.#takeCheck(request);
    const isItself = from.id !== null && sameBytes(from.id, check.node.id);
    if (!isItself) this.#replace(check);
  }

  failed(_now: number, request: PendingRequest, why: RequestFailure): void {
    const check = this.#takeCheck(request);
    if (why === "timeout") this.#replace(check); // otherwise it is us who went away
  }

  #add(now: number, newcomer: TableNode, to: Address | null): void {
    if (!this.#isStranger(newcomer) || !this.#options.admits(newcomer)) return;
    if (this.table.add(newcomer)) {
      if (to) this.#sample(newcomer, to);
      this.#options.onAdded(newcomer);
    } else if (this.maySwap && this.table.hasRoomForPrefix(newcomer)) {
      this.#challengeOldest(now, newcomer);
    }
  }

  /** Neither in the table nor ourselves. */
  #isStranger({ port, key, id }: Peer): boolean {
    return port !== 0 && !this.table.get(key) && !sameBytes(id, this.table.id);
  }

  /** A full row keeps its nodes as long as they answer: the one that was asked longest ago is asked now. */
  #challengeOldest(now: number, newcomer: TableNode): void {
    const swaps = [...this.#checks.values()].filter((check) => check.newcomer !== null);
    if (swaps.length >= MAX_SWAPS) return;
    let oldest: TableNode | null = null;
    for (const node of this.table.rowOf(newcomer.id)) {
      if (node.pingedTick === this.tick) continue;
      const isOlder =
        !oldest ||
        node.pingedTick < oldest.pingedTick ||
        (node.pingedTick === oldest.pingedTick && node.addedTick < oldest.addedTick);
      if (isOlder) oldest = node;
    }
    if (!oldest) return;
    if (this.tick - oldest.pingedTick < RECENT_TICKS && this.tick - oldest.addedTick > OLD_TICKS) return;
    this.#check(now, oldest, newcomer);
  }

  #check(now: number, node: TableNode, newcomer: TableNode | null): void {
    node.pingedTick = this.tick;
    const outgoing = { to: { host: node.host, port: node.port }, isInternal: true, command: INTERNAL.ping };
    this.#checks.set(this.#options.requests.start(now, outgoing, this), { node, newcomer });
  }

  #takeCheck(request: PendingRequest): Check {
    const check = this.#checks.get(request)!;
    this.#checks.delete(request);
    return check;
  }

  #replace({ node, newcomer }: Check): void {
    this.#remove(node);
    if (!newcomer || !this.#isStranger(newcomer)) return; // it found a place meanwhile
    if (this.table.add(newcomer)) this.#options.onAdded(newcomer);
  }

  #remove(node: TableNode): void {
    if (this.table.get(node.key) !== node) return;
    this.table.remove(node);
    this.#options.onRemoved(node);
  }

  #newcomer({ host, port }: Address, id: Uint8Array): TableNode {
    const { tick } = this;
    const ticks = { addedTick: tick, pingedTick: tick, sampledTick: 0 };
    return { host, port, id: id.slice(), key: addressKey({ host, port }), ...ticks, downHints: 0 };
  }

  /**
   * Differs: the reference samples a node once in half an hour, and so believes for as long that it is where it was; with an address
   * that is no longer its own nobody finds it.
   */
  #noticeMove(now: number, node: TableNode, to: Address): void {
    const { host, port } = this.sampler;
    if (host === null || (to.host === host && (port === 0 || to.port === port))) return this.#elsewhere.clear();
    this.#elsewhere.set(node.key, to);
    if (this.#elsewhere.size < MOVED_NODES) return;
    const sampler = new NatSampler();
    for (const seen of this.#elsewhere.values()) sampler.add(seen);
    this.#elsewhere.clear();
    this.resample(sampler);
    this.#options.onMoved(now);
  }

  #sample(node: TableNode, to: Address): void {
    node.sampledTick = this.tick;
    if (this.sampler.add(to)) this.#options.onNatChanged();
  }

  /** Bootstrap nodes and others that give no id count a few times: on a network of few nodes there may be no one else. */
  #sampleStranger(from: Address, to: Address): void {
    const key = addressKey(from);
    if (this.#strangers.size >= this.#options.maxStrangeSamples || this.#strangers.has(key)) return;
    this.#strangers.add(key);
    if (this.sampler.add(to)) this.#options.onNatChanged();
  }
}
