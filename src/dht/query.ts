/**
 * Walks towards a target: asks ever nearer nodes the same question until none is left to ask that is nearer than the K nearest that
 * have answered; then, if asked to, commits to those. Source: dht-rpc lib/query.js; specification §5; Kademlia §2.3.
 *
 * Differs: the nearest known node is asked first (the reference asks the one that was named last), and a node is taken for slow as
 * soon as its answer is later than usual, not after a fixed second.
 */
import type { Address } from "../base/address.ts";
import { assert } from "../base/assert.ts";
import { sameBytes } from "../base/bytes.ts";
import { encodeAddress4, INTERNAL, K, RPC_ERROR } from "../wire/rpc.ts";
import { compareDistance, type Peer, peerAt } from "./peer.ts";
import type { Outgoing, PendingRequest, Reply, Requester, RequestFailure, Requests } from "./requests.ts";

/** A query asks a node six times before it takes it for dead. */
export const QUERY_RETRIES = 5;
/** Once a query began with nodes that its caller knew, so few are asked at a time until the first have answered. */
const CACHED_CONCURRENCY = 3;
/**
 * A node that was asked so often, over 1.25 s or more, is waited for no longer once others have answered. Differs: the reference
 * waits 6 s for every dead node of a network smaller than K.
 */
const HOPELESS_SENDS = 3;
/** Nodes that one query may come to know: some five times what a walk needs. Full: no more, or made-up ones could go on for ever. */
const MAX_SEEN = 1024;

export interface Question {
  readonly isInternal: boolean;
  readonly command: number;
  readonly target: Uint8Array;
  readonly value?: Uint8Array | null;
}

export interface QueryOptions extends Question {
  /** How many requests are under way at once. Default: the node's. */
  readonly concurrency?: number;
  readonly retries?: number;
  /** Where to begin, instead of the routing table. */
  readonly nodes?: readonly Address[];
  /** Ask only these. */
  readonly onlyTheseNodes?: boolean;
  /** Ask the bootstrap nodes even if the table has enough others. */
  readonly asksBootstrap?: boolean;
  /** For each of the nearest repliers at the end of the walk: what to send it. `null` counts as a failure. */
  readonly commit?: (reply: Reply & { readonly from: Peer }) => Outgoing | null;
  /** Asked at the end of the walk. False: there is nothing to commit, and that is success. */
  readonly wantsCommit?: () => boolean;
  /** For every reply, as it comes: what else to send that node. Whether that holds is no part of the query's success. */
  readonly follow?: (reply: Reply) => Outgoing | null;
}

/** A query's surroundings. */
export interface QueryContext {
  readonly requests: Requests;
  readonly concurrency: number;
  /** Our id in the table. */
  self(): Uint8Array;
  /** Up to K nodes to begin with. */
  closest(target: Uint8Array): readonly Peer[];
  bootstrap(now: number): readonly Address[];
  admits(node: Address): boolean;
  /** Whether one more down hint may be sent now. */
  mayHint(): boolean;
  /** A node that was asked never answered. */
  unreachable(now: number, node: Peer): void;
}

export type QueryFailure = "too-few-nodes" | RequestFailure | "refused";

export interface QueryOwner {
  /** An answer without error. */
  replied(now: number, query: Query, reply: Reply): void;
  /** The end: null for success. */
  finished(now: number, query: Query, failure: QueryFailure | null): void;
}

type NearReply = Reply & { readonly from: Peer };

/** A node that is, was or may be asked. */
interface Candidate {
  readonly node: Peer;
  /** 1 for a node that we knew, 2 for one that it named... */
  readonly depth: number;
  /** Who named it, to be told if it is down; at most K. */
  readonly referrers: Address[];
  state: "unanswered" | "answered" | "down";
}

export class Query implements Requester {
  /** The nearest nodes that answered, nearest first; at most K. */
  readonly closestReplies: NearReply[] = [];
  /** How far from the start the nearest answer was: 1 for a node that we knew. */
  hops = 0;
  /** Requests at once; a background query changes it. */
  concurrency: number;
  readonly #options: QueryOptions;
  readonly #context: QueryContext;
  readonly #owner: QueryOwner;
  /** Every node that is or was to be asked, by its key. */
  readonly #seen = new Map<number, Candidate>();
  #toAsk: Candidate[] = []; // nearest first
  readonly #asked = new Map<PendingRequest, Candidate>();
  readonly #committing = new Set<PendingRequest>();
  readonly #following = new Set<PendingRequest>();
  readonly #hints = new Set<PendingRequest>();
  /** Settling: the walk is over, and what followed its replies is not. */
  #phase: "walking" | "settling" | "committing" | "done" = "walking";
  #successes = 0;
  #errors = 0;
  #isCommitting = false;
  #commits = 0;
  #lastFailure: QueryFailure = "too-few-nodes";
  #isCached: boolean;

  constructor(options: QueryOptions, context: QueryContext, owner: QueryOwner) {
    this.#options = options;
    this.#context = context;
    this.#owner = owner;
    this.concurrency = options.concurrency ?? context.concurrency;
    this.#isCached = (options.nodes?.length ?? 0) >= K;
  }

  get target(): Uint8Array {
    return this.#options.target;
  }

  get isDone(): boolean {
    return this.#phase === "done";
  }

  start(now: number): void {
    for (const node of this.#options.nodes ?? []) this.#begin(peerAt(node));
    if (!this.#isCached && !this.#options.onlyTheseNodes) this.#fillFromTable(now);
    if (this.#options.asksBootstrap) this.#beginWithBootstrap(now);
    this.#askMore(now);
  }

  /** Ends it without a word to its owner. */
  cancel(now: number): void {
    this.#phase = "done";
    this.#forget(now, this.#asked.keys(), this.#committing, this.#following, this.#hints);
  }

  answered(now: number, request: PendingRequest, reply: Reply): void {
    if (this.#hints.delete(request)) return;
    if (this.#following.delete(request)) return this.#onFollowed(now);
    if (this.#committing.delete(request))
      return this.#onCommitted(now, reply.error === RPC_ERROR.none ? null : "refused");
    const candidate = this.#takeAsked(request);
    if (this.#phase === "done") return; // too late
    candidate.state = "answered";
    if (reply.error === RPC_ERROR.none) this.#successes++;
    else this.#errors++;
    if (this.#phase === "walking") this.#learn(now, candidate, reply); // later the nearest are settled
    if (reply.error === RPC_ERROR.none) {
      this.#follow(now, reply);
      this.#owner.replied(now, this, reply);
    }
    this.#askMore(now);
  }

  failed(now: number, request: PendingRequest, why: RequestFailure): void {
    if (this.#hints.delete(request)) return;
    if (why !== "timeout" && this.#phase !== "done") return this.#end(now, why); // it is we who cannot ask
    if (this.#following.delete(request)) return this.#onFollowed(now);
    if (this.#committing.delete(request)) return this.#onCommitted(now, why);
    const candidate = this.#takeAsked(request);
    if (why !== "timeout") return;
    this.#errors++;
    candidate.state = "down";
    this.#context.unreachable(now, candidate.node);
    for (const referrer of candidate.referrers) this.#hint(now, referrer, candidate.node);
    this.#askMore(now);
  }

  late(now: number, request: PendingRequest): void {
    if (this.#asked.has(request)) this.#askMore(now);
  }

  #learn(now: number, { node, depth }: Candidate, reply: Reply): void {
    // An id from another port of that host is another node's.
    const isItself = reply.from.id !== null && sameBytes(reply.from.id, node.id);
    if (reply.error === RPC_ERROR.none && isItself && this.#isCloser(node.id))
      this.#keep({ ...reply, from: node }, depth);
    if (this.#options.onlyTheseNodes) return;
    for (const address of reply.closerNodes.slice(0, K)) {
      if (address.port === 0 || !this.#context.admits(address)) continue;
      if (!this.#named(now, peerAt(address), reply.from, depth + 1)) break;
    }
  }

  /** One node named another. False when that is no nearer than what we have, and so are the ones named after it. */
  #named(now: number, node: Peer, referrer: Address, depth: number): boolean {
    if (sameBytes(node.id, this.#context.self())) return true;
    const known = this.#seen.get(node.key);
    const isCloser = this.#isCloser(node.id);
    if (known?.state === "down") this.#hint(now, referrer, node);
    else if (known) known.referrers.length < K && known.referrers.push(referrer);
    else if (isCloser) this.#add({ node, depth, referrers: [referrer], state: "unanswered" });
    return isCloser;
  }

  #add(candidate: Candidate): void {
    if (this.#seen.size >= MAX_SEEN || this.#seen.has(candidate.node.key)) return;
    this.#seen.set(candidate.node.key, candidate);
    let [low, high] = [0, this.#toAsk.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareDistance(this.target, candidate.node.id, this.#toAsk[middle]!.node.id) < 0) high = middle;
      else low = middle + 1;
    }
    this.#toAsk.splice(low, 0, candidate);
  }

  #begin({ host, port, id, key }: Peer): void {
    const isUs = sameBytes(id, this.#context.self()); // all nodes may have the same list of bootstrap nodes
    if (port === 0 || isUs) return;
    const node = { host, port, id, key }; // not the table's own, which our user would see change
    this.#add({ node, depth: 1, referrers: [], state: "unanswered" });
  }

  #fillFromTable(now: number): void {
    this.#isCached = false;
    if (this.#toAsk.length >= K) return;
    for (const node of this.#context.closest(this.target)) this.#begin(node);
    if (this.#toAsk.length >= K) return;
    this.#beginWithBootstrap(now);
  }

  #beginWithBootstrap(now: number): void {
    for (const address of this.#context.bootstrap(now)) this.#begin(peerAt(address));
  }

  #askMore(now: number): void {
    if (this.#phase !== "walking") return;
    const isAfterFirstBurst = this.#asked.size > 0 && this.#successes + this.#errors < this.concurrency;
    const concurrency = this.#isCached && isAfterFirstBurst ? CACHED_CONCURRENCY : this.concurrency;
    const late = this.#count(({ isLate }) => isLate);
    while (this.#toAsk.length > 0 && this.#asked.size < concurrency + late) {
      const candidate = this.#toAsk.shift()!;
      if (this.#isCloser(candidate.node.id)) this.#ask(now, candidate);
      else this.#toAsk = []; // nor are the rest
    }
    if (this.#toAsk.length > 0 || !this.#isAskedOut(late)) return;
    if (this.#isCached && this.#successes < K / 4) {
      this.#fillFromTable(now);
      return this.#askMore(now);
    }
    this.#phase = "settling";
    this.#onFollowed(now);
  }

  /** Whether it makes no sense to wait for those that have not answered. */
  #isAskedOut(late: number): boolean {
    const { size } = this.#asked;
    if (size === 0) return true;
    if (late === size && this.closestReplies.length >= K) return true;
    return this.closestReplies.length > 0 && this.#count(({ sends }) => sends >= HOPELESS_SENDS) === size;
  }

  #count(is: (request: PendingRequest) => boolean): number {
    let count = 0;
    for (const request of this.#asked.keys()) if (is(request)) count++;
    return count;
  }

  #ask(now: number, candidate: Candidate): void {
    const { isInternal, command, target, value = null, retries = QUERY_RETRIES } = this.#options;
    const outgoing = { to: candidate.node, isInternal, command, target, value, retries };
    this.#asked.set(this.#context.requests.start(now, outgoing, this), candidate);
  }

  #takeAsked(request: PendingRequest): Candidate {
    const candidate = this.#asked.get(request);
    assert(candidate, "an answer belongs to a node that was asked");
    this.#asked.delete(request);
    return candidate;
  }

  #follow(now: number, reply: Reply): void {
    const outgoing = this.#options.follow?.(reply);
    if (outgoing) this.#following.add(this.#context.requests.start(now, outgoing, this));
  }

  /** A commit may be about the same record as what followed a reply, so it comes after. */
  #onFollowed(now: number): void {
    if (this.#following.size > 0) return;
    if (this.#phase === "settling") this.#commit(now);
    else this.#finishMaybe(now);
  }

  #commit(now: number): void {
    this.#phase = "committing";
    const { commit, wantsCommit = () => true } = this.#options;
    this.#isCommitting = commit !== undefined && wantsCommit();
    for (const reply of this.#isCommitting ? this.closestReplies : []) {
      const outgoing = commit?.(reply);
      if (outgoing) this.#committing.add(this.#context.requests.start(now, outgoing, this));
    }
    this.#finishMaybe(now);
  }

  #onCommitted(now: number, failure: QueryFailure | null): void {
    if (failure) this.#lastFailure = failure;
    else this.#commits++;
    this.#finishMaybe(now);
  }

  #finishMaybe(now: number): void {
    if (this.#phase !== "committing" || this.#committing.size > 0 || this.#following.size > 0) return;
    this.#end(now, this.#isCommitting && this.#commits === 0 ? this.#lastFailure : null);
  }

  /** Nodes that have not answered stay asked: whether they are down is worth knowing. */
  #end(now: number, failure: QueryFailure | null): void {
    this.#phase = "done";
    this.#forget(now, this.#committing, this.#following, this.#hints); // hints are only a courtesy
    this.#owner.finished(now, this, failure);
  }

  #forget(now: number, ...groups: Iterable<PendingRequest>[]): void {
    for (const group of groups) for (const request of group) this.#context.requests.forget(now, request);
  }

  #keep(reply: NearReply, depth: number): void {
    const replies = this.closestReplies;
    let at = replies.length;
    while (at > 0 && compareDistance(this.target, reply.from.id, replies[at - 1]!.from.id) < 0) at--;
    if (at > 0 && compareDistance(this.target, reply.from.id, replies[at - 1]!.from.id) === 0) return;
    replies.splice(at, 0, reply);
    if (replies.length > K) replies.pop();
    if (at === 0) this.hops = depth;
  }

  #isCloser(id: Uint8Array): boolean {
    const farthest = this.closestReplies[K - 1];
    return !farthest || compareDistance(this.target, id, farthest.from.id) < 0;
  }

  /** Tells a node that one it named does not answer. */
  #hint(now: number, referrer: Address, down: Address): void {
    if (!this.#context.mayHint()) return;
    const outgoing = { to: referrer, isInternal: true, command: INTERNAL.downHint, value: encodeAddress4(down) };
    this.#hints.add(this.#context.requests.start(now, outgoing, this));
  }
}
