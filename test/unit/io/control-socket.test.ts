import { afterAll, beforeEach, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readTunnel, readTunnels, serveControl, stopTunnel } from "../../../src/io/control-socket.ts";
import { makeTunnelDirectory, tunnelSocketPath } from "../../../src/io/paths.ts";
import { emptyView } from "../cli/fake-context.ts";

const folder = mkdtempSync(join(tmpdir(), "dnet-control-"));
const before = process.env["DNET_RUN_DIR"];
let runs = 0;
beforeEach(() => {
  process.env["DNET_RUN_DIR"] = join(folder, String(runs++));
});
afterAll(() => {
  if (before === undefined) delete process.env["DNET_RUN_DIR"];
  else process.env["DNET_RUN_DIR"] = before;
  rmSync(folder, { recursive: true });
});

/** A tunnel's control socket, with `pid` to tell it by. */
const serve = (name: string, pid = 1) =>
  serveControl(name, { view: () => ({ ...emptyView, name, pid }), stop: () => Promise.resolve() });

test("a tunnel is read and stopped through a socket that its user alone may open", async () => {
  const server = serve("wg0");
  expect(await readTunnel("wg0")).toMatchObject({ name: "wg0" });
  await stopTunnel("wg0");
  expect(statSync(tunnelSocketPath("wg0")).mode & 0o777).toBe(0o600);
  server.hide();
  await server.close();
  expect(existsSync(tunnelSocketPath("wg0"))).toBe(false);
  expect(readTunnel("wg0")).rejects.toMatchObject({ code: "TUNNEL_NOT_RUNNING", failure: "not-running" });
});

test("a socket outlives the end of the tunnel that had its name before", async () => {
  const first = serve("wg0", 1);
  first.hide(); // and then the interface goes, so that the next may come up under its name
  const second = serve("wg0", 2);
  await first.close();
  expect(await readTunnel("wg0")).toMatchObject({ pid: 2 });
  second.hide();
  await second.close();
});

test("what runs is what answers; a socket or a file that was left behind does not count, and is replaced", async () => {
  expect(await readTunnels()).toEqual({ views: [], silent: [] });
  writeFileSync(join(makeTunnelDirectory(), "left.sock"), "");
  const server = serve("wg0");
  const { views, silent } = await readTunnels();
  expect({ names: views.map(({ name }) => name), silent }).toEqual({ names: ["wg0"], silent: [] });
  const replacing = serve("left");
  expect((await readTunnels()).views).toHaveLength(2);
  for (const each of [server, replacing]) await each.close();
});

test("no socket is believed in a directory that others may write to", async () => {
  const server = serve("wg0");
  chmodSync(process.env["DNET_RUN_DIR"]!, 0o777);
  for (const ask of [readTunnels, () => readTunnel("wg0"), () => stopTunnel("wg0")]) {
    expect(ask()).rejects.toMatchObject({ code: "RUN_DIRECTORY_UNSAFE", failure: "permission" });
  }
  chmodSync(process.env["DNET_RUN_DIR"]!, 0o700);
  await server.close();
});
