import { afterAll, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Address } from "../../../src/base/address.ts";
import { decodeSavedNodes, encodeSavedNodes, MAX_SAVED_NODES, SavedNodes } from "../../../src/io/saved-nodes.ts";
import { until } from "../../support/until.ts";

const folder = mkdtempSync(join(tmpdir(), "dnet-saved-"));
afterAll(() => rmSync(folder, { recursive: true }));
let folders = 0;
function newFolder(): string {
  const path = join(folder, String(folders++));
  mkdirSync(path);
  return path;
}

const NODES = [
  { host: "192.0.2.1", port: 1776 },
  { host: "255.255.255.255", port: 65_535 },
];
const many = (count: number): Address[] =>
  Array.from({ length: count }, (_, i) => ({ host: "192.0.2.1", port: i + 1 }));

test("what is saved for a network is loaded for that network, and for no other", async () => {
  const directory = newFolder();
  const saved = new SavedNodes(directory, "192.0.2.7:1776");
  expect(await saved.load()).toEqual({ nodes: [], flaw: null });
  await saved.save(NODES);
  expect(await new SavedNodes(directory, "192.0.2.7:1776").load()).toEqual({ nodes: NODES, flaw: null });
  const other = new SavedNodes(directory, "public");
  expect(await other.load()).toEqual({ nodes: [], flaw: null });
  writeFileSync(other.path, readFileSync(saved.path));
  expect(await other.load()).toEqual({ nodes: [], flaw: "is damaged, or of another network" });
});

test("a later save takes the earlier one's place, in a file of its user alone, and leaves nothing beside it", async () => {
  const directory = newFolder();
  const saved = new SavedNodes(directory, "public");
  await saved.save(NODES);
  await saved.save([NODES[1]!]);
  expect((await saved.load()).nodes).toEqual([NODES[1]!]);
  expect(statSync(saved.path).mode & 0o777).toBe(0o600);
  expect(readdirSync(directory)).toHaveLength(1);
});

test("no more than 200 nodes are written, and a file with more is refused", () => {
  const written = encodeSavedNodes(many(MAX_SAVED_NODES + 1), "public");
  expect(decodeSavedNodes(written, "public")).toEqual(many(MAX_SAVED_NODES));
  const content = JSON.parse(written);
  expect(
    decodeSavedNodes(JSON.stringify({ ...content, nodes: [...content.nodes, "192.0.2.1:201"] }), "public"),
  ).toBeNull();
});

test("anything but a whole list of IPv4 addresses with ports is refused, and every truncation is", () => {
  const written = encodeSavedNodes(NODES, "public").trim();
  for (let end = 0; end < written.length; end++) expect(decodeSavedNodes(written.slice(0, end), "public")).toBeNull();
  for (const text of ["null", "[]", "1", '"x"', "{}", '{"__proto__":{"schema":"dnet.nodes/1"}}', "\0\0\0\0"]) {
    expect(decodeSavedNodes(text, "public")).toBeNull();
  }
  const content = JSON.parse(written);
  const wrong = [
    ...[
      "192.0.2.1",
      "192.0.2.1:0",
      "192.0.2.1:65536",
      "192.0.2.256:1",
      "::1:1",
      "name.example:1776",
      "192.0.2.1:1 ",
      "",
    ],
    ...[1776, null, {}, ["192.0.2.1:1"], { host: "192.0.2.1", port: 1 }],
  ];
  for (const node of wrong) {
    expect(decodeSavedNodes(JSON.stringify({ ...content, nodes: ["192.0.2.1:1", node] }), "public")).toBeNull();
  }
  for (const nodes of [undefined, null, "192.0.2.1:1", { length: 1, 0: "192.0.2.1:1" }]) {
    expect(decodeSavedNodes(JSON.stringify({ ...content, nodes }), "public")).toBeNull();
  }
  expect(decodeSavedNodes(JSON.stringify({ ...content, schema: "dnet.nodes/2" }), "public")).toBeNull();
});

test("a file that is damaged, far too large or no file is left out with a word on it, and replaced by the next save", async () => {
  const saved = new SavedNodes(newFolder(), "public");
  writeFileSync(saved.path, Uint8Array.of(0xff, 0xfe, 0x00, 0x7b));
  expect(await saved.load()).toEqual({ nodes: [], flaw: "is damaged, or of another network" });
  writeFileSync(saved.path, `${encodeSavedNodes(NODES, "public")}${" ".repeat(1_000_000)}`);
  expect(await saved.load()).toEqual({ nodes: [], flaw: "is damaged, or of another network" });
  await saved.save(NODES);
  expect((await saved.load()).nodes).toEqual(NODES);
  rmSync(saved.path);
  mkdirSync(saved.path);
  expect((await saved.load()).flaw).toStartWith("cannot be read: ");
  await expect(saved.save(NODES)).rejects.toThrow();
});

test("what a process that was killed left unfinished is removed a minute later, and what is being written is not", async () => {
  const directory = newFolder();
  const saved = new SavedNodes(directory, "public");
  const [abandoned, underWay] = [`${saved.path}.1.tmp`, `${saved.path}.2.tmp`];
  for (const path of [abandoned, underWay]) writeFileSync(path, "{");
  const hourAgo = Date.now() / 1_000 - 3_600;
  utimesSync(abandoned, hourAgo, hourAgo);
  await saved.save(NODES);
  const left = readdirSync(directory).map((name) => join(directory, name));
  expect(left.toSorted()).toEqual([saved.path, underWay]);
});

test("kill -9 at any time leaves the old list or the new one", async () => {
  const directory = newFolder();
  const saved = new SavedNodes(directory, "public");
  const module = join(import.meta.dir, "../../../src/io/saved-nodes.ts");
  const script = `
    const { SavedNodes } = await import(${JSON.stringify(module)});
    const saved = new SavedNodes(${JSON.stringify(directory)}, "public");
    for (let i = 0; ; i++) await saved.save(Array.from({ length: 1 + (i % 200) }, (_, port) => ({ host: "192.0.2.1", port: port + 1 })));`;
  for (let round = 0; round < 8; round++) {
    const writer = Bun.spawn([process.execPath, "-e", script], { stdout: "ignore", stderr: "inherit" });
    const before = (await saved.load()).nodes.length;
    // Killed while it writes: each round at another moment, as the rounds differ in how many saves they wait for.
    let changes = 0;
    let last = before;
    await until("it saves", async () => {
      const { length } = (await saved.load()).nodes;
      if (length !== last) changes++;
      last = length;
      return changes > round;
    });
    writer.kill("SIGKILL");
    await writer.exited;
    const { nodes, flaw } = await saved.load();
    expect(flaw).toBeNull();
    expect(nodes).toEqual(many(nodes.length));
    expect(nodes.length).toBeGreaterThan(0);
  }
});
