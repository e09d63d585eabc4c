/** `dnet gateway` in this process, over real sockets on 127.0.0.1. */
import { afterAll, beforeEach, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DnetError } from "../../../src/base/error.ts";
import { type GatewayFactory, gatewayFactory } from "../../../src/cli/gateway-factory.ts";
import type { GatewayOptions } from "../../../src/io/gateway/options.ts";
import { PUBLIC_BOOTSTRAP } from "../../../src/io/gateway/options.ts";
import { type Testnet, testnet } from "../../../src/io/gateway/testnet.ts";
import { until } from "../../support/until.ts";
import { dnet, FakeTerminal, type Outcome } from "./fake-context.ts";

const folder = mkdtempSync(join(tmpdir(), "dnet-gateway-"));
const before = process.env["DNET_STATE_DIR"];
let state = "";
let runs = 0;
beforeEach(() => {
  state = join(folder, String(runs++));
  process.env["DNET_STATE_DIR"] = state;
});
afterAll(() => {
  if (before === undefined) delete process.env["DNET_STATE_DIR"];
  else process.env["DNET_STATE_DIR"] = before;
  rmSync(folder, { recursive: true });
});

/** `dnet gateway WORDS` that runs until `stop`. */
function start(words: readonly string[], { columns = null as number | null, gateways = gatewayFactory } = {}) {
  const terminal = new FakeTerminal({ columns });
  const stopper = new AbortController();
  const ended = dnet(["gateway", ...words], { terminal, gateways, stop: stopper.signal });
  const stop = (): Promise<Outcome> => {
    stopper.abort();
    return ended;
  };
  const says = (text: string) => until(`it says ${text}`, () => (terminal.output + terminal.errors).includes(text));
  return { terminal, ended, stop, says };
}

/** Makes no node of any network: what would have been made is listed, and what is made knows nobody. */
function isolated(): GatewayFactory & { readonly asked: GatewayOptions[] } {
  const asked: GatewayOptions[] = [];
  const create = (options: GatewayOptions) => {
    asked.push(options);
    return gatewayFactory.create({ host: "127.0.0.1", port: 0, bootstrap: [] });
  };
  return { asked, create, createBootstrap: (_, options) => create(options) };
}

const address = ({ bootstrap }: Testnet) => `127.0.0.1:${bootstrap[0]!.port}`;
const events = (text: string): { [name: string]: unknown }[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));

test("OM-27 each of several nodes says where it listens and when it is ready; all end together", async () => {
  await using network = await testnet(2);
  const run = start(["--nodes", "3", "--host", "127.0.0.1", "--bootstrap", address(network)]);
  await run.says("node 3 is ready");
  await until("all are ready", () => run.terminal.output.match(/is ready/g)?.length === 3);
  const { exitCode, stdout, stderr } = await run.stop();
  expect(exitCode).toBe(0);
  const ports = [...stdout.matchAll(/^node (\d) listens on 127\.0\.0\.1:(\d+)$/gm)];
  expect(ports.map(([, node]) => node)).toEqual(["1", "2", "3"]);
  expect(new Set(ports.map(([, , port]) => port)).size).toBe(3);
  expect(stdout).toMatch(/^node 1 is ready: ephemeral, reached at 127\.0\.0\.1:\d+, knows 2 nodes$/m);
  expect(stderr).toStartWith(`joining through ${address(network)}\n`);
  expect(stderr).toEndWith("stopped; saved 2 nodes for the next time\n");
});

test("OM-28 a bootstrap node is begun on its host and port, and printed; another joins it", async () => {
  const port = await freePort();
  const first = start(["--bootstrap", "--host", "127.0.0.1", "--port", String(port)]);
  await first.says("ready: persistent");
  const second = start(["--bootstrap", `127.0.0.1:${port}`, "--host", "127.0.0.1", "--port", "0", "--persistent"]);
  await second.says("ready: persistent");
  const joined = await second.stop();
  expect(joined.stdout).toMatch(
    /^ready: persistent, id [0-9a-f]{16}\.\.\., reached at 127\.0\.0\.1:\d+, knows 1 node$/m,
  );
  const { exitCode, stdout, stderr } = await first.stop();
  expect(exitCode).toBe(0);
  expect(stdout).toStartWith(`listening on 127.0.0.1:${port}\nready: persistent, id `);
  expect(stderr).toStartWith(`beginning a network, which others join with --bootstrap 127.0.0.1:${port}\n`);
});

test("OM-29 the port that is given is the port, or an error before anything is said to listen", async () => {
  await using network = await testnet(1);
  const { port } = network.bootstrap[0]!;
  for (const words of [["--no-bootstrap"], ["--bootstrap"]]) {
    const { exitCode, stdout, stderr } = await start([...words, "--host", "127.0.0.1", "--port", String(port)]).ended;
    expect({ exitCode, stdout }).toEqual({ exitCode: 9, stdout: "" });
    expect(stderr).toContain(`error PORT_IN_USE: UDP 127.0.0.1:${port} is already in use\n`);
  }
  const free = await freePort();
  const run = start(["--no-bootstrap", "--host", "127.0.0.1", "--port", String(free)]);
  await run.says(`listening on 127.0.0.1:${free}\n`);
  await run.stop();
});

test("OM-44 without an option the public list is used and printed, in JSON too; it can be set empty", async () => {
  const gateways = isolated();
  const run = start([], { gateways });
  await run.says("ready");
  const { stderr } = await run.stop();
  expect(stderr).toStartWith(
    `joining the public network (no --bootstrap was given) through ${PUBLIC_BOOTSTRAP.join(", ")}\n`,
  );
  const json = start(["--json"], { gateways });
  await json.says('"ready"');
  expect(events((await json.stop()).stdout)[0]).toMatchObject({ event: "starting", bootstrap: PUBLIC_BOOTSTRAP });
  const alone = start(["--no-bootstrap"], { gateways });
  await alone.says("ready");
  expect((await alone.stop()).stderr).toStartWith("asking no bootstrap node; alone until others come\n");
  expect(gateways.asked.map(({ bootstrap }) => bootstrap)).toEqual([PUBLIC_BOOTSTRAP, PUBLIC_BOOTSTRAP, []]);
});

test("with --json each event is an object on a line of stdout", async () => {
  await using network = await testnet(2);
  const run = start(["--json", "--host", "127.0.0.1", "--port", "0", "--persistent", "--bootstrap", address(network)]);
  await run.says('"status"');
  const { exitCode, stdout, stderr } = await run.stop();
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  const [starting, listening, ready, status, stopped] = events(stdout);
  expect(starting).toMatchObject({ schema: "dnet.gateway/1", event: "starting", bootstrap: [address(network)] });
  expect(listening).toMatchObject({ event: "listening", node: 1, id: null, isReady: false, knownNodes: 0 });
  expect(ready).toMatchObject({ event: "ready", address: listening!["address"], isPersistent: true, nat: "open" });
  expect(ready!["id"]).toMatch(/^[0-9a-f]{64}$/);
  expect(status).toMatchObject({ event: "status", nodes: [{ node: 1, isReady: true, knownNodes: 2 }] });
  expect(status!["requestsPerSecond"]).toBeNumber();
  expect(stopped).toMatchObject({ event: "stopped", savedNodes: 2 });
});

test("on a terminal the status is rewritten in place; elsewhere it is a line with the time when the state changes", async () => {
  const words = ["--no-bootstrap", "--host", "127.0.0.1", "--port", "0"];
  const run = start(words, { columns: 80 });
  await run.says("\rephemeral · NAT unknown · 0 nodes · 0 records · 0 req/s · in 0 B/s out 0 B/s\x1b[K");
  expect((await run.stop()).stderr).toEndWith("\r\x1b[Kstopped\n");
  const plain = start(words);
  await plain.says("NAT unknown");
  const { stderr } = await plain.stop();
  expect(stderr).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z ephemeral · NAT unknown · 0 nodes · /m);
  expect(stderr).not.toContain("\x1b");
});

test("a node that is ready has saved whom it knows, and the next run begins with them, on the same network alone", async () => {
  await using network = await testnet(3);
  const known = network.nodes.map((node) => node.address()!);
  const words = ["--host", "127.0.0.1", "--port", "0", "--bootstrap", address(network)];
  const first = start(words);
  const isSaved = () => existsSync(state) && readdirSync(state).some((name) => name.endsWith(".json"));
  await until("it has saved", isSaved); // before its end: a crash must not lose them
  await first.stop();
  const second = start(words);
  await second.says("and through 3 nodes known from before\n");
  await second.stop();
  const gateways = isolated();
  for (const others of [["--no-bootstrap"], ["--bootstrap", "192.0.2.1:1776"], words]) {
    const run = start(others, { gateways });
    await run.says("ready");
    await run.stop();
  }
  const ports = gateways.asked.map(({ nodes = [] }) => nodes.map(({ port }) => port).toSorted());
  expect(ports).toEqual([[], [], known.map(({ port }) => port).toSorted()]);
});

test("nobody who answers is no reason to forget who was known", async () => {
  const dead = `127.0.0.1:${await freePort()}`;
  const words = ["--host", "127.0.0.1", "--port", "0", "--bootstrap", dead];
  const run = start(words, { gateways: isolated() });
  await run.says("ready");
  await run.stop();
  expect(readdirSync(state)).toEqual([]);
});

test("a damaged list is left out with a warning, and replaced", async () => {
  await using network = await testnet(2);
  const words = ["--host", "127.0.0.1", "--port", "0", "--bootstrap", address(network)];
  const first = start(words);
  await first.says("ready");
  await first.stop();
  const path = join(state, readdirSync(state)[0]!);
  writeFileSync(path, readFileSync(path, "utf8").slice(0, -10));
  const second = start(words);
  await second.says("ready");
  const { exitCode, stderr } = await second.stop();
  expect(exitCode).toBe(0);
  expect(stderr).toStartWith(`warning: ${path} is damaged, or of another network; going on without it\n`);
  expect(JSON.parse(readFileSync(path, "utf8")).nodes).toHaveLength(2);
});

test("a state directory that others may read is refused before a socket opens", async () => {
  const gateways = isolated();
  process.env["DNET_STATE_DIR"] = folder;
  chmodSync(folder, 0o755);
  const { exitCode, stderr } = await start([], { gateways }).ended;
  chmodSync(folder, 0o700);
  expect({ exitCode, asked: gateways.asked }).toEqual({ exitCode: 8, asked: [] });
  expect(stderr).toContain(`error STATE_DIRECTORY_UNSAFE: ${folder} is open to others (mode 755)\n`);
});

test("Ctrl-C before the network is found ends it as well", async () => {
  const run = start(["--host", "127.0.0.1", "--port", "0", "--bootstrap", `127.0.0.1:${await freePort()}`]);
  await run.says("listening");
  expect(await run.stop()).toMatchObject({ exitCode: 0 });
  const stopper = new AbortController();
  stopper.abort();
  expect(await dnet(["gateway", "--no-bootstrap"], { stop: stopper.signal })).toMatchObject({
    exitCode: 0,
    stdout: "",
  });
});

test("a status that cannot be told, as on a full disk, ends it with an error and closes its nodes", async () => {
  class FillingDisk extends FakeTerminal {
    override readonly stdout = {
      write: (text: string | Uint8Array) => {
        if (String(text).includes('"status"')) throw new DnetError("OUTPUT_FAILED", "ENOSPC");
      },
    };
  }
  const port = await freePort();
  const words = ["gateway", "--no-bootstrap", "--json", "--host", "127.0.0.1", "--port", String(port)];
  expect((await dnet(words, { terminal: new FillingDisk() })).exitCode).toBe(1);
  const socket = await Bun.udpSocket({ hostname: "127.0.0.1", port });
  socket.close();
});

test("dnet dht node is the same command", async () => {
  const [gateway, node] = [await dnet(["gateway", "--help"]), await dnet(["dht", "node", "--help"])];
  expect(node.stdout).toBe(gateway.stdout.replace("usage: dnet gateway", "usage: dnet dht node"));
});

/** A port that was free just now. */
async function freePort(): Promise<number> {
  const socket = await Bun.udpSocket({ hostname: "127.0.0.1", port: 0 });
  const { port } = socket;
  socket.close();
  return port;
}
