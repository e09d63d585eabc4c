import { expect, test } from "bun:test";
import { type Channel, type ChannelName, type ChannelOwner, Mux } from "../../../src/transport/mux.ts";
import { encodePair } from "../../../src/wire/blind-relay.ts";
import { SeededRandom } from "../../support/random.ts";
import { vectors } from "../../support/vectors.ts";

/** One end, what it wrote, and what its channels heard. */
class End {
  wrote: Uint8Array[] = [];
  readonly events: string[] = [];
  /** So many messages, and the stream is full. */
  room = Infinity;
  accepts = (_name: ChannelName) => true;
  readonly mux = new Mux({
    write: (_now, message) => {
      this.wrote.push(message);
      return this.wrote.length < this.room;
    },
    offered: (_now, name) => (this.accepts(name) ? this.owner(`offered ${name.protocol}`) : null),
    broken: () => void this.events.push("broken"),
  });

  owner(label: string): ChannelOwner {
    return {
      opened: (_now, _channel, handshake) => void this.events.push(`${label} opened ${handshake.toHex()}`.trim()),
      message: (_now, _channel, type, payload) => void this.events.push(`${label} ${type} ${payload.toHex()}`),
      writable: () => void this.events.push(`${label} writable`),
      closed: () => void this.events.push(`${label} closed`),
    };
  }

  take(): Uint8Array[] {
    return this.wrote.splice(0);
  }
}

/** Carries everything both ways until nothing is left. */
function settle(a: End, b: End): void {
  while (a.wrote.length + b.wrote.length > 0) {
    for (const message of a.take()) b.mux.receive(0, message);
    for (const message of b.take()) a.mux.receive(0, message);
  }
}

const NAME = { protocol: "chat", id: null };

test("channels of one name find each other whoever opens first, and messages sent before that arrive", () => {
  const [a, b] = [new End(), new End()];
  const channel = a.mux.open(0, NAME, a.owner("a"), Uint8Array.of(9))!;
  channel.send(0, 3, Uint8Array.of(1));
  settle(a, b);
  expect(b.events).toEqual(["offered chat opened 09", "offered chat 3 01"]);
  expect(a.events).toEqual(["a opened"]);
  expect([channel.isOpen, a.mux.size, b.mux.size]).toEqual([true, 1, 1]);
});

test("both sides may open at once: it is one channel", () => {
  const [a, b] = [new End(), new End()];
  a.mux.open(0, NAME, a.owner("a"));
  b.mux.open(0, NAME, b.owner("b"));
  settle(a, b);
  expect([a.events, b.events]).toEqual([["a opened"], ["b opened"]]);
});

test("a channel that nobody wants is rejected, and one that is closed is closed at the other end", () => {
  const [a, b] = [new End(), new End()];
  b.accepts = ({ protocol }) => protocol === "chat";
  a.mux.open(0, { protocol: "other", id: Uint8Array.of(1) }, a.owner("a"));
  const chat = a.mux.open(0, NAME, a.owner("chat"))!;
  settle(a, b);
  chat.close(0);
  settle(a, b);
  expect(a.events).toEqual(["a closed", "chat opened"]);
  expect(b.events).toEqual(["offered chat opened", "offered chat closed"]);
  expect([a.mux.size, b.mux.size]).toEqual([0, 0]);
});

test("one name is open once at a time", () => {
  const a = new End();
  expect(a.mux.open(0, NAME, a.owner("a"))).not.toBeNull();
  expect(a.mux.open(0, NAME, a.owner("a"))).toBeNull();
  expect(a.mux.open(0, { protocol: "chat", id: Uint8Array.of(1) }, a.owner("a"))).not.toBeNull();
});

test("a batch carries messages of several channels, and control messages too", () => {
  const b = new End();
  // open 1 "chat", its message of type 5, then close 1
  b.mux.receive(0, Uint8Array.from([0, 0, 0, 8, 1, 1, 4, 0x63, 0x68, 0x61, 0x74, 0, 0, 1, 2, 5, 0xaa, 0, 0, 2, 3, 1]));
  expect(b.events).toEqual(["offered chat opened", "offered chat 5 aa", "offered chat closed"]);
});

test("the end of the stream closes every channel, and nothing is written any more", () => {
  const [a, b] = [new End(), new End()];
  const channel = a.mux.open(0, NAME, a.owner("a"))!;
  settle(a, b);
  a.mux.end(0);
  channel.send(0, 1, Uint8Array.of(1));
  expect(a.events).toEqual(["a opened", "a closed"]);
  expect(a.wrote).toEqual([]);
  expect(a.mux.open(0, NAME, a.owner("a"))).toBeNull();
});

test("a stranger's messages never throw, and open no more channels than there may be", () => {
  for (let seed = 1; seed <= 2_000; seed++) {
    const random = new SeededRandom(seed);
    const b = new End();
    for (let i = 0; i < 10; i++)
      b.mux.receive(
        0,
        random.chance(0.5)
          ? Uint8Array.of(0, random.below(5), ...random.bytes(random.below(30)))
          : random.bytes(random.below(30)),
      );
  }
  const b = new End();
  for (let number = 1; number <= 1_100; number++) {
    const bytes = number <= 252 ? [number] : [0xfd, number & 0xff, number >> 8];
    b.mux.receive(0, Uint8Array.from([0, 1, ...bytes, 1, 0x78, 2, number & 0xff, number >> 8]));
  }
  expect(b.mux.size).toBe(1_024);
});

test("what a client of a blind relay writes first has the reference's bytes", () => {
  const { publicKey, token, frames } = vectors<{
    protomuxClientFrames: { publicKey: string; token: string; frames: string[] };
  }>("blindRelay").protomuxClientFrames;
  const a = new End();
  const channel: Channel = a.mux.open(0, { protocol: "blind-relay", id: Uint8Array.fromHex(publicKey) }, a.owner("a"))!;
  channel.send(0, 0, encodePair({ isInitiator: true, token: Uint8Array.fromHex(token), id: 77, seq: 0 }));
  expect(a.wrote.map((message) => message.toHex())).toEqual(frames);
});

test("a channel that says more than fits waits, the others have their turns, and each hears when there is room for it", () => {
  const [a, b] = [new End(), new End()];
  const [much, little] = ["much", "little"].map(
    (protocol) => a.mux.open(0, { protocol, id: null }, a.owner(protocol))!,
  );
  settle(a, b);
  [a.events.length, b.events.length] = [0, 0];
  a.room = 2;
  const told = [1, 2, 3, 4, 5].map((i) => much!.send(0, i, Uint8Array.of(i)));
  expect([told, little!.send(0, 9, Uint8Array.of(9))]).toEqual([[true, false, false, false, false], false]);
  expect(a.wrote).toHaveLength(2);
  settle(a, b);
  a.mux.drained(0);
  expect(a.events).toEqual(["little writable"]);
  settle(a, b);
  a.mux.drained(0);
  settle(a, b);
  expect(a.events).toEqual(["little writable", "much writable"]);
  const heard = b.events.map((event) => event.replace("offered ", ""));
  expect(heard).toEqual(["much 1 01", "much 2 02", "much 3 03", "little 9 09", "much 4 04", "much 5 05"]);
});

test("what waits goes out before the channel closes, and is gone when the stream is over", () => {
  const [a, b] = [new End(), new End()];
  const channel = a.mux.open(0, NAME, a.owner("a"))!;
  settle(a, b);
  a.room = 1;
  for (let i = 1; i <= 3; i++) channel.send(0, i, Uint8Array.of(i));
  channel.close(0);
  settle(a, b);
  expect(b.events.slice(-4)).toEqual([
    "offered chat 1 01",
    "offered chat 2 02",
    "offered chat 3 03",
    "offered chat closed",
  ]);
  const other = a.mux.open(0, { protocol: "other", id: null }, a.owner("other"))!;
  other.send(0, 1, Uint8Array.of(1));
  a.mux.end(0);
  a.mux.drained(0);
  expect([other.send(0, 2, Uint8Array.of(2)), other.waiting]).toEqual([false, []]);
});

test("who sent the last message that fitted, and then waits as it was told to, hears when there is room", () => {
  const [a, b] = [new End(), new End()];
  const channel = a.mux.open(0, NAME, a.owner("a"))!;
  settle(a, b);
  a.room = 1;
  expect(channel.send(0, 1, Uint8Array.of(1))).toBe(false);
  settle(a, b);
  a.mux.drained(0);
  a.mux.drained(0);
  expect(a.events).toEqual(["a opened", "a writable"]);
});

test("what is said while others have their turns does not overtake what waits", () => {
  const [a, b] = [new End(), new End()];
  const owner = a.owner("first");
  let late: Channel | null = null;
  const first = a.mux.open(0, NAME, { ...owner, writable: () => void late?.send(0, 3, Uint8Array.of(3)) })!;
  late = a.mux.open(0, { protocol: "late", id: null }, a.owner("late"))!;
  settle(a, b);
  b.events.length = 0;
  a.room = 1;
  first.send(0, 1, Uint8Array.of(1));
  for (const i of [1, 2]) late.send(0, i, Uint8Array.of(i));
  a.room = Infinity;
  a.mux.drained(0);
  settle(a, b);
  expect(b.events.filter((event) => event.includes("late")).map((event) => event.at(-1))).toEqual(["1", "2", "3"]);
});

test("who opens channels and reads no answers does not fill our memory", () => {
  const a = new End();
  a.accepts = () => false;
  a.room = 1;
  for (let i = 0; i < 5_000; i++) {
    a.mux.receive(0, Uint8Array.from([0, 1, 0xfd, (i + 1) & 0xff, (i + 1) >> 8, 1, 0x78, 0]));
  }
  expect(a.wrote.length).toBeLessThan(1_100);
  expect(a.events).toEqual(["broken"]);
});
