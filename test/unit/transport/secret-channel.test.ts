import { heapStats } from "bun:jsc";
import { expect, test } from "bun:test";
import { portableCipher } from "../../../src/crypto/secretstream.ts";
import { SecretChannel, type SecretChannelOwner } from "../../../src/transport/secret-channel.ts";
import { SeededRandom } from "../../support/random.ts";
import { vectors } from "../../support/vectors.ts";

const hash = new SeededRandom(9).bytes(64);
const keys = [new SeededRandom(1).bytes(32), new SeededRandom(2).bytes(32)] as const;

/** One end, what it wrote, and what came out of it. */
class End implements SecretChannelOwner {
  wrote: Uint8Array[] = [];
  wroteUnordered: Uint8Array[] = [];
  readonly events: string[] = [];
  readonly channel: SecretChannel;

  constructor(isInitiator: boolean, { keepAliveMs = 0, seed = 3 } = {}) {
    const [sendKey, receiveKey] = isInitiator ? keys : [keys[1], keys[0]];
    const random = new SeededRandom(seed);
    const shared = { random, messageCipher: portableCipher, handshakeHash: hash, keepAliveMs };
    const options = { ...shared, isInitiator, sendKey, receiveKey };
    this.channel = new SecretChannel(0, options, this);
  }

  write(_now: number, bytes: Uint8Array): void {
    this.wrote.push(bytes);
  }
  writeUnordered(_now: number, datagram: Uint8Array): void {
    this.wroteUnordered.push(datagram);
  }
  opened(): void {
    this.events.push("opened");
  }
  message(_now: number, message: Uint8Array): void {
    this.events.push(`message ${message.toHex()}`);
  }
  unordered(_now: number, message: Uint8Array): void {
    this.events.push(`unordered ${message.toHex()}`);
  }
  broken(): void {
    this.events.push("broken");
  }
  /** All that it wrote since the last call. */
  take(): Uint8Array {
    return Uint8Array.from(this.wrote.splice(0).flatMap((bytes) => [...bytes]));
  }
}

test("a long frame that comes byte by byte takes little more memory than its bytes", () => {
  const [a, b] = [new End(true), new End(false)];
  a.channel.send(0, new Uint8Array(300_000));
  const bytes = a.take();
  Bun.gc(true);
  const before = heapStats();
  for (let at = 0; at < bytes.length - 1; at++) b.channel.receive(0, bytes.subarray(at, at + 1));
  Bun.gc(true);
  const after = heapStats();
  expect(after.objectCount - before.objectCount).toBeLessThan(10_000); // and not an object for each
  expect(after.extraMemorySize - before.extraMemorySize).toBeLessThan(4 << 20);
  b.channel.receive(0, bytes.subarray(-1));
  expect(b.events).toHaveLength(2);
});

test("a message is its receiver's own: what it was cut from may be used again", () => {
  const [a, b] = [new End(true), new End(false)];
  const got: Uint8Array[] = [];
  b.message = (_now, message) => void got.push(message);
  const sent = [10, 3_000].map((length) => new SeededRandom(length).bytes(length));
  for (const message of sent) a.channel.send(0, message);
  const bytes = a.take();
  const lent = new Uint8Array(1_000);
  for (let at = 0; at < bytes.length; at += lent.length) {
    const piece = bytes.subarray(at, at + lent.length);
    lent.set(piece);
    b.channel.receive(0, lent.subarray(0, piece.length));
    lent.fill(0);
  }
  expect(got.map((message) => Buffer.compare(message, sent[got.indexOf(message)]!))).toEqual([0, 0]);
});

test("both sides may write before they have heard the other, and messages keep their bounds however they are cut", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = new SeededRandom(seed);
    const [a, b] = [new End(true), new End(false)];
    const sent = Array.from({ length: 20 }, () => random.bytes(random.below(random.chance(0.1) ? 5_000 : 60)));
    for (const message of sent) a.channel.send(0, message);
    const bytes = a.take();
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + random.below(random.pick([3, 60, 2_000]));
      b.channel.receive(0, bytes.subarray(at, at + length));
      at += length;
    }
    expect([seed, b.events]).toEqual([seed, ["opened", ...sent.map((message) => `message ${message.toHex()}`)]]);
  }
});

test("OM-16 a flipped bit anywhere breaks the stream, and nothing that comes after is taken", () => {
  const a = new End(true);
  for (const text of ["one", "two", "three"]) a.channel.send(0, new TextEncoder().encode(text));
  const bytes = a.take();
  const honest = [
    "opened",
    ...["one", "two", "three"].map((text) => `message ${new TextEncoder().encode(text).toHex()}`),
  ];
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    const b = new End(false);
    b.channel.receive(0, flipped);
    b.channel.receive(0, new Uint8Array(2 ** 16)); // what a length that was made longer waits for
    const last = b.events.at(-1);
    expect([bit, last === "broken" || last === undefined || honest.includes(last)]).toEqual([bit, true]);
    expect(b.events.filter((event) => event !== "broken")).toEqual(
      honest.slice(0, b.events.length - (last === "broken" ? 1 : 0)),
    );
    expect(b.events.length).toBeLessThan(honest.length + 1);
  }
});

test("a first frame of another stream or another length breaks it before any key is used", () => {
  for (const bytes of [
    Uint8Array.of(55, 0, 0),
    Uint8Array.of(57, 0, 0),
    Uint8Array.from([56, 0, 0, ...new Uint8Array(56)]),
  ]) {
    const b = new End(false);
    b.channel.receive(0, bytes);
    expect(b.events).toEqual(["broken"]);
  }
  const [a, mirror] = [new End(true), new End(true)];
  mirror.channel.receive(0, a.take()); // our own words, sent back
  expect(mirror.events).toEqual(["broken"]);
});

test("OM-35 an empty message goes out after so long without a word, and is swallowed at the other end", () => {
  const [a, b] = [new End(true, { keepAliveMs: 5_000 }), new End(false, { keepAliveMs: 5_000 })];
  b.channel.receive(0, a.take());
  a.channel.advance(4_999);
  expect(a.wrote).toEqual([]);
  expect(a.channel.deadline()).toBe(5_000);
  a.channel.send(3_000, Uint8Array.of(7));
  expect(a.channel.deadline()).toBe(8_000);
  a.channel.advance(8_000);
  b.channel.receive(8_000, a.take());
  expect(b.events).toEqual(["opened", "message 07"]);
  a.channel.end();
  expect(a.channel.deadline()).toBe(Infinity);
});

test("unordered messages come through in any order, and forgeries are dropped without a word", () => {
  const [a, b] = [new End(true), new End(false)];
  for (const byte of [1, 2, 3]) a.channel.sendUnordered(0, Uint8Array.of(byte));
  const datagrams = a.wroteUnordered.toReversed();
  for (const datagram of datagrams) b.channel.receiveUnordered(0, datagram);
  for (const datagram of datagrams) {
    for (let end = 0; end < datagram.length; end++) b.channel.receiveUnordered(0, datagram.subarray(0, end));
    for (let i = 0; i < datagram.length; i++) b.channel.receiveUnordered(0, datagram.with(i, datagram[i]! ^ 1));
    a.channel.receiveUnordered(0, datagram); // our own
  }
  expect(b.events).toEqual(["unordered 03", "unordered 02", "unordered 01"]);
  expect(a.events).toEqual([]);
});

test("a stranger's bytes never throw", () => {
  for (let seed = 1; seed <= 2_000; seed++) {
    const random = new SeededRandom(seed);
    const [a, b] = [new End(true), new End(false)];
    if (random.chance(0.5)) b.channel.receive(0, a.take());
    for (let i = 0; i < 5; i++) b.channel.receive(0, random.bytes(random.below(200)));
    b.channel.receiveUnordered(0, random.bytes(random.below(100)));
  }
});

interface StreamVector {
  readonly key: string;
  readonly header: string;
  readonly headerFrame: string;
  readonly frames: readonly { readonly plaintext: string; readonly frame: string }[];
}

test("frames have the reference's bytes", () => {
  const vector = vectors<StreamVector>("secretStream");
  const header = Uint8Array.fromHex(vector.header);
  // The header is the second thing drawn by chance, after the counter of unordered messages.
  const random = { bytes: (length: number) => (length === header.length ? header : new Uint8Array(length)) };
  const wrote: Uint8Array[] = [];
  const owner = {
    ...new End(true),
    write: (_now: number, bytes: Uint8Array) => void wrote.push(bytes),
  } as unknown as SecretChannelOwner;
  const sendKey = Uint8Array.fromHex(vector.key);
  const handshakeHash = Uint8Array.fromHex(
    vectors<{ result: { handshakeHash: string } }[]>("noiseIK")[0]!.result.handshakeHash,
  );
  const shared = { random, messageCipher: portableCipher, handshakeHash, keepAliveMs: 0 };
  const options = { ...shared, isInitiator: true, sendKey, receiveKey: sendKey };
  const channel = new SecretChannel(0, options, owner);
  for (const { plaintext } of vector.frames) channel.send(0, Uint8Array.fromHex(plaintext));
  expect(wrote[0]!.toHex()).toBe(vector.headerFrame);
  expect(wrote.slice(1).map((frame) => frame.toHex())).toEqual(vector.frames.map(({ frame }) => frame));
});
