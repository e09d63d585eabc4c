/** A node in a process of its own, under a flood of nonsense, while others use it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Gateway } from "../../src/index.ts";
import { HyperdhtProcess } from "../support/hyperdht-process.ts";
import { SeededRandom } from "../support/random.ts";
import { vectors } from "../support/vectors.ts";

const PER_SECOND = 10_000;
const SECONDS = 4;
const TURN_MS = 10;
const HOST = "127.0.0.1";

let node: HyperdhtProcess;
let port: number;

beforeAll(async () => {
  const program = [process.execPath, join(import.meta.dir, "../bench/dht-nodes.ts")];
  node = await HyperdhtProcess.start({ program });
  port = (await (await node.bootstrapper("first")).info()).serverPort!;
});

afterAll(() => node.stop());

const descriptors = () => readdirSync(`/proc/${node.pid}/fd`).length;
const residentMb = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${node.pid}/status`, "utf8"))![1]) / 1024;

/** Every real request that we have, to be cut, flipped and filled up. */
const requests = vectors<{ steps: { in: string }[] }>("persistentNode").steps.map((step) =>
  Uint8Array.fromHex(step.in),
);

function nonsense(random: SeededRandom): Uint8Array {
  if (random.chance(0.3)) return random.bytes(random.below(200));
  const bytes = random.pick(requests).slice();
  const flips = random.below(4);
  for (let i = 0; i < flips; i++) bytes[random.below(bytes.length)] = random.uint32();
  if (random.chance(0.3)) return bytes.subarray(0, random.below(bytes.length + 1));
  return random.chance(0.1) ? Uint8Array.from([...bytes, ...random.bytes(1500)]) : bytes;
}

/** Sends datagrams of every kind for some seconds, and looks things up meanwhile; returns how many and how many were found. */
async function flood(seconds: number, seed: number): Promise<{ sent: number; found: number; asked: number }> {
  const random = new SeededRandom(seed);
  const socket = await Bun.udpSocket({ hostname: HOST, port: 0, socket: { error: () => {} } });
  const user = new Gateway({ bootstrap: [{ host: HOST, port }], host: HOST, port: 0, ephemeral: true });
  const topic = random.bytes(32);
  await user.announce(topic, undefined, [], { nodes: [{ host: HOST, port }], onlyClosestNodes: true }).finished();
  const result = { sent: 0, found: 0, asked: 0 };
  const startedAt = performance.now();
  let lookup: Promise<void> | null = null;
  const ask = async () => {
    result.asked++;
    const settings = { nodes: [{ host: HOST, port }], onlyClosestNodes: true };
    for await (const { peers } of user.lookup(topic, settings)) if (peers.length > 0) result.found++;
    lookup = null;
  };
  while (performance.now() - startedAt < seconds * 1000) {
    const due = Math.floor(((performance.now() - startedAt) * PER_SECOND) / 1000);
    for (; result.sent < due; result.sent++) socket.send(nonsense(random), port, HOST);
    lookup ??= ask();
    await new Promise((resolve) => setTimeout(resolve, TURN_MS));
  }
  await lookup;
  socket.close();
  await user.destroy();
  return result;
}

test("OM-38 10,000 random and malformed datagrams a second leave a node's memory and descriptors flat, and lookups answered", async () => {
  await flood(SECONDS, 1); // code is compiled, caches and pools have their size
  const before = { descriptors: descriptors(), megabytes: residentMb() };
  const { sent, found, asked } = await flood(SECONDS, 2);
  expect(sent).toBeGreaterThan(0.8 * PER_SECOND * SECONDS);
  expect(asked).toBeGreaterThan(20);
  expect(found).toBe(asked);
  expect(descriptors()).toBe(before.descriptors);
  expect(residentMb() - before.megabytes).toBeLessThan(15);
}, 30_000);
