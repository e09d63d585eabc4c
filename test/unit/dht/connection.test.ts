import { expect, test } from "bun:test";
import type { NoiseSession } from "../../../src/crypto/noise.ts";
import { portableCipher } from "../../../src/crypto/secretstream.ts";
import { Connection, type ConnectionOwner } from "../../../src/dht/connection.ts";
import { Udx } from "../../../src/transport/udx/udx.ts";
import { SeededRandom } from "../../support/random.ts";

const [one, two] = [new SeededRandom(1).bytes(32), new SeededRandom(2).bytes(32)];
const shared = { handshakeHash: new SeededRandom(3).bytes(64), remotePublicKey: new Uint8Array(32) };
const address = (id: number) => ({ host: "192.0.2.1", port: 1_000 + id });

/** One end on a wire that loses nothing and takes no time. */
class End implements ConnectionOwner {
  readonly udx = new Udx();
  readonly told: string[] = [];
  readonly connection: Connection;
  readonly session: NoiseSession;
  accepts = true;

  constructor(readonly id: number) {
    const isInitiator = id === 1;
    const [sendKey, receiveKey] = isInitiator ? [one, two] : [two, one];
    this.session = { sendKey, receiveKey, ...shared };
    this.connection = new Connection(0, {
      isInitiator,
      random: new SeededRandom(id),
      keepAliveMs: 5_000,
      messageCipher: portableCipher,
      open: (owner) => this.udx.createStream({ id, owner, firewall: () => !this.accepts }),
      onSooner: () => {},
      onLost: () => {},
      onLeft: () => {},
      onClosed: () => this.told.push("forgotten"),
    });
    this.connection.owner = this;
  }
  start(now = 0): void {
    this.connection.path.agree(this.session, { reusableSocket: false, roams: false, id: 3 - this.id, seq: 0 });
    this.connection.path.reached(now, { socket: "client", to: address(3 - this.id) });
  }
  opened(): void {
    this.told.push("opened");
  }
  message(_now: number, _: Connection, message: Uint8Array): void {
    this.told.push(new TextDecoder().decode(message.subarray(0, 20)));
  }
  unordered(): void {
    this.told.push("unordered");
  }
  ended(): void {
    this.told.push("ended");
  }
  writable(): void {
    this.told.push("writable");
  }
  moved(): void {
    this.told.push("moved");
  }
  closed(_now: number, _: Connection, why: unknown): void {
    this.told.push(`closed ${why}`);
  }
}

/** Carries packets until nothing moves, then goes on to the next moment, up to `until`. */
function run(ends: readonly End[], until = 0, from = 0): void {
  let now = from;
  for (;;) {
    let moved = true;
    while (moved) {
      moved = false;
      for (const end of ends) {
        end.connection.advance(now);
        end.udx.advance(now);
        for (const datagram of end.udx.drain().flatMap(segmentsOf)) {
          moved = true;
          for (const other of ends) if (other !== end) other.udx.receive(now, "client", address(end.id), datagram);
        }
      }
    }
    const next = Math.min(...ends.map(({ connection, udx }) => Math.min(connection.deadline(), udx.deadline())));
    if (next > until) return;
    now = Math.max(now + 0.01, next);
  }
}
/** Several datagrams may come as one. */
function segmentsOf({ datagram, segmentBytes }: { datagram: Uint8Array; segmentBytes: number }): Uint8Array[] {
  const step = segmentBytes || datagram.length;
  return Array.from({ length: Math.ceil(datagram.length / step) }, (_, i) => datagram.slice(i * step, (i + 1) * step));
}
const text = (words: string) => new TextEncoder().encode(words);
const pair = () => [new End(1), new End(2)] as const;

test("OM-15 what is sent before there is a path goes out first, also when the other side was heard before that", () => {
  const [a, b] = pair();
  b.start();
  b.connection.send(0, text("early"));
  a.connection.send(0, text("first"));
  run([a, b]);
  a.message = (_now, _, message) => {
    a.told.push(new TextDecoder().decode(message));
    a.connection.send(0, text("answer"));
  };
  a.opened = () => a.connection.send(0, text("hello"));
  a.start();
  run([a, b], 100);
  expect(a.told).toEqual(["early"]);
  expect(b.told).toEqual(["opened", "first", "hello", "answer"]);
});

test("OM-15 whoever called is open with the path, before anything has come by it; whoever was called, with the first frame", () => {
  const [a, b] = pair();
  a.start();
  b.start();
  expect([a.told, a.connection.isOpen, b.told, b.connection.isOpen]).toEqual([["opened"], true, [], false]);
  run([a, b]);
  expect([a.told, b.told, b.connection.isOpen]).toEqual([["opened"], ["opened"], true]);
});

test("OM-15 what waits beyond a mebibyte says so, and that there is room is told once, when there is", () => {
  const [a, b] = pair();
  expect(a.connection.send(0, new Uint8Array(1 << 19))).toBe(true);
  expect(a.connection.send(0, new Uint8Array(1 << 19))).toBe(false);
  expect(a.connection.send(0, text("more"))).toBe(false);
  a.start();
  b.start();
  run([a, b], 5_000);
  expect(a.told.filter((each) => each === "writable")).toHaveLength(1);
  expect(b.told.at(-1)).toBe("more");
});

test("OM-15 an end that came before there was a path is heard after what was said before it", () => {
  const [a, b] = pair();
  b.connection.stream.heardAt = 0; // the other side has shown that it is there, by a packet that b had to drop
  b.start();
  b.connection.send(0, text("all there is"));
  b.connection.end(0);
  run([a, b]);
  expect(a.told).toEqual([]);
  a.start();
  expect(a.told).toEqual(["opened", "all there is", "ended"]);
});

test("who is called says no more than its first frame until it has heard from who called: a handshake can name any address", () => {
  const [a, b] = pair();
  b.start();
  for (let i = 0; i < 50; i++) b.connection.send(0, new Uint8Array(1_000));
  b.connection.sendUnordered(0, text("beside"));
  b.connection.end(0);
  let bytes = 0;
  for (let now = 0; now <= 20_000; now += 10) {
    b.connection.advance(now);
    b.udx.advance(now);
    for (const { datagram } of b.udx.drain()) bytes += datagram.length;
  }
  expect(bytes).toBeLessThan(1_000); // the frame, and its repeats
  const [c, d] = pair();
  d.start();
  d.connection.send(0, text("all there is"));
  d.connection.end(0);
  c.start();
  run([c, d], 5_000);
  expect(c.told).toEqual(["opened", "all there is", "ended"]);
  expect(a.told).toEqual([]);
});

test("OM-15 each direction ends by itself; when both have, each side is told once and forgets it", () => {
  const [a, b] = pair();
  a.connection.send(0, text("bye"));
  a.connection.end(0);
  expect(a.connection.send(0, text("too late"))).toBe(false);
  a.start();
  b.start();
  run([a, b]);
  b.connection.send(0, text("still"));
  b.connection.end(0);
  run([a, b], 10_000);
  expect(b.told).toEqual(["opened", "bye", "ended", "forgotten", "closed null"]);
  expect(a.told).toEqual(["opened", "still", "ended", "forgotten", "closed null"]);
  for (const { connection, udx } of [a, b]) expect([connection.deadline(), udx.size]).toEqual([Infinity, 0]);
});

test("OM-35 ended, and then never heard of the other side again, it is over after a minute", () => {
  const [a, b] = pair();
  a.start();
  b.start();
  a.connection.end(0);
  run([a, b]);
  run([a], 59_000);
  expect(a.told).toEqual(["opened"]);
  run([a], 61_000, 59_000);
  expect(a.told).toEqual(["opened", "forgotten", "closed timeout"]);
});

test("OM-35 a half-closed stream stays as long as the other side keeps it alive, or we do not read", () => {
  const [a, b] = pair();
  a.start();
  b.start();
  a.connection.end(0);
  run([a, b], 600_000);
  expect([a.told, b.told]).toEqual([["opened"], ["opened", "ended"]]);
  a.connection.pause();
  run([a], 900_000, 600_000);
  expect(a.told).toEqual(["opened"]);
});

test("OM-35 a peer that vanishes is noticed by the keep-alives", () => {
  const [a, b] = pair();
  a.start();
  b.start();
  run([a, b]);
  run([a], 60_000);
  expect(a.told).toEqual(["opened", "forgotten", "closed timeout"]);
});

test("OM-36 destroyed from within any of what it tells, it says nothing more than that it is closed", () => {
  for (const name of ["opened", "message", "ended", "writable"] as const) {
    const [a, b] = pair();
    if (name === "writable") a.connection.send(0, new Uint8Array(1 << 20));
    a[name] = () => {
      a.told.push(name);
      a.connection.destroy(0);
    };
    b.start();
    b.connection.send(0, text("one"));
    b.connection.send(0, text("two"));
    b.connection.end(0);
    run([a, b]);
    a.start();
    run([a, b], 10_000);
    const at = a.told.indexOf(name);
    expect(a.told.slice(at)).toEqual([name, "forgotten", "closed destroyed"]);
    expect([name, a.connection.deadline(), a.udx.size, b.udx.size]).toEqual([name, Infinity, 0, 0]);
  }
});

test("OM-16 bytes that the other side did not seal end it, and nothing of them is given out", () => {
  const [a, b] = pair();
  a.start();
  b.start();
  run([a, b]);
  b.connection.stream.write(Uint8Array.of(17, 0, 0, ...new Uint8Array(17).fill(1)));
  run([a, b], 100);
  expect(a.told).toEqual(["opened", "forgotten", "closed broken"]);
  expect(b.told).toEqual(["opened", "forgotten", "closed reset"]);
});

test("closed before it started it never starts", () => {
  const [a] = pair();
  a.connection.destroy(0);
  a.start();
  a.connection.destroy(0);
  a.connection.end(0);
  a.connection.sendUnordered(0, text("x"));
  expect([a.connection.send(0, text("x")), a.connection.remote, a.told]).toEqual([
    false,
    null,
    ["forgotten", "closed destroyed"],
  ]);
});
