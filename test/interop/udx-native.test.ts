/** Our streams against the real udx-native under Node, both ways, over loopback and over a network that loses, repeats and overtakes. */
import { afterEach, describe, expect, test } from "bun:test";
import { hasNode, needsNode } from "../support/hyperdht-process.ts";
import { NativeUdx } from "../support/udx-native-process.ts";
import { type BadNetwork, badNetwork, LOOPBACK, PatternUser, patternHash, RealUdx } from "../support/udx-real.ts";
import { until } from "../support/until.ts";

const [OURS, THEIRS] = [0x1111_1111, 0xfedc_ba98];
const WITHIN = { withinMs: 40_000 };
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function connected(weather: BadNetwork | null = null, numbers: { seq?: number; ack?: number } = {}) {
  const [native, real] = [await NativeUdx.start(), new RealUdx()];
  closers.push(
    () => native.close(),
    () => real.close(),
  );
  const port = await real.bind("main");
  const network = async () => {
    const between = await badNetwork(7, port, native.ports[0], weather ?? {});
    closers.push(() => between.close());
    return between;
  };
  const path = weather ? await network() : { portForA: native.ports[0], portForB: port };
  const user = new PatternUser();
  const { seq = 0, ack = 0 } = numbers;
  const stream = real.udx.createStream({ id: OURS, owner: user, seq, firewall: () => false });
  native.tell("open", { id: THEIRS, remoteId: OURS, port: path.portForB, seq: ack, ack: seq });
  await until("theirs is open", () => native.find("opened"), WITHIN);
  const to = { host: LOOPBACK, port: path.portForA };
  real.input((now) => stream.connect(now, { socket: "main", to, remoteId: THEIRS, ack }));
  return { native, real, user, stream, network, port, carried: () => ("carried" in path ? path.carried : 0) };
}

/**
 * Both directions at once, each with its end; hashes tell whether what was sent is what came. The native end closes with its last
 * acknowledgement and answers no more: where that one is lost we have had all, and it, and yet we cannot know.
 */
async function exchange(
  { native, real, user, stream }: Awaited<ReturnType<typeof connected>>,
  bytes: number,
  reasons: readonly unknown[] = [null],
) {
  native.tell("write", { bytes, salt: 3 });
  real.input(() => user.send(stream, { bytes, salt: 5 }));
  await until("both closed", () => user.reason !== undefined && native.find("closed"), WITHIN);
  expect(user).toMatchObject({ received: bytes, sha256: patternHash(bytes, 3) });
  expect(reasons).toContain(user.reason);
  expect(native.find("error")).toBeUndefined();
  expect(native.find("ended")).toMatchObject({ received: bytes, sha256: patternHash(bytes, 5) });
}

describe.skipIf(!hasNode)(`beside udx-native${needsNode}`, () => {
  test("40 MB each way at once, over loopback", async () => {
    await exchange(await connected(), 40_000_000);
  }, 60_000);

  for (const [name, weather] of [
    ["2 % loss", { loss: 0.02 }],
    ["packets that overtake each other", { reordering: 0.1, reorderMs: 10 }],
    ["loss, repeats and overtaking at 20 ms", { loss: 0.03, duplication: 0.05, reordering: 0.05, delayMs: 10 }],
  ] as const) {
    test(`3 MB each way under ${name}`, async () => {
      await exchange(await connected(weather), 3_000_000, "loss" in weather ? [null, "timeout"] : [null]);
    }, 60_000);
  }

  test("numbers that wrap around", async () => {
    await exchange(await connected({ loss: 0.01 }, { seq: 0xffff_ff80, ack: 0xffff_fffe }), 1_000_000, [
      null,
      "timeout",
    ]);
  }, 60_000);

  test("a half-closed stream goes on in the other direction", async () => {
    const { native, real, user, stream } = await connected();
    real.input(() => user.send(stream, { bytes: 1_000, salt: 5 }));
    await until("they heard our end", () => native.find("ended"), WITHIN);
    expect(user.reason).toBeUndefined();
    native.tell("write", { bytes: 500_000, salt: 3 });
    await until("both closed", () => user.reason === null && native.find("closed"), WITHIN);
    expect(user).toMatchObject({ received: 500_000, sha256: patternHash(500_000, 3) });
  });

  test("and the other way round", async () => {
    const { native, real, user, stream } = await connected();
    native.tell("write", { bytes: 1_000, salt: 3 });
    await until("we heard their end", () => user.hasEnded, WITHIN);
    real.input(() => user.send(stream, { bytes: 500_000, salt: 5 }));
    await until("both closed", () => user.reason === null && native.find("closed"), WITHIN);
    expect(native.find("ended")).toMatchObject({ received: 500_000, sha256: patternHash(500_000, 5) });
  });

  test("our destroy resets theirs, and theirs ours", async () => {
    const first = await connected();
    first.real.input(() => first.user.send(first.stream, { bytes: 5, salt: 5, ends: false }));
    first.real.input((now) => first.stream.destroy(now));
    await until("theirs is reset", () => first.native.find("error")?.code === "ECONNRESET", WITHIN);
    const second = await connected();
    second.native.tell("write", { bytes: 5, salt: 3, ends: false });
    await until("data came", () => second.user.received === 5, WITHIN);
    second.native.tell("destroy");
    await until("ours is reset", () => second.user.reason === "reset", WITHIN);
  });

  test("messages go both ways, and so do heartbeats and their answers", async () => {
    const { native, real, user, stream, carried } = await connected({});
    native.tell("send", { text: "from there" });
    real.input(() => stream.send(new TextEncoder().encode("from here")));
    await until("both came", () => user.messages[0] === "from there" && native.find("message"), WITHIN);
    expect(native.find("message")).toMatchObject({ text: "from here" });
    native.tell("keepalive", { ms: 30 });
    real.input((now) => stream.setKeepalive(now, 30));
    const before = carried();
    await until("ten heartbeats and answers passed", () => carried() > before + 20, WITHIN);
    real.input(() => user.send(stream, { bytes: 10_000, salt: 5 }));
    native.tell("end");
    await until("both closed", () => user.reason === null && native.find("closed"), WITHIN);
  });

  test("we move to another path in the middle of a transfer", async () => {
    const made = await connected({ loss: 0.01, delayMs: 5 });
    const other = await made.network();
    const moving = exchange(made, 3_000_000);
    await until("it is under way", () => made.user.received > 300_000, WITHIN);
    const to = { host: LOOPBACK, port: other.portForA };
    made.real.input((now) => made.stream.changeRemote(now, { socket: "main", to, remoteId: THEIRS }));
    await moving;
    expect(made.user.remoteChanges).toBe(1);
  }, 60_000);

  test("they move to another socket and path in the middle of a transfer", async () => {
    const made = await connected({ loss: 0.01, delayMs: 5 });
    const other = await badNetwork(9, made.port, made.native.ports[1], { delayMs: 5 });
    closers.push(() => other.close());
    const moving = exchange(made, 3_000_000);
    await until("it is under way", () => made.user.received > 300_000, WITHIN);
    made.native.tell("changeRemote", { port: other.portForB, remoteId: OURS, socket: 1 });
    await moving;
    expect(made.native.find("remote-changed")).toBeDefined();
  }, 60_000);
});
