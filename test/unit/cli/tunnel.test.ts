import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DnetError } from "../../../src/base/error.ts";
import { readTunnelFile } from "../../../src/cli/tunnel-file.ts";
import { X25519Key } from "../../../src/crypto/x25519.ts";
import { dnet, emptyView, fakeTunnels } from "./fake-context.ts";

const folder = mkdtempSync(join(tmpdir(), "dnet-cli-"));
afterAll(() => rmSync(folder, { recursive: true }));

const PRIVATE = new Uint8Array(32).fill(1).toBase64();

/** Writes a file and returns its path. */
function file(name: string, content: string | Uint8Array, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}
const good = (name: string, mode?: number) => file(name, `[Interface]\nPrivateKey = ${PRIVATE}\n`, mode);

test("genkey prints a clamped key and genpsk plain random bytes, in base64", async () => {
  const private_ = Uint8Array.fromBase64((await dnet(["tunnel", "genkey"])).stdout.trim());
  expect([private_.length, private_[0], private_[1], private_[31]]).toEqual([32, 0xf8, 0xff, 0x7f]);
  const preshared = await dnet(["tunnel", "genpsk"]);
  expect(preshared.stdout).toBe(`${new Uint8Array(32).fill(0xff).toBase64()}\n`);
});

test("secrets are not to be had as JSON", async () => {
  for (const name of ["genkey", "genpsk"]) {
    const refused = await dnet(["tunnel", name, "--json"]);
    expect(refused.json()).toMatchObject({ schema: "dnet.error/1", code: "SECRET_AS_JSON", exitCode: 2 });
  }
});

test("pubkey answers the private key on standard input, spaces around it or not", async () => {
  const publicKey = new X25519Key(Uint8Array.fromBase64(PRIVATE)).publicKey.toBase64();
  expect((await dnet(["tunnel", "pubkey"], { stdin: ` ${PRIVATE}\n\n` })).stdout).toBe(`${publicKey}\n`);
  const json = (await dnet(["tunnel", "pubkey", "--json"], { stdin: PRIVATE })).json();
  expect(json).toEqual({ schema: "dnet.public-key/1", publicKey });
});

test("pubkey refuses what is no key without repeating it", async () => {
  for (const stdin of ["", "hunter2", `${PRIVATE}${PRIVATE}`, new Uint8Array(32).toBase64()]) {
    const { exitCode, stdout, stderr } = await dnet(["tunnel", "pubkey"], { stdin });
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toStartWith("error KEY_INVALID: ");
    expect(stderr).not.toContain("hunter2");
  }
});

test("up reads the file, starts the tunnel by its absolute path, and prints what came up", async () => {
  const tunnels = fakeTunnels([]);
  const path = good("wg0.conf");
  const { exitCode, stdout, stderr } = await dnet(["tunnel", "up", path], { tunnels });
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(stdout).toStartWith("interface: wg0\n");
  expect(tunnels.started).toEqual([path]);
  expect((await dnet(["tunnel", "up", path, "--json"], { tunnels })).json()).toMatchObject({ schema: "dnet.tunnel/1" });
});

test("up in the foreground runs it here, logs to stderr with the time, and prints what came up", async () => {
  const { stdout, stderr } = await dnet(["tunnel", "up", good("wg1.conf"), "--foreground"]);
  expect(stdout).toStartWith("interface: wg1\n");
  expect(stderr).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z starting\n$/);
});

test("up starts nothing when the file is bad, or the tunnel is up already", async () => {
  const tunnels = fakeTunnels([{ ...emptyView, name: "wg3" }]);
  const bad = await dnet(["tunnel", "up", file("wg2.conf", "[Interface]\nMTU = 3\n")], { tunnels });
  expect(bad.stderr).toStartWith("error CONFIG_INVALID: wg2.conf line 1: [Interface] has no PrivateKey\n");
  expect(bad.exitCode).toBe(9);
  const again = await dnet(["tunnel", "up", good("wg3.conf")], { tunnels });
  expect(again.stderr).toBe("error TUNNEL_RUNNING: the tunnel wg3 is up already\ntry dnet tunnel down wg3\n");
  expect((await dnet(["tunnel", "up", good("wg3.conf"), "--foreground"], { tunnels })).stderr).toBe(again.stderr);
  expect(tunnels.started).toEqual([]);
});

test("up warns of a file that everyone may read", async () => {
  const path = good("open.conf", 0o644);
  const { stderr, exitCode } = await dnet(["tunnel", "up", path, "--json"]);
  expect(stderr).toBe(`warning: ${path} is open to everyone on this machine; better: chmod 600 ${path}\n`);
  expect(exitCode).toBe(0);
});

test("a file that is absent, a folder, too large or not text is refused as bad configuration", () => {
  const refused = (path: string) => {
    try {
      readTunnelFile(path);
    } catch (error) {
      expect(error).toBeInstanceOf(DnetError);
      expect((error as DnetError).failure).toBe("configuration");
      return (error as DnetError).message;
    }
    throw new Error(`accepted ${path}`);
  };
  expect(refused(join(folder, "none.conf"))).toBe(`${join(folder, "none.conf")} does not exist`);
  expect(refused(folder)).toBe(`${folder} is a directory`);
  expect(refused(join(good("under.conf"), "wg0.conf"))).toEndWith("wg0.conf does not exist");
  expect(refused("/dev/zero")).toBe("/dev/zero has more than 1048576 bytes, which is more than is read");
  expect(refused(file("big.conf", new Uint8Array(1024 * 1024 + 1)))).toContain("has more than 1048576 bytes");
  expect(refused(file("latin.conf", Uint8Array.of(0x5b, 0xe9, 0x5d)))).toContain("is not text in UTF-8");
});

test("down stops a tunnel by its name or its file, and says 3 when it does not run", async () => {
  const tunnels = fakeTunnels([emptyView, { ...emptyView, name: "wg1" }]);
  const { exitCode, stdout, stderr } = await dnet(["tunnel", "down", "/etc/wireguard/wg0.conf"], { tunnels });
  expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 0, stdout: "", stderr: "wg0 is down\n" });
  const json = (await dnet(["tunnel", "down", "wg1", "--json"], { tunnels })).json();
  expect(json).toEqual({ schema: "dnet.tunnel-down/1", name: "wg1" });
  expect((await dnet(["tunnel", "down", "wg0"], { tunnels })).exitCode).toBe(3);
  expect((await dnet(["tunnel", "down", "../wg0"], { tunnels })).exitCode).toBe(3);
  expect((await dnet(["tunnel", "down", "a b"], { tunnels })).exitCode).toBe(9);
});

test("show without a name shows all tunnels in order, and none is no failure", async () => {
  const tunnels = fakeTunnels([{ ...emptyView, name: "wg1" }, emptyView]);
  const { stdout } = await dnet(["tunnel", "show"], { tunnels });
  expect(stdout.match(/^interface: \w+$/gm)).toEqual(["interface: wg0", "interface: wg1"]);
  const all = (await dnet(["tunnel", "show", "--json"], { tunnels })).json();
  expect(all).toMatchObject({ schema: "dnet.tunnels/1", tunnels: [{ name: "wg0" }, { name: "wg1" }] });
  const none = await dnet(["tunnel", "show"]);
  expect(none).toMatchObject({ exitCode: 0, stdout: "", stderr: "no tunnel of this user is running\n" });
  const json = (await dnet(["tunnel", "show", "--json"])).json();
  expect(json).toEqual({ schema: "dnet.tunnels/1", tunnels: [], silent: [] });
});

test("a tunnel that does not answer hides none of the others, and is not started a second time", async () => {
  const tunnels = fakeTunnels([{ ...emptyView, name: "wg1" }], ["wg0"]);
  const { exitCode, stdout, stderr } = await dnet(["tunnel", "show"], { tunnels });
  expect({ exitCode, stderr }).toEqual({
    exitCode: 0,
    stderr: "warning: wg0 does not answer; see dnet tunnel show wg0\n",
  });
  expect(stdout).toStartWith("interface: wg1\n");
  expect((await dnet(["tunnel", "show", "--json"], { tunnels })).json()).toMatchObject({ silent: ["wg0"] });
  for (const option of [[], ["--foreground"]]) {
    const up = await dnet(["tunnel", "up", good("wg0.conf"), ...option], { tunnels });
    expect({ exitCode: up.exitCode, started: tunnels.started }).toEqual({ exitCode: 6, started: [] });
  }
});

test("show with a name shows that one, and says 3 when it does not run", async () => {
  const tunnels = fakeTunnels([emptyView]);
  expect((await dnet(["tunnel", "show", "wg0", "--json"], { tunnels })).json()).toEqual({ ...emptyView });
  const absent = await dnet(["tunnel", "show", "wg7", "--json"], { tunnels });
  expect(absent.json()).toMatchObject({ schema: "dnet.error/1", code: "TUNNEL_NOT_RUNNING", exitCode: 3 });
  expect(absent.exitCode).toBe(3);
});
