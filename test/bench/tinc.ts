/** tinc in router mode, with its own defaults: 1.0 seals with AES-256-CBC, 1.1 with ChaCha20-Poly1305. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/until.ts";
import { INNER, SIDES, type Side, TUNNEL_PORT, UNDERLAY } from "./stage.ts";
import type { Tool } from "./tools.ts";

/** Throws when it is not installed. */
export function tinc(): Pick<Tool, "version" | "prepare"> {
  if (!Bun.which("tincd")) throw new Error("tincd is not installed (Debian: tinc)");
  const version = Bun.spawnSync(["tincd", "--version"]).stdout.toString().split("\n")[0]!;
  return { version, prepare };
}

const prepare: Tool["prepare"] = ({ scene, ...ends }) => {
  const folders = { a: scene.newDirectory(), b: scene.newDirectory() };
  const own = SIDES.map((side) => ({ side, publicHost: makeHost(folders[side], side) }));
  for (const { side, publicHost } of own) {
    for (const folder of Object.values(folders)) writeFileSync(join(folder, "hosts", side), publicHost);
  }
  return async () => {
    const actors = SIDES.map((side) => {
      const folder = folders[side];
      return scene.start(ends[side], ["tincd", "-D", "-c", folder, `--pidfile=${join(folder, "pid")}`]);
    });
    await Promise.all(
      SIDES.map((side) =>
        until("tinc's interface is up", () => ends[side].run("ip", "link", "show", "dev", "tinc0").includes("UP")),
      ),
    );
    return { to: INNER.b, actors };
  };
};

/** Writes one end's files and makes its key; returns what the other end needs of them. */
function makeHost(folder: string, side: Side): string {
  mkdirSync(join(folder, "hosts"));
  const connect = side === "b" ? "ConnectTo = a\n" : "";
  const conf = `Name = ${side}\nInterface = tinc0\nDeviceType = tun\nAddressFamily = ipv4\nMode = router\n${connect}`;
  writeFileSync(join(folder, "tinc.conf"), conf);
  const up = `#!/bin/sh\nip address add ${INNER[side]}/24 dev $INTERFACE\nip link set $INTERFACE up\n`;
  writeFileSync(join(folder, "tinc-up"), up);
  chmodSync(join(folder, "tinc-up"), 0o755);
  writeFileSync(
    join(folder, "hosts", side),
    `Address = ${UNDERLAY[side]}\nPort = ${TUNNEL_PORT}\nSubnet = ${INNER[side]}/32\n`,
  );
  const { exitCode, stderr } = Bun.spawnSync(["tincd", "-c", folder, "-K", "2048"], { stdin: "ignore" });
  if (exitCode !== 0) throw new Error(`tincd -K: ${stderr.toString()}`);
  return readFileSync(join(folder, "hosts", side), "utf8");
}
