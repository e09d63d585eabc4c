import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Testnet, testnet } from "../../../src/index.ts";
import { until } from "../../support/until.ts";
import { dnet, FakeTerminal } from "./fake-context.ts";

let network: Testnet;
let bootstrap: string;

beforeAll(async () => {
  network = await testnet(4);
  const [{ host, port }] = network.bootstrap as [{ host: string; port: number }];
  bootstrap = `${host}:${port}`;
});
afterAll(() => network.destroy());

/** A command that goes on in the background. */
function start(argv: readonly string[], stdin = "") {
  const terminal = new FakeTerminal();
  const stop = new AbortController();
  const done = dnet(argv, { terminal, stdin, stop: stop.signal });
  return { terminal, done, stop: () => stop.abort() };
}

const keyIn = (text: string) => /\b[a-z0-9]{52}\b/.exec(text)?.[0] ?? "";

test("OM-15 what goes into connect comes out of listen, and the reverse, and both end", async () => {
  const listening = start(["dht", "listen", "--bootstrap", bootstrap], "from the one that waits");
  const key = await until("it listens", () => keyIn(listening.terminal.errors));
  const connecting = await dnet(["dht", "connect", key, "--bootstrap", bootstrap], {
    stdin: "from the one that calls",
  });
  const listened = await listening.done;
  expect([connecting.exitCode, connecting.stdout]).toEqual([0, "from the one that waits"]);
  expect([listened.exitCode, listened.stdout]).toEqual([0, "from the one that calls"]);
});

test("a TCP port that one side exposes is reached by a port of the other, as often as one likes", async () => {
  const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  await new Promise<void>((resolve) => echo.listen(0, "127.0.0.1", () => resolve()));
  const { port } = echo.address() as AddressInfo;
  const exposing = start(["dht", "expose", `${port}`, "--bootstrap", bootstrap]);
  const key = await until("it is exposed", () => keyIn(exposing.terminal.output));
  const free = createServer();
  await new Promise<void>((resolve) => free.listen(0, "127.0.0.1", () => resolve()));
  const { port: local } = free.address() as AddressInfo;
  free.close();
  const forwarding = start(["dht", "forward", key, `${local}`, "--bootstrap", bootstrap]);
  await until("it is forwarded", () => forwarding.terminal.output === `127.0.0.1:${local}\n`);
  for (const text of ["one", "two"]) {
    let heard = "";
    const closed = Promise.withResolvers<void>();
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: local,
      allowHalfOpen: true,
      socket: {
        data(connection, chunk) {
          heard += chunk.toString();
          if (heard === text) connection.end();
        },
        close: () => closed.resolve(),
      },
    });
    socket.write(text);
    await closed.promise;
    expect(heard).toBe(text);
  }
  for (const { stop, done } of [forwarding, exposing]) {
    stop();
    expect((await done).exitCode).toBe(0);
  }
  echo.close();
});

test("OM-34 a relay carries those whose keys it was given, and both sides are told by which path they talk", async () => {
  const directory = mkdtempSync(join(tmpdir(), "dnet-relay-"));
  const keys: string[] = [];
  for (const name of ["one", "two"]) {
    const made = await dnet(["dht", "keygen", join(directory, name)]);
    keys.push(keyIn(made.stdout));
  }
  const relaying = start(["dht", "relay", "--admit", keys[0]!, "--admit", keys[1]!, "--bootstrap", bootstrap]);
  const relay = await until("it relays", () => keyIn(relaying.terminal.output));
  const own = (name: string) => ["--relay", relay, "--key-file", join(directory, name), "--bootstrap", bootstrap];
  const listening = start(["dht", "listen", ...own("one")], "from the one that waits");
  await until("it listens", () => keyIn(listening.terminal.errors));
  const connecting = await dnet(["dht", "connect", keys[0]!, "--trace", ...own("two")], { stdin: "from the other" });
  expect([connecting.exitCode, connecting.stdout]).toEqual([0, "from the one that waits"]);
  expect(connecting.stderr).toMatch(/ ms {2}asks a relay to join us \(/);
  expect(connecting.stderr).toMatch(/connected: direct, to 127\.0\.0\.1:\d+\n/); // on one machine there is always a direct path
  expect((await listening.done).stdout).toBe("from the other");
  relaying.stop();
  expect((await relaying.done).exitCode).toBe(0);
  rmSync(directory, { recursive: true });
});

test("OM-34 a relay for nobody, or for some and for all, is refused", async () => {
  const all = ["--admit", "0".repeat(64), "--admit-all"];
  for (const [words, code] of [
    [[], "NOBODY_ADMITTED"],
    [all, "OPTION_CONFLICT"],
    [["--admit", "abc"], "BAD_ARGUMENT"],
  ] as const) {
    const { exitCode, stderr } = await dnet(["dht", "relay", ...words, "--bootstrap", bootstrap]);
    expect([exitCode, stderr.split(":")[0]]).toEqual([2, `error ${code}`]);
  }
});

test("OM-14 a key that nobody listens under ends in an error that says what to check", async () => {
  const { exitCode, stderr } = await dnet(["dht", "connect", "0".repeat(64), "--bootstrap", bootstrap]);
  expect(exitCode).toBe(6);
  expect(stderr).toContain("PEER_NOT_FOUND: no connection: no node knows this key");
});

test("what is no key or no port is refused before anything is opened", async () => {
  const wrong = [
    ["connect", "abc"],
    ["forward", "abc", "80"],
    ["forward", "0".repeat(64), "0"],
    ["expose", "65536"],
  ];
  for (const words of wrong) {
    const { exitCode, stderr } = await dnet(["dht", ...words, "--bootstrap", bootstrap]);
    expect([words[0], exitCode, stderr.split(":")[0]]).toEqual([words[0], 2, "error BAD_ARGUMENT"]);
  }
});

test("OM-40 peers without UDP talk through a proxy that admits their keys, and say how it is to be reached when it is not", async () => {
  const directory = mkdtempSync(join(tmpdir(), "dnet-proxy-"));
  const file = join(directory, "key");
  const key = keyIn((await dnet(["dht", "keygen", file])).stdout);
  const words = ["--admit", key, "--host", "127.0.0.1", "--port", "0", "--private-network"];
  const proxying = start(["dht", "proxy", ...words]);
  const proxy = await until("it carries", () => /127\.0\.0\.1:\d+/.exec(proxying.terminal.output)?.[0]);
  const via = ["--via", `ws://${proxy}`, "--bootstrap", bootstrap];
  const listening = start(["dht", "listen", "--key-file", file, ...via], "from behind");
  await until("it listens", () => keyIn(listening.terminal.errors));
  const connecting = await dnet(["dht", "connect", key, "--bootstrap", bootstrap], { stdin: "from outside" });
  expect([connecting.exitCode, connecting.stdout]).toEqual([0, "from behind"]);
  expect((await listening.done).stdout).toBe("from outside");
  const wrong = await dnet(["dht", "lookup", "topic", "--bootstrap", bootstrap, "--via", proxy]);
  expect([wrong.exitCode, wrong.stderr]).toEqual([9, expect.stringContaining("BAD_OPTION: via is 127.0.0.1:")]);
  proxying.stop();
  expect((await proxying.done).exitCode).toBe(0);
  rmSync(directory, { recursive: true });
}, 20_000);
