/**
 * One end of an encrypted stream for `udx.ts`, ours or the real hyperdht's (see `test/support/lone-pair.mjs`): the words and the report
 * are those of `udx-end.ts`.
 *   bun|node sealed-end.mjs send BYTES SECONDS | receive
 */
import { pairUp, report, writeAll } from "../support/lone-pair.mjs";

const WRITE_BYTES = 65_536;

const [role, ...numbers] = process.argv.slice(2);
const [most, seconds] = numbers.map(Number);
const chunk = new Uint8Array(WRITE_BYTES).fill(7);
let bytes = 0;
let firstAt = -1;
let lastAt = -1;
let cpu = process.cpuUsage();

function begin() {
  firstAt = performance.now();
  cpu = process.cpuUsage();
}

function next() {
  if (bytes >= most || performance.now() > firstAt + 1_000 * seconds) return null;
  bytes += chunk.length;
  return chunk;
}

await pairUp(role === "receive", (socket) => {
  socket.on("data", (message) => {
    if (firstAt < 0) begin();
    bytes += message.length;
    lastAt = performance.now();
  });
  if (role === "receive") socket.on("end", () => socket.end());
  socket.on("close", () => {
    const { user, system } = process.cpuUsage(cpu);
    const cpuSeconds = (user + system) / 1e6;
    report({ bytes, seconds: (lastAt - firstAt) / 1_000, cpuSeconds, resent: null, roundTrips: [] });
  });
  if (role === "receive") return;
  begin();
  writeAll(socket, next);
});
