import { afterAll, beforeAll, expect, test } from "bun:test";
import { type AddressInfo, createServer } from "node:net";
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
