/**
 * A blind relay: joins two peers' streams under a token that both name, and passes their packets on without being able to read them.
 * It carries whom its operator admits, to where they have shown that they receive, and nobody else's packets. Source: blind-relay 1.6
 * index.js; specification §15.
 *
 * Differs: the two ends are where their own connections to the relay are, from the start and at every moment; the reference learns each
 * from the first packet that names its stream, whoever sends it. And there are bounds.
 */
import type { Address } from "../base/address.ts";
import { sameAddress } from "../base/address.ts";
import { sameBytes } from "../base/bytes.ts";
import type { Random } from "../base/random.ts";
import { type Channel, type ChannelOwner, Mux } from "../transport/mux.ts";
import type { UdxStream } from "../transport/udx/stream.ts";
import type { Udx } from "../transport/udx/udx.ts";
import {
  BLIND_RELAY,
  BLIND_RELAY_PROTOCOL,
  decodePair,
  decodeUnpair,
  encodePair,
  encodeUnpair,
  type Pair,
} from "../wire/blind-relay.ts";
import type { Connection, ConnectionOwner } from "./connection.ts";

/** Of one peer, joined and waiting together. Full: the next one is refused. */
const MAX_PAIRS_PER_PEER = 64;
/** Answers that may wait for a peer that does not read. More: it is dropped. */
const MAX_UNREAD_ANSWERS = 2 * MAX_PAIRS_PER_PEER;
/** Of all peers. Full: likewise. */
const MAX_PAIRS = 4_096;
/** The other end has to name the same token within this; it gives up by itself after 15 s. */
const PAIRING_MS = 20_000;

/** One peer, by all its connections. */
interface Share {
  sessions: number;
  halves: number;
}

/** One connection of a peer. */
interface Session {
  readonly connection: Connection;
  readonly share: Share;
  readonly halves: Set<Half>;
  channel: Channel | null;
}

/** One end of a pair. */
interface Half {
  readonly session: Session;
  readonly pair: Pair;
  readonly dueAt: number;
  /** Whether it was asked for from where its packets will go. */
  readonly isThere: boolean;
  stream: UdxStream | null;
}

export interface BlindRelayOptions {
  readonly udx: Udx;
  readonly random: Random;
}

export class BlindRelay {
  readonly #options: BlindRelayOptions;
  readonly #sessions = new Set<Session>();
  /** By key in hex. */
  readonly #shares = new Map<string, Share>();
  /** Those whose other end has not come, by token in hex and role: the oldest first. */
  readonly #waiting = new Map<string, Half>();
  #joined = 0;

  constructor(options: BlindRelayOptions) {
    this.#options = options;
  }

  /** What it carries: for people to look at. */
  get counts() {
    return { peers: this.#sessions.size, pairs: this.#joined, waiting: this.#waiting.size };
  }

  /** A peer has connected, and was admitted. */
  accept(remotePublicKey: Uint8Array, connection: Connection): ConnectionOwner {
    const key = remotePublicKey.toHex();
    const share = this.#shares.get(key) ?? { sessions: 0, halves: 0 };
    this.#shares.set(key, share);
    share.sessions++;
    const session: Session = { connection, share, halves: new Set(), channel: null };
    const ofChannel: ChannelOwner = {
      opened: (_now, channel) => {
        session.channel = channel;
      },
      message: (now, channel, type, payload) => this.#onMessage(now, session, channel, type, payload),
      closed: (now) => connection.destroy(now),
    };
    const mux = new Mux({
      write: (now, message) => connection.send(now, message),
      offered: (_now, { protocol, id }) =>
        protocol === BLIND_RELAY_PROTOCOL && id && sameBytes(id, remotePublicKey) ? ofChannel : null,
      broken: (now) => connection.destroy(now, "broken"),
    });
    this.#sessions.add(session);
    return {
      opened: () => {},
      message: (now, _connection, message) => mux.receive(now, message),
      unordered: () => {},
      ended: (now) => connection.destroy(now),
      writable: (now) => mux.drained(now),
      moved: () => {},
      closed: (now) => {
        this.#sessions.delete(session);
        mux.end(now);
        for (const half of session.halves) this.#drop(now, half);
        if (--share.sessions === 0) this.#shares.delete(key);
      },
    };
  }

  advance(now: number): void {
    for (const half of this.#waiting.values()) {
      if (now < half.dueAt) break;
      this.#drop(now, half);
    }
  }

  deadline(): number {
    const [oldest] = this.#waiting.values();
    return oldest?.dueAt ?? Infinity;
  }

  #onMessage(now: number, session: Session, channel: Channel, type: number, payload: Uint8Array): void {
    if (channel.waiting.length > MAX_UNREAD_ANSWERS) return session.connection.destroy(now, "broken");
    if (type === BLIND_RELAY.pair) {
      const pair = decodePair(payload);
      if (pair) this.#pair(now, session, channel, { ...pair, token: pair.token.slice() });
    } else if (type === BLIND_RELAY.unpair) {
      const unpair = decodeUnpair(payload);
      for (const half of session.halves) if (unpair && sameBytes(half.pair.token, unpair.token)) this.#drop(now, half);
    }
  }

  #pair(now: number, session: Session, channel: Channel, pair: Pair): void {
    if (this.#waiting.has(keyOf(pair, pair.isInitiator))) return; // as the reference: the first one stands
    const { share, connection } = session;
    const isFull = share.halves >= MAX_PAIRS_PER_PEER || this.#joined + this.#waiting.size >= MAX_PAIRS;
    if (isFull) return void channel.send(now, BLIND_RELAY.unpair, encodeUnpair(pair)); // a HyperDHT waits until its time is up
    const isThere = connection.stream.isFromRemote && !connection.path.isRelayed;
    const half: Half = { session, pair, dueAt: now + PAIRING_MS, isThere, stream: null };
    session.halves.add(half);
    share.halves++;
    const other = this.#waiting.get(keyOf(pair, !pair.isInitiator));
    if (other) this.#join(now, half, other);
    else this.#waiting.set(keyOf(pair, pair.isInitiator), half);
  }

  #join(now: number, a: Half, b: Half): void {
    this.#waiting.delete(keyOf(b.pair, b.pair.isInitiator));
    this.#joined++;
    for (const half of [a, b]) half.stream = this.#open(now, half);
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      from.stream!.relayTo(to.stream!);
      const told = encodePair({ ...from.pair, id: from.stream!.id, seq: 0 });
      from.session.channel?.send(now, BLIND_RELAY.pair, told);
    }
  }

  /**
   * The stream that one end sends to, from where its connection is. Nothing goes there before something has come from there, for a node
   * that passes handshakes on can name any address; and nothing goes to another relay, which could send it back, and so on.
   */
  #open(now: number, half: Half): UdxStream {
    const { udx, random } = this.#options;
    const { session, pair, isThere } = half;
    const { connection } = session;
    const stream = udx.createStream({
      id: udx.freeId(random),
      owner: { data: () => {}, closed: (at) => this.#drop(at, half) },
      firewall: (at, socket, from) => {
        const { remote, path } = connection;
        const isTheirs = remote !== null && remote.socket === socket && sameAddress(remote, from) && !path.isRelayed;
        const route = { socket, to: addressOf(from), remoteId: pair.id };
        if (isTheirs && stream.isConnected) stream.changeRemote(at, route);
        else if (isTheirs) stream.connect(at, route);
        return !isTheirs;
      },
    });
    const { socket, ...to } = connection.remote!;
    if (isThere) stream.connect(now, { socket, to: addressOf(to), remoteId: pair.id });
    return stream;
  }

  /** One end is gone, or was never joined. The other's stream closes with its own. */
  #drop(now: number, half: Half): void {
    const { session, pair, stream } = half;
    if (!session.halves.delete(half)) return;
    session.share.halves--;
    const key = keyOf(pair, pair.isInitiator);
    if (this.#waiting.get(key) === half) this.#waiting.delete(key);
    if (stream && pair.isInitiator) this.#joined--;
    stream?.destroy(now);
  }
}

function keyOf({ token }: Pair, isInitiator: boolean): string {
  return `${token.toHex()} ${isInitiator}`;
}

function addressOf({ host, port }: Address): Address {
  return { host, port };
}
