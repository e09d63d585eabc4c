/** The commands under `dnet dht` in this process, against a network of real nodes on 127.0.0.1. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatPublicKey } from "../../../src/base/public-key.ts";
import type { GatewayFactory } from "../../../src/cli/gateway-factory.ts";
import { blake2b256 } from "../../../src/crypto/blake2b.ts";
import { keyPairFromSeed } from "../../../src/crypto/ed25519.ts";
import type { FoundPeers } from "../../../src/dht/operations.ts";
import type { Reply } from "../../../src/dht/requests.ts";
import type { Gateway } from "../../../src/io/gateway/gateway.ts";
import type { GatewayOptions } from "../../../src/io/gateway/options.ts";
import { PUBLIC_BOOTSTRAP } from "../../../src/io/gateway/options.ts";
import { QueryStream } from "../../../src/io/gateway/query-stream.ts";
import { MAX_VALUE_BYTES } from "../../../src/io/gateway/settings.ts";
import { type Testnet, testnet } from "../../../src/io/gateway/testnet.ts";
import { dnet, FakeTerminal, type Given } from "./fake-context.ts";

const folder = mkdtempSync(join(tmpdir(), "dnet-dht-"));
const SEED = "5e".repeat(32);
const KEY_PAIR = keyPairFromSeed(Uint8Array.fromHex(SEED));
const KEY = formatPublicKey(KEY_PAIR.publicKey);
const keyFile = join(folder, "key");
let network: Testnet;
let bootstrap = "";

beforeAll(async () => {
  writeFileSync(keyFile, SEED, { mode: 0o600 });
  network = await testnet(4);
  bootstrap = `127.0.0.1:${network.bootstrap[0]!.port}`;
});
afterAll(async () => {
  await network.destroy();
  rmSync(folder, { recursive: true });
});

const dht = (words: readonly string[], given: Given = {}) => dnet(["dht", ...words, "--bootstrap", bootstrap], given);
const hashOf = (text: string) => blake2b256(new TextEncoder().encode(text));

test("what is announced is looked up until it is unannounced, and the topic that is used is printed", async () => {
  const announced = await dht([
    "announce",
    "my topic",
    "--key-file",
    keyFile,
    "--relay",
    "192.0.2.1:1776,192.0.2.2:17",
  ]);
  const hex = hashOf("my topic").toHex();
  expect(announced).toMatchObject({
    exitCode: 0,
    stdout: `${KEY}\n`,
    stderr: `topic ${hex}, the BLAKE2b-256 of "my topic"\nannounced to 4 nodes, for 20 minutes\n`,
  });
  const found = await dht(["lookup", "my topic"]);
  expect(found.stdout).toBe(`PEER${" ".repeat(50)}NODES  RELAYS\n${KEY}  4      192.0.2.1:1776, 192.0.2.2:17\n`);
  const json = (await dht(["lookup", hex, "--json"])).json();
  expect(json).toMatchObject({ schema: "dnet.dht-lookup/1", topic: hex, isComplete: true });
  expect(json["peers"]).toEqual([{ publicKey: KEY, relayAddresses: ["192.0.2.1:1776", "192.0.2.2:17"], nodes: 4 }]);
  const ended = await dht(["unannounce", formatPublicKey(hashOf("my topic")), "--key-file", keyFile, "--json"]);
  expect(ended.json()).toEqual({ schema: "dnet.dht-unannounce/1", topic: hex, publicKey: KEY, nodes: 4 });
  const nobody = await dht(["lookup", "my topic"]);
  expect({ exitCode: nobody.exitCode, stdout: nobody.stdout }).toEqual({ exitCode: 5, stdout: "" });
  expect(nobody.stderr).toContain(`error NOT_FOUND: nobody is announced under ${hex}; 4 nodes answered\n`);
});

test("without a key file a new key is announced, and its public key is printed", async () => {
  const [one, other] = [await dht(["announce", "new", "--json"]), await dht(["announce", "new"])];
  expect(one.json()).toMatchObject({ schema: "dnet.dht-announce/1", relayAddresses: [] });
  expect((one.json()["nodes"] as string[]).length).toBe(4);
  const found = (await dht(["lookup", "new"])).stdout;
  for (const key of [one.json()["publicKey"] as string, other.stdout.trim()]) expect(found).toContain(key);
});

test("a fourth relay is left out with a warning", async () => {
  const relays = ["192.0.2.1:1", "192.0.2.2:2", "192.0.2.3:3", "192.0.2.4:4"];
  const { stderr, stdout } = await dht([
    "announce",
    "four",
    "--json",
    ...relays.flatMap((relay) => ["--relay", relay]),
  ]);
  expect(stderr).toContain("warning: of 4 relays 3 can be announced\n");
  expect(JSON.parse(stdout).relayAddresses).toEqual(relays.slice(0, 3));
});

test("what is put is got by its hash, byte for byte; a value comes from standard input too", async () => {
  const put = await dht(["put", "hello world"]);
  expect(put).toMatchObject({ exitCode: 0, stdout: `${hashOf("hello world").toHex()}\n` });
  expect(put.stderr).toBe("stored 11 bytes at 4 nodes, for 48 hours\n");
  expect((await dht(["get", put.stdout.trim()])).stdout).toBe("hello world\n");
  const piped = await dht(["put", "-", "--json"], { stdin: "line\n" });
  expect(piped.json()).toMatchObject({ schema: "dnet.dht-put/1", hash: hashOf("line\n").toHex(), bytes: 5 });
  const got = await dht(["get", piped.json()["hash"] as string, "--json"]);
  const hash = hashOf("line\n").toHex();
  expect(got.json()).toEqual({ schema: "dnet.dht-get/1", hash, bytes: 5, hex: "6c696e650a", text: "line\n" });
});

test("bytes that are no text stay bytes, and null in JSON", async () => {
  const { hash } = await network.nodes[1]!.immutablePut(Uint8Array.of(0xff, 0x00));
  const raw: Uint8Array[] = [];
  class Recorder extends FakeTerminal {
    override readonly stdout = { write: (part: string | Uint8Array) => void raw.push(Buffer.from(part)) };
  }
  await dht(["get", hash.toHex()], { terminal: new Recorder() });
  expect(Buffer.concat(raw).toString("hex")).toBe("ff000a");
  expect((await dht(["get", hash.toHex(), "--json"])).json()).toMatchObject({ hex: "ff00", text: null });
});

test("a stranger's value cannot write to the screen, and is as it is in a pipe", async () => {
  const { stdout } = await dht(["put", "-"], { stdin: "a\x1b[31m\tb\u009b2J\nc" });
  const screen = await dht(["get", stdout.trim()], { terminal: new FakeTerminal({ isScreen: true }) });
  expect(screen.stdout).toBe("a\\x1b[31m\tb\\x9b2J\nc\n");
  expect((await dht(["get", stdout.trim()])).stdout).toBe("a\x1b[31m\tb\u009b2J\nc\n");
});

test("a mutable value is put under a key with a rising seq, and the latest is got", async () => {
  const put = (...words: string[]) => dht(["put", "--mutable", "--key-file", keyFile, ...words]);
  expect(await put("one", "--json")).toMatchObject({ exitCode: 0 });
  expect((await put("two", "--json")).json()).toMatchObject({ publicKey: KEY, seq: 1 });
  expect((await put("three", "--seq", "7")).stderr).toBe("stored 5 bytes with seq 7 at 4 nodes, for 48 hours\n");
  const low = await put("four", "--seq", "3");
  expect(low.stderr).toStartWith("error SEQ_TOO_LOW: the network has seq 7, and this is 3\n");
  expect((await put("four", "--seq", "7")).stderr).toStartWith("error SEQ_REUSED: ");
  expect((await dht(["get", "--mutable", KEY])).stdout).toBe("three\n");
  const latest = (await dht(["get", "--mutable", "--latest", "--seq", "7", "--json", KEY])).json();
  expect(latest).toMatchObject({ schema: "dnet.dht-get/1", publicKey: KEY, seq: 7, text: "three" });
  const none = await dht(["get", "--mutable", "--seq", "8", KEY]);
  expect({ exitCode: none.exitCode, stdout: none.stdout }).toEqual({ exitCode: 5, stdout: "" });
});

test("a hash under which nothing is stored is exit code 5, in JSON too", async () => {
  const absent = await dht(["get", "00".repeat(32), "--json"]);
  expect(absent.exitCode).toBe(5);
  expect(absent.json()).toMatchObject({ schema: "dnet.error/1", code: "NOT_FOUND", exitCode: 5 });
});

test("a node answers a ping with its id and how it sees us; a silent one is exit code 6", async () => {
  const { stdout } = await dnet(["dht", "ping", bootstrap]);
  const id = network.nodes[0]!.id!.toHex();
  expect(stdout).toMatch(
    new RegExp(`^${bootstrap} answered in [\\d.]+ ms; id ${id}; it sees us as 127.0.0.1:\\d+\\n$`),
  );
  const json = (await dnet(["dht", "ping", bootstrap.replace("127.0.0.1", "localhost"), "--json"])).json();
  expect(json).toMatchObject({ schema: "dnet.dht-ping/1", address: bootstrap, id });
  const silent = await silentNode();
  const late = await dnet(["dht", "ping", silent.address, "--timeout", "50ms"]);
  silent.close();
  expect(late.exitCode).toBe(6);
  expect(late.stderr).toStartWith("error TIMED_OUT: not done within 0.05 s: ");
});

test("the nearest nodes are listed nearest first, with the bits that they share with the target", async () => {
  const { nodes } = (await dht(["find", "anything", "--json"])).json() as { nodes: { [field: string]: unknown }[] };
  const [target, ids] = [hashOf("anything"), nodes.map(({ id }) => Uint8Array.fromHex(id as string))];
  const distance = (id: Uint8Array) => BigInt(`0x${id.map((byte, i) => byte ^ target[i]!).toHex()}`);
  expect(ids.map(distance)).toEqual(ids.map(distance).toSorted((a, b) => (a < b ? -1 : 1)));
  for (const [i, { sharedBits, rttMs, address }] of nodes.entries()) {
    expect(sharedBits).toBe(256 - distance(ids[i]!).toString(2).length);
    expect(rttMs).toBeNumber();
    expect(network.nodes.map((node) => `127.0.0.1:${node.address()!.port}`)).toContain(address as string);
  }
  const exact = await dht(["find", network.nodes[2]!.id!.toHex()]);
  expect(exact.stdout).toMatch(/^NODE +SHARED BITS +RTT +ID\n127\.0\.0\.1:\d+ +256 +[\d.]+ ms +[0-9a-f]{16}\.\.\.\n/);
});

test("a peer that announced itself is found by its key, with the nodes that know it", async () => {
  const relays = [{ host: "192.0.2.1", port: 1776 }];
  await network.nodes[1]!.announce(blake2b256(KEY_PAIR.publicKey), KEY_PAIR, relays).finished();
  const { announcedAt } = (await dht(["find", "--peer", KEY, "--json"])).json() as { announcedAt: object[] };
  expect(announcedAt.length).toBeGreaterThan(0);
  for (const each of announcedAt) expect(each).toMatchObject({ relayAddresses: ["192.0.2.1:1776"] });
  expect((await dht(["find", "--peer", KEY])).stdout).toMatch(/^NODE +RELAYS\n127\.0\.0\.1:\d+ +192\.0\.2\.1:1776\n/);
  const other = formatPublicKey(hashOf("nobody's key"));
  expect((await dht(["find", "--peer", other])).exitCode).toBe(5);
});

test("keygen makes a key that announce and put take, and overwrites none", async () => {
  const path = join(folder, "made");
  const made = await dnet(["dht", "keygen", path]);
  expect(made).toMatchObject({ exitCode: 0, stderr: "" });
  const public_ = made.stdout.trim();
  expect((await dht(["announce", "made", "--key-file", path])).stdout.trim()).toBe(public_);
  expect((await dnet(["dht", "keygen", path])).exitCode).toBe(9);
});

test("a network that does not answer is exit code 6, and names whom was asked", async () => {
  const silent = await silentNode();
  const words = ["dht", "lookup", "x", "--bootstrap", silent.address, "--timeout"];
  const { exitCode, stderr } = await dnet([...words, "80ms"]);
  expect(exitCode).toBe(6);
  expect(stderr).toContain(
    "error TIMED_OUT: not done within 0.08 s: looking for the network; 0 answered, waiting for ",
  );
  const nobody = await dnet(["dht", "lookup", "x", "--bootstrap", "name.invalid:1"]);
  expect(nobody.exitCode).toBe(6);
  expect(nobody.stderr).toContain("error NO_ANSWER: none of the bootstrap nodes answers: name.invalid:1\n");
  silent.close();
});

test("OM-44 without --bootstrap the public network is asked, and that is printed", async () => {
  const asked: GatewayOptions[] = [];
  const gateways = fakeGateways({ ready: () => Promise.reject(new Error("far enough")) }, asked);
  const { stderr } = await dnet(["dht", "lookup", "x"], { gateways });
  expect(stderr).toContain(
    `joining the public network (no --bootstrap was given) through ${PUBLIC_BOOTSTRAP.join(", ")}\n`,
  );
  expect(asked[0]).toMatchObject({ bootstrap: PUBLIC_BOOTSTRAP, ephemeral: true, port: 0 });
});

test("when time is up what was found is printed, with a warning; the words on the way count it", async () => {
  for (const columns of [null, 80]) {
    const stream = new QueryStream(
      (reply) => reply as unknown as FoundPeers,
      "a lookup",
      () => {},
    );
    stream.reply({ peers: [{ publicKey: KEY_PAIR.publicKey, relayAddresses: [] }] } as unknown as Reply);
    const stats = { answers: 3, pending: 2 };
    const gateways = fakeGateways({ ready: async () => {}, bootstrapped: true, stats, lookup: () => stream });
    const terminal = new FakeTerminal({ columns });
    const words = ["dht", "lookup", "x", "--bootstrap", "192.0.2.1:1", "--timeout", "1100ms"];
    const { exitCode, stdout, stderr } = await dnet(words, { gateways, terminal });
    expect(exitCode).toBe(0);
    expect(stdout).toContain(KEY);
    const progress = "0 nodes answered (1 with peers), waiting for 2 nodes";
    expect(stderr).toContain(columns ? `\r${progress}\x1b[K` : `${progress}\n`);
    expect(stderr).toEndWith("warning: time was up after 1.1 s; there may be more\n");
  }
});

test("what is wrong with a command line is said before any node is made", async () => {
  const asked: GatewayOptions[] = [];
  const gateways = fakeGateways({}, asked);
  const wrong: readonly (readonly [words: string, message: string])[] = [
    ["lookup x --bootstrap 192.0.2.1", "--bootstrap is 192.0.2.1; expected HOST:PORT"],
    ["lookup x --timeout soon", "--timeout is soon; expected a span"],
    ["announce x --relay name:1", "--relay is name:1; expected an IPv4 address and a port"],
    ["unannounce x", "--key-file is missing"],
    ["put x --seq 1", "--seq is for mutable values only"],
    ["put x --key-file /nowhere", "--key-file is for mutable values only"],
    ["put x --mutable", "--key-file is missing"],
    [`put x --mutable --key-file ${keyFile} --seq -1`, "--seq is -1; expected a number from 0"],
    [`put ${"x".repeat(MAX_VALUE_BYTES + 1)}`, "the value has 1001 bytes; expected 1 to 1000"],
    ["put -", "the value has 0 bytes; expected 1 to 1000"],
    ["get hunter2", "the hash is hunter2; expected 64 hex characters, or 52 of z-base-32"],
    ["get --mutable hunter2", "the public key is hunter2; expected"],
    [`get --latest ${KEY}`, "--latest is for mutable values only"],
    [`get --seq 1 ${KEY}`, "--seq is for mutable values only"],
    ["find --peer hunter2", "the public key is hunter2; expected"],
    ["ping 192.0.2.1", "192.0.2.1 is no node; expected HOST:PORT"],
    ["ping 192.0.2.1:1 --timeout 0", "--timeout is 0; expected a span"],
  ];
  for (const [words, message] of wrong) {
    const { exitCode, stdout, stderr } = await dnet(["dht", ...words.split(" ")], { gateways });
    expect(stderr).toMatch(/^error [A-Z_]+: .*\ntry .*\n$/);
    expect(stderr).toContain(message);
    expect({ words, exitCode, stdout }).toEqual({ words, exitCode: 2, stdout: "" });
  }
  const noFile = await dnet(["dht", "announce", "x", "--key-file", "/nowhere"], { gateways });
  expect(noFile.stderr).toStartWith("error BAD_KEY_FILE: /nowhere does not exist\ntry ");
  expect({ exitCode: noFile.exitCode, asked }).toEqual({ exitCode: 9, asked: [] });
});

/** A factory of gateways that have only what is given, and can be destroyed. */
function fakeGateways(
  parts: Partial<{ [part in keyof Gateway]: unknown }>,
  asked: GatewayOptions[] = [],
): GatewayFactory {
  const create = async (options: GatewayOptions) => {
    asked.push(options);
    return { destroy: async () => {}, ...parts } as unknown as Gateway;
  };
  return { create, createBootstrap: (_, options) => create(options) };
}

/** A socket that takes everything and says nothing. */
async function silentNode(): Promise<{ readonly address: string; close(): void }> {
  const socket = await Bun.udpSocket({ hostname: "127.0.0.1", port: 0 });
  return { address: `127.0.0.1:${socket.port}`, close: () => socket.close() };
}
