/**
 * Takes the tunnel of a file up and down again and again in one process: `up-and-down.ts FILE COUNT`. Prints descriptors, threads and
 * resident kilobytes as JSON, once after a tenth of the cycles and once at the end.
 */
import { readdirSync, readFileSync } from "node:fs";
import { readTunnelFile } from "../../src/cli/tunnel-file.ts";
import { runTunnel } from "../../src/io/tunnel.ts";

const [file = "", count = ""] = process.argv.slice(2);
const cycles = Number(count);

function holdings() {
  Bun.gc(true);
  const status = readFileSync("/proc/self/status", "utf8");
  const number = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(status)?.[1]);
  return { descriptors: readdirSync("/proc/self/fd").length, threads: number("Threads"), residentKb: number("VmRSS") };
}

for (let cycle = 1; cycle <= cycles; cycle++) {
  const stop = new AbortController();
  const { config } = readTunnelFile(file);
  await runTunnel(config, { signal: stop.signal, log: () => {}, onReady: () => stop.abort() });
  if (cycle === cycles / 10 || cycle === cycles) console.log(JSON.stringify(holdings()));
}
process.exit(0);
