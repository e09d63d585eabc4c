/**
 * What a persistent node keeps for others, and its answers: routes to listening servers, announcements under topics, mutable and
 * immutable values. Source: hyperdht lib/persistent.js; specification §7. A request that is incomplete or wrongly signed gets no
 * answer at all, as there.
 */
import type { Address } from "../base/address.ts";
import { sameBytes } from "../base/bytes.ts";
import type { Random } from "../base/random.ts";
import { blake2b256 } from "../crypto/blake2b.ts";
import {
  COMMAND,
  DHT_ERROR,
  decodeAnnounce,
  decodeMutablePut,
  decodeMutableRecord,
  encodeMutableRecord,
  encodePeerRecord,
  joinLookupReply,
  type PeerRecord,
} from "../wire/dht.ts";
import { Reader } from "../wire/reader.ts";
import { K, type Request, RPC_ERROR } from "../wire/rpc.ts";
import { ExpiringRecords } from "./expiring-records.ts";
import { type AnnounceTerms, verifyAnnounce, verifyMutable } from "./signatures.ts";
import { Topics } from "./topics.ts";

/** Relay addresses that are kept of a peer record; more are dropped. */
export const MAX_RELAY_ADDRESSES = 3;
const PEER_LIFETIME_MS = 20 * 60_000;
const VALUE_LIFETIME_MS = 48 * 3_600_000;
const MAX_PEERS = 65_536;
const MAX_VALUES = 32_768;
/** How far ahead of our clock a bump may be. */
const BUMP_DRIFT_MS = 60_000;

/** What goes into a reply. Null in its place: no reply. */
export interface Answer {
  readonly error: number;
  readonly value: Uint8Array | null;
  readonly hasToken: boolean;
  readonly hasCloserNodes: boolean;
}

/** Where a server is reached: the node that announced itself here under its own key. */
export interface Route {
  readonly relay: Address;
  readonly record: Uint8Array;
}

export interface StorageOptions {
  readonly random: Random;
  /** Milliseconds since 1970 at the monotonic moment 0: bumps are such times. */
  readonly unixOriginMs: number;
  /** One /24 may fill a sixteenth of each store, no more. */
  readonly isPublic: boolean;
  /** Entries of each kind, instead of 65,536 and 32,768. */
  readonly maxSize?: number;
  /** How long entries of each kind live, instead of 20 minutes and 48 hours. */
  readonly maxAgeMs?: number;
}

export class Storage {
  readonly #unixOriginMs: number;
  readonly #routes: ExpiringRecords<Route>;
  readonly #topics: Topics;
  readonly #bumps: ExpiringRecords<number>;
  /** By the hash of a secret: whoever shows the secret renews the entry. */
  readonly #refreshes: ExpiringRecords<{ target: Uint8Array; peer: PeerRecord }>;
  readonly #mutables: ExpiringRecords<Uint8Array>;
  readonly #immutables: ExpiringRecords<Uint8Array>;

  constructor({ random, unixOriginMs, isPublic: isShared, maxSize, maxAgeMs }: StorageOptions) {
    this.#unixOriginMs = unixOriginMs;
    const peers = { capacity: maxSize ?? MAX_PEERS, lifetimeMs: maxAgeMs ?? PEER_LIFETIME_MS, isShared };
    const values = { capacity: maxSize ?? MAX_VALUES, lifetimeMs: maxAgeMs ?? VALUE_LIFETIME_MS, isShared };
    this.#routes = new ExpiringRecords(peers);
    this.#topics = new Topics({ random, ...peers });
    this.#bumps = new ExpiringRecords(peers);
    this.#refreshes = new ExpiringRecords(peers);
    this.#mutables = new ExpiringRecords(values);
    this.#immutables = new ExpiringRecords(values);
  }

  get sizes() {
    const { size: routes } = this.#routes;
    const { size: announcements } = this.#topics;
    return { routes, announcements, mutables: this.#mutables.size, immutables: this.#immutables.size };
  }

  route(now: number, target: Uint8Array): Route | null {
    return this.#routes.get(now, target.toHex());
  }

  /**
   * Answers a command of the DHT's. `nodeId` is ours, which announcements are signed for; a token that stands in the request has been
   * checked. `undefined` for a command that is not about storage.
   */
  answer(now: number, from: Address, request: Request, nodeId: Uint8Array): Answer | null | undefined {
    const { command, target } = request;
    if (command === COMMAND.plugin) return null; // we have none
    if (command < COMMAND.findPeer || command > COMMAND.immutableGet) return undefined;
    if (!target) return null;
    switch (command) {
      case COMMAND.findPeer:
        return found(this.route(now, target)?.record ?? null);
      case COMMAND.lookup:
        return this.#lookup(now, target);
      case COMMAND.announce:
        return request.token && this.#announce(now, from, request, nodeId);
      case COMMAND.unannounce:
        return request.token && this.#unannounce(request, nodeId);
      case COMMAND.mutableGet:
        return this.#mutableGet(now, target, request.value);
      case COMMAND.mutablePut:
        return request.token && this.#mutablePut(now, from, request);
      case COMMAND.immutableGet:
        return found(this.#immutables.get(now, target.toHex()));
      default:
        return request.token && this.#immutablePut(now, from, request);
    }
  }

  /** Drops what this node itself announced. */
  remove(target: Uint8Array, publicKey: Uint8Array): void {
    const topic = target.toHex();
    this.#topics.remove(topic, publicKey.toHex());
    if (isKeyOf(publicKey, target)) this.#routes.delete(topic);
  }

  #lookup(now: number, target: Uint8Array): Answer {
    const topic = target.toHex();
    const records = this.#topics.sample(now, topic, K);
    const route = this.#routes.get(now, topic);
    if (route && records.length < K) records.push(route.record);
    if (records.length === 0) return found(null);
    return found(joinLookupReply(records, this.#bumps.get(now, topic) ?? 0));
  }

  #announce(now: number, from: Address, request: Request, nodeId: Uint8Array): Answer | null {
    const message = request.value && decodeAnnounce(request.value);
    if (!message) return null;
    const { peer, refresh, signature, bump } = message;
    if (!peer) return refresh && this.#renew(now, from, refresh);
    const terms = termsOf("announce", request, nodeId, peer, refresh);
    if (!signature || !verifyAnnounce(terms, signature)) return null;
    const relayAddresses = peer.relayAddresses.slice(0, MAX_RELAY_ADDRESSES);
    const kept = { publicKey: peer.publicKey.slice(), relayAddresses }; // a view would hold the whole datagram
    const topic = terms.target.toHex();
    if (!this.#keepPeer(now, from, terms.target, kept)) return STORE_FULL;
    const unixNow = now + this.#unixOriginMs;
    const isRoute = isKeyOf(peer.publicKey, terms.target);
    if (!isRoute && bump > (this.#bumps.get(now, topic) ?? 0) && bump <= unixNow + BUMP_DRIFT_MS) {
      this.#bumps.set(now, topic, bump, from.host);
    }
    if (refresh) this.#refreshes.set(now, refresh.toHex(), { target: terms.target.slice(), peer: kept }, from.host);
    return DONE;
  }

  /** A peer announced under its own key is a route: whoever looks for it is led through us to where it announced from. */
  #keepPeer(now: number, from: Address, target: Uint8Array, peer: PeerRecord): boolean {
    const topic = target.toHex();
    const publicKey = peer.publicKey.toHex();
    const record = encodePeerRecord(peer);
    if (!isKeyOf(peer.publicKey, target)) return this.#topics.add(now, topic, publicKey, record, from.host);
    const relay = { host: from.host, port: from.port };
    if (!this.#routes.set(now, topic, { relay, record }, from.host)) return false;
    this.#topics.remove(topic, publicKey);
    return true;
  }

  /** An announcement once more, without a signature: the secret whose hash came with the last one is proof. */
  #renew(now: number, from: Address, secret: Uint8Array): Answer | null {
    const key = blake2b256(secret).toHex();
    const renewed = this.#refreshes.get(now, key);
    if (!renewed) return null;
    if (!this.#keepPeer(now, from, renewed.target, renewed.peer)) return STORE_FULL;
    this.#refreshes.delete(key);
    this.#refreshes.set(now, secret.toHex(), renewed, from.host);
    return DONE;
  }

  #unannounce(request: Request, nodeId: Uint8Array): Answer | null {
    const message = request.value && decodeAnnounce(request.value);
    if (!message?.peer || !message.signature) return null;
    const { peer, refresh, signature } = message;
    const terms = termsOf("unannounce", request, nodeId, peer, refresh);
    if (!verifyAnnounce(terms, signature)) return null;
    this.remove(terms.target, peer.publicKey);
    return DONE;
  }

  #mutableGet(now: number, target: Uint8Array, value: Uint8Array | null): Answer | null {
    if (!value) return null;
    const r = new Reader(value);
    const leastSeq = r.uint();
    if (!r.ok) return null;
    const record = this.#mutables.get(now, target.toHex());
    return found(record && decodeMutableRecord(record)!.seq >= leastSeq ? record : null);
  }

  #mutablePut(now: number, from: Address, request: Request): Answer | null {
    const target = request.target!;
    const put = request.value && decodeMutablePut(request.value);
    if (!put || !isKeyOf(put.publicKey, target)) return null;
    const { publicKey, seq, value, signature } = put;
    if (!verifyMutable(seq, value, publicKey, signature)) return null;
    const stored = this.#mutables.get(now, target.toHex());
    const old = stored && decodeMutableRecord(stored);
    if (old && old.seq === seq && !sameBytes(old.value, value)) return refused(DHT_ERROR.seqReused);
    if (old && seq < old.seq) return refused(DHT_ERROR.seqTooLow);
    const isKept = this.#mutables.set(now, target.toHex(), encodeMutableRecord({ seq, value, signature }), from.host);
    return isKept ? found(null) : STORE_FULL;
  }

  #immutablePut(now: number, from: Address, request: Request): Answer | null {
    const { target, value } = request;
    if (!value || !sameBytes(blake2b256(value), target!)) return null;
    return this.#immutables.set(now, target!.toHex(), value.slice(), from.host) ? found(null) : STORE_FULL;
  }
}

const DONE: Answer = { error: RPC_ERROR.none, value: null, hasToken: false, hasCloserNodes: false };
/** Differs: the reference always makes room. A refusal that is told lets the announcer choose another node. */
const STORE_FULL: Answer = refused(DHT_ERROR.storeFull);

function found(value: Uint8Array | null): Answer {
  return { error: RPC_ERROR.none, value, hasToken: true, hasCloserNodes: true };
}

function refused(error: number): Answer {
  return { error, value: null, hasToken: false, hasCloserNodes: true };
}

function isKeyOf(publicKey: Uint8Array, target: Uint8Array): boolean {
  return sameBytes(blake2b256(publicKey), target);
}

/** Of a request that has a target and a token. */
function termsOf(
  action: AnnounceTerms["action"],
  { target, token }: Request,
  nodeId: Uint8Array,
  peer: PeerRecord,
  refresh: Uint8Array | null,
): AnnounceTerms {
  return { action, target: target!, token: token!, nodeId, peer, refresh };
}
