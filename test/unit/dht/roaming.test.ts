/** What two dnets tell each other of the ways they are heard by, on a wire where an end can come to another address. */
import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { portableCipher } from "../../../src/crypto/secretstream.ts";
import { Connection, NOBODY } from "../../../src/dht/connection.ts";
import { Udx } from "../../../src/transport/udx/udx.ts";
import { MESSAGE, typeOf } from "../../../src/wire/udx.ts";
import { SeededRandom } from "../../support/random.ts";

const [one, two] = [new SeededRandom(1).bytes(32), new SeededRandom(2).bytes(32)];
const shared = { handshakeHash: new SeededRandom(3).bytes(64), remotePublicKey: new Uint8Array(32) };
const HEADER_BYTES = 20;
/** A counter, a tag, and what is said. */
const WORDS_BYTES = 8 + 16 + 5;
const EVIL: Address = { host: "203.0.113.66", port: 666 };
const address = (id: number): Address => ({ host: "192.0.2.1", port: 1_000 + id });

interface Sent {
  readonly from: Address;
  readonly to: Address;
  readonly datagram: Uint8Array;
}

class End {
  readonly udx = new Udx();
  readonly connection: Connection;
  readonly heard: string[] = [];
  readonly unordered: string[] = [];
  lost = 0;
  at: Address;

  constructor(
    readonly id: number,
    roams: boolean,
  ) {
    this.at = address(id);
    this.connection = new Connection(0, {
      isInitiator: id === 1,
      random: new SeededRandom(id),
      keepAliveMs: 5_000,
      messageCipher: portableCipher,
      open: (owner) => this.udx.createStream({ id, owner, firewall: () => false }),
      onSooner: () => {},
      onLost: () => void this.lost++,
      onLeft: () => {},
      onClosed: () => {},
    });
    this.connection.owner = {
      ...NOBODY,
      message: (_now, _connection, message) => void this.heard.push(new TextDecoder().decode(message)),
      unordered: (_now, _connection, message) => void this.unordered.push(new TextDecoder().decode(message)),
    };
    const [sendKey, receiveKey] = id === 1 ? [one, two] : [two, one];
    this.connection.path.agree(
      { sendKey, receiveKey, ...shared },
      { reusableSocket: false, roams, id: 3 - id, seq: 0 },
    );
  }
}

class Wire {
  now = 0;
  readonly sent: Sent[] = [];
  /** Sees each datagram; true swallows it. */
  intercept: (sent: Sent) => boolean = () => false;
  readonly ends: readonly [End, End];

  constructor({ roams = true } = {}) {
    this.ends = [new End(1, roams), new End(2, roams)];
    for (const [i, end] of this.ends.entries()) {
      end.connection.path.reached(0, { socket: "client", to: this.ends[1 - i]!.at });
    }
    this.run(0);
  }

  say(end: End, words: string): void {
    end.connection.send(this.now, new TextEncoder().encode(words));
    this.run(this.now);
  }

  receive(end: End, from: Address, datagram: Uint8Array): void {
    end.udx.receive(this.now, "client", from, datagram);
    this.run(this.now);
  }

  run(until: number): void {
    for (;;) {
      while (this.#carry());
      const deadlines = this.ends.map(({ connection, udx }) => Math.min(connection.deadline(), udx.deadline()));
      const next = Math.min(...deadlines);
      if (next > until) break;
      this.now = Math.max(this.now + 0.01, next);
    }
    this.now = Math.max(this.now, until);
  }

  #carry(): boolean {
    let hasMoved = false;
    for (const end of this.ends) {
      end.connection.advance(this.now);
      end.udx.advance(this.now);
      for (const { to, datagram, segmentBytes } of end.udx.drain()) {
        const bytes = segmentBytes || datagram.length;
        for (let at = 0; at < datagram.length; at += bytes) {
          hasMoved = true;
          this.#deliver({ from: end.at, to, datagram: datagram.slice(at, at + bytes) });
        }
      }
    }
    return hasMoved;
  }

  #deliver(sent: Sent): void {
    this.sent.push(sent);
    if (this.intercept(sent)) return;
    const { from, to, datagram } = sent;
    const end = this.ends.find(({ at }) => at.host === to.host && at.port === to.port);
    end?.udx.receive(this.now, "client", from, datagram);
  }
}

const isWords = ({ datagram }: Sent) =>
  (typeOf(datagram) & MESSAGE) !== 0 && datagram.length === HEADER_BYTES + WORDS_BYTES;

test("an end that came to another address is asked for there, and followed; not one byte is lost", () => {
  const wire = new Wire();
  const [a, b] = wire.ends;
  wire.say(a, "one");
  a.at = { host: "198.51.100.7", port: 77 };
  wire.say(a, "two");
  wire.say(b, "three");
  wire.run(1_000);
  expect([a.heard, b.heard]).toEqual([["three"], ["one", "two"]]);
  expect(b.connection.remote).toMatchObject(a.at);
  expect(b.connection.trace.entries.map(({ step }) => step)).toEqual(["direct", "moved"]);
});

test("who is no dnet is never asked, and keeps to where the stream began", () => {
  const wire = new Wire({ roams: false });
  const [a, b] = wire.ends;
  wire.say(a, "one");
  a.at = { host: "198.51.100.7", port: 77 };
  wire.say(a, "two");
  wire.run(60_000);
  expect(wire.sent.filter(isWords)).toEqual([]);
  expect(b.connection.trace.entries.map(({ step }) => step)).toEqual(["direct"]);
});

test("an unordered message that is as long as a question reaches the user", () => {
  const wire = new Wire();
  const [a, b] = wire.ends;
  a.connection.sendUnordered(0, new TextEncoder().encode("12345"));
  wire.run(10);
  expect(wire.sent.filter(isWords)).toHaveLength(1);
  expect(b.unordered).toEqual(["12345"]);
});

test("questions that are played back, forged or led astray move nothing, and nobody is sent more than he sent", () => {
  const wire = new Wire();
  const [a, b] = wire.ends;
  wire.say(a, "one");
  wire.run(1_200); // quiet for a second: it was asked, and answered
  const asked = wire.sent.find((sent) => isWords(sent) && sent.from.port === a.at.port)!;
  const before = wire.sent.length;
  for (let i = 0; i < 20; i++) wire.receive(b, EVIL, asked.datagram); // again
  for (let i = HEADER_BYTES; i < asked.datagram.length; i++) {
    const forged = asked.datagram.slice();
    forged[i]! ^= 1;
    wire.receive(b, EVIL, forged);
  }
  const toEvil = wire.sent.slice(before).filter(({ to }) => to.host === EVIL.host);
  expect(toEvil).toEqual([]);
  // One that the attacker holds back and sends on from elsewhere, fresh: it is answered there, and nothing more.
  let held: Sent | null = null;
  wire.intercept = (sent) => {
    if (!held && isWords(sent)) held = sent;
    return held === sent;
  };
  wire.run(5_000);
  wire.intercept = () => false;
  const fresh = held as Sent | null;
  const [asking, other] = fresh!.from.port === a.at.port ? [a, b] : [b, a];
  wire.receive(other, EVIL, fresh!.datagram);
  wire.run(20_000);
  expect(other.connection.remote).toMatchObject(asking.at);
  wire.say(a, "two");
  expect(b.heard).toEqual(["one", "two"]);
});

test("data that seems to come from elsewhere is answered there with a question that is shorter", () => {
  const wire = new Wire();
  const [a, b] = wire.ends;
  let copy: Sent | null = null;
  wire.intercept = (sent) => {
    if (sent.from.port === a.at.port && sent.datagram.length > 200) copy = sent;
    return copy === sent;
  };
  wire.say(a, "x".repeat(300));
  const { datagram } = copy! as Sent;
  wire.intercept = () => false;
  const before = wire.sent.length;
  wire.receive(b, EVIL, datagram);
  const toEvil = wire.sent.slice(before).filter(({ to }) => to.host === EVIL.host);
  expect(toEvil.length).toBe(1);
  expect(toEvil[0]!.datagram.length).toBeLessThan(datagram.length);
  wire.run(5_000);
  expect(b.connection.remote).toMatchObject(a.at);
});

test("a connection that is not used is not asked for; one whose other end is gone is, and says so with growing pauses", () => {
  const wire = new Wire();
  const [a] = wire.ends;
  wire.say(a, "one");
  wire.run(20_000);
  const before = wire.sent.filter(isWords).length;
  wire.run(80_000);
  expect(wire.sent.filter(isWords).length).toBe(before);
  wire.intercept = () => true;
  wire.say(a, "two");
  wire.run(90_000);
  expect([a.lost, a.connection.isClosed]).toEqual([4, false]); // after 1 s, 1, 2 and 4 more
});

test("a way that a caller only names is asked by three times; who called asks by his own until it is answered, or is none", () => {
  const wire = new Wire();
  const [a, b] = wire.ends;
  wire.say(a, "one");
  wire.intercept = ({ to }) => to.host === EVIL.host;
  const askedAt = ({ connection }: End) => {
    const before = wire.sent.length;
    connection.path.reached(wire.now, { socket: "client", to: EVIL });
    wire.run(wire.now + 10_000);
    return wire.sent.slice(before).filter(({ to }) => to.host === EVIL.host).length;
  };
  expect([askedAt(a), askedAt(b)]).toEqual([12, 3]);
});
