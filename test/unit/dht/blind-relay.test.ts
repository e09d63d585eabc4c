/** A blind relay alone: whom it carries, where to, and what it refuses. */
import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { BlindRelay } from "../../../src/dht/blind-relay.ts";
import type { Connection, ConnectionOwner } from "../../../src/dht/connection.ts";
import { type Channel, Mux } from "../../../src/transport/mux.ts";
import { Udx } from "../../../src/transport/udx/udx.ts";
import {
  BLIND_RELAY,
  BLIND_RELAY_PROTOCOL,
  decodePair,
  encodePair,
  encodeUnpair,
} from "../../../src/wire/blind-relay.ts";
import { DATA, encodeHeader, idOf } from "../../../src/wire/udx.ts";
import { SeededRandom } from "../../support/random.ts";

const TOKEN = new SeededRandom(9).bytes(32);

/** A peer that is connected to the relay; its connection is played. */
class Peer {
  readonly key: Uint8Array;
  /** The streams that lead to the other ends, as the relay told them. */
  readonly told: number[] = [];
  refused = 0;
  isDropped = false;
  /** Whether what it says comes from there, and by no relay. */
  isThere = true;
  isRelayed = false;
  /** Whether it reads what it is told. */
  reads = true;
  unread = 0;
  at: Address;
  readonly channel: Channel;
  readonly #mux: Mux;
  readonly #owner: ConnectionOwner;
  readonly #connection;

  constructor(
    readonly relay: BlindRelay,
    id: number,
    { channelId = null as Uint8Array | null } = {},
  ) {
    this.key = new SeededRandom(id).bytes(32);
    this.at = { host: "198.51.100.1", port: id };
    const peer = this;
    this.#connection = {
      get remote() {
        return { ...peer.at, socket: "server" };
      },
      get stream() {
        return { isFromRemote: peer.isThere };
      },
      get path() {
        return { isRelayed: peer.isRelayed };
      },
      send: (now: number, message: Uint8Array) => {
        if (peer.reads) peer.#mux.receive(now, message);
        else peer.unread++;
        return peer.reads;
      },
      destroy: (now: number) => {
        if (peer.isDropped) return;
        peer.isDropped = true;
        peer.#owner.closed(now, peer.#connection as unknown as Connection, null);
      },
    };
    this.#owner = relay.accept(this.key, this.#connection as unknown as Connection);
    this.#mux = new Mux({
      write: (now, message) => {
        this.#owner.message(now, this.#connection as unknown as Connection, message);
        return true;
      },
      offered: () => null,
      broken: () => {},
    });
    const name = { protocol: BLIND_RELAY_PROTOCOL, id: channelId ?? this.key };
    this.channel = this.#mux.open(0, name, {
      opened: () => {},
      message: (_now, _channel, type, payload) => {
        if (type === BLIND_RELAY.pair) this.told.push(decodePair(payload)!.id);
        else this.refused++;
      },
      closed: () => {
        this.isDropped = true;
      },
    })!;
  }

  pair(isInitiator: boolean, id: number, token = TOKEN, now = 0): void {
    this.channel.send(now, BLIND_RELAY.pair, encodePair({ isInitiator, token, id, seq: 0 }));
  }

  leave(now = 0): void {
    this.#connection.destroy(now);
  }
}

function relaying() {
  const udx = new Udx();
  const relay = new BlindRelay({ udx, random: new SeededRandom(1) });
  /** A packet of a stream comes to the relay; returns what leaves. */
  const pass = (id: number, from: Address) => {
    const packet = new Uint8Array(30);
    encodeHeader(packet, 0, { type: DATA, offset: 0, id, rwnd: 0, seq: 0, ack: 0 });
    udx.receive(0, "server", from, packet);
    udx.advance(0);
    return udx.drain().map(({ to, datagram }) => ({ to, id: idOf(datagram), bytes: datagram.length }));
  };
  return { udx, relay, pass };
}

test("OM-34 two that name one token are joined: each one's packets go to the other, with the id that it has there", () => {
  const { relay, pass } = relaying();
  const [a, b] = [new Peer(relay, 1), new Peer(relay, 2)];
  a.pair(true, 11);
  expect(relay.counts).toEqual({ peers: 2, pairs: 0, waiting: 1 });
  b.pair(false, 22);
  expect(relay.counts).toEqual({ peers: 2, pairs: 1, waiting: 0 });
  expect(pass(a.told[0]!, a.at)).toEqual([{ to: b.at, id: 22, bytes: 30 }]);
  expect(pass(b.told[0]!, b.at)).toEqual([{ to: a.at, id: 11, bytes: 30 }]);
});

test("OM-34 nothing is passed on for anyone but the two, and an end is followed to where its own connection is", () => {
  const { relay, pass } = relaying();
  const [a, b] = [new Peer(relay, 1), new Peer(relay, 2)];
  a.pair(true, 11);
  b.pair(false, 22);
  for (const from of [{ host: "203.0.113.66", port: 1 }, { ...a.at, port: 77 }, b.at]) {
    expect(pass(a.told[0]!, from)).toEqual([]);
  }
  a.at = { host: "198.51.100.99", port: 5 };
  expect(pass(a.told[0]!, a.at)).toEqual([{ to: b.at, id: 22, bytes: 30 }]);
  expect(pass(b.told[0]!, b.at)).toEqual([{ to: a.at, id: 11, bytes: 30 }]);
});

test("OM-34 the first to name a token's part has it, one alone is forgotten in time, and unpair takes it back", () => {
  const { relay } = relaying();
  const [a, b, c] = [new Peer(relay, 1), new Peer(relay, 2), new Peer(relay, 3)];
  a.pair(true, 11);
  c.pair(true, 33);
  b.pair(false, 22);
  expect([a.told.length, b.told.length, c.told.length]).toEqual([1, 1, 0]);
  c.pair(true, 33, new SeededRandom(5).bytes(32));
  expect(relay.counts.waiting).toBe(1);
  relay.advance(relay.deadline());
  expect([relay.counts.waiting, relay.deadline()]).toEqual([0, Infinity]);
  c.pair(true, 34, new SeededRandom(6).bytes(32));
  c.channel.send(0, BLIND_RELAY.unpair, encodeUnpair({ token: new SeededRandom(6).bytes(32) }));
  expect(relay.counts).toEqual({ peers: 3, pairs: 1, waiting: 0 });
});

test("OM-34 when one end goes, the pair does, and the other end may come again", () => {
  const { relay, udx, pass } = relaying();
  const [a, b] = [new Peer(relay, 1), new Peer(relay, 2)];
  a.pair(true, 11);
  b.pair(false, 22);
  a.leave();
  expect([relay.counts, udx.size]).toEqual([{ peers: 1, pairs: 0, waiting: 0 }, 0]);
  expect(pass(b.told[0]!, b.at)).toEqual([]);
  const again = new Peer(relay, 4);
  again.pair(true, 44);
  b.pair(false, 23);
  expect(relay.counts).toEqual({ peers: 2, pairs: 1, waiting: 0 });
});

test("OM-34 a peer has at most 64 pairs; one more is refused, and the others stay", () => {
  const { relay } = relaying();
  const a = new Peer(relay, 1);
  for (let i = 0; i < 64; i++) a.pair(true, i, new SeededRandom(100 + i).bytes(32));
  expect(a.refused).toBe(0);
  a.pair(true, 64, new SeededRandom(200).bytes(32));
  expect([relay.counts.waiting, a.refused, a.isDropped]).toEqual([64, 1, false]);
});

test("a channel in another's name, of another protocol, or with noise on it gets nothing", () => {
  const { relay } = relaying();
  const foreign = new Peer(relay, 1, { channelId: new SeededRandom(2).bytes(32) });
  expect(foreign.isDropped).toBe(true); // rejected
  const a = new Peer(relay, 3);
  const random = new SeededRandom(4);
  for (let i = 0; i < 500; i++) a.channel.send(0, i % 3, random.bytes(i % 80));
  expect(relay.counts.pairs).toBe(0);
});

test("OM-34 a peer's share is of all its connections together, and is given back with them", () => {
  const { relay } = relaying();
  const connections = Array.from({ length: 8 }, () => new Peer(relay, 1));
  for (const [i, each] of connections.entries())
    for (let k = 0; k < 16; k++) each.pair(true, k, new SeededRandom(1_000 + 16 * i + k).bytes(32));
  expect(relay.counts.waiting).toBe(64);
  for (const each of connections) each.leave();
  const again = new Peer(relay, 1);
  for (let k = 0; k < 65; k++) again.pair(true, k, new SeededRandom(5_000 + k).bytes(32));
  expect([relay.counts.waiting, again.refused]).toEqual([64, 1]);
});

test("a peer that asks on and on and reads no answer is dropped before it fills the relay's memory", () => {
  const { relay } = relaying();
  const a = new Peer(relay, 1);
  a.reads = false;
  for (let i = 0; i < 5_000 && !a.isDropped; i++) a.pair(true, i, new SeededRandom(100 + i).bytes(32));
  expect(a.isDropped).toBe(true);
  expect(relay.counts).toEqual({ peers: 0, pairs: 0, waiting: 0 });
});

test("OM-34 nothing goes where a peer only says that it is, before it has sent from there", () => {
  const { relay, pass } = relaying();
  const [a, b] = [new Peer(relay, 1), new Peer(relay, 2)];
  b.isThere = false; // a node named that address in the handshake
  a.pair(true, 11);
  b.pair(false, 22);
  expect(pass(a.told[0]!, a.at)).toEqual([]);
  expect(pass(b.told[0]!, b.at)).toEqual([{ to: a.at, id: 11, bytes: 30 }]);
  expect(pass(a.told[0]!, a.at)).toEqual([{ to: b.at, id: 22, bytes: 30 }]);
});

test("OM-34 nothing is passed on to another relay: packets could go round between two", () => {
  const { relay, pass } = relaying();
  const [a, b] = [new Peer(relay, 1), new Peer(relay, 2)];
  b.isRelayed = true;
  a.pair(true, 11);
  b.pair(false, 22);
  expect(pass(b.told[0]!, b.at)).toEqual([]);
  expect(pass(a.told[0]!, a.at)).toEqual([]);
});
