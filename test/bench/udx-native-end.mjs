/** One end of a stream of the real udx-native, for `udx.ts`: the words and the report are those of `udx-end.ts`. */
import { createInterface } from "node:readline";
import UDX from "udx-native";

const WRITE_BYTES = 65_536;
const PING_BYTES = 64;
const ID = 1;
const [role, ...numbers] = process.argv.slice(2);
const udx = new UDX();
const socket = udx.createSocket();
socket.bind(0, "127.0.0.1");
console.log(socket.address().port);
const remotePort = await new Promise((resolve) =>
  createInterface({ input: process.stdin }).once("line", (line) => resolve(Number(line))),
);

const report = { bytes: 0, seconds: 0, cpuSeconds: 0, resent: 0, roundTrips: [] };
const chunk = Buffer.alloc(role === "ping" ? PING_BYTES : WRITE_BYTES, 7);
const most = Number(numbers[0]);
const endsAt = performance.now() + 1_000 * Number(numbers[role === "send" ? 1 : 0]);
let cpu = process.cpuUsage();
let firstAt = -1;
let askedAt = 0;

const stream = udx.createStream(ID);
stream.connect(socket, ID, remotePort, "127.0.0.1");
const ask = () => {
  askedAt = performance.now();
  stream.write(chunk);
};
stream.on("data", (bytes) => {
  const now = performance.now();
  if (firstAt < 0) {
    firstAt = now;
    cpu = process.cpuUsage();
  }
  report.bytes += bytes.length;
  report.seconds = (now - firstAt) / 1_000;
  if (role === "echo") stream.write(bytes);
  if (role === "ping" && report.bytes % PING_BYTES === 0) {
    report.roundTrips.push(now - askedAt);
    if (now > endsAt) stream.end();
    else ask();
  }
});
stream.on("end", () => stream.end());
stream.on("error", (error) => console.error(error.message));
stream.on("close", () => {
  const { user, system } = process.cpuUsage(cpu);
  report.cpuSeconds = (user + system) / 1e6;
  report.resent = stream.retransmits;
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0)); // a long line needs a while
});
if (role === "ping") ask();
if (role === "send") {
  let isOver = false;
  while (!isOver) {
    const isRoom = stream.write(chunk);
    report.bytes += chunk.length;
    isOver = report.bytes >= most || performance.now() > endsAt;
    if (!isRoom && !isOver) await new Promise((resolve) => stream.once("drain", resolve));
  }
  stream.end();
}
