/**
 * A stream of the real udx-native under Node, told what to do by lines of JSON on stdin; it says what happened by lines on stdout.
 *   node udx-native.mjs
 * Bytes it sends are those of `patternByte` in udx-sim.ts; of those it gets it tells the number and the SHA-256.
 */
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import UDX from "udx-native";

const say = (event, more = {}) => process.stdout.write(`${JSON.stringify({ event, ...more })}\n`);
const udx = new UDX();
const sockets = [udx.createSocket(), udx.createSocket()];
for (const socket of sockets) socket.bind(0, "127.0.0.1");
let stream;
let received = 0;
const hash = createHash("sha256");

const COMMANDS = {
  open({ id, remoteId, port, seq = 0, ack = 0, connects = true }) {
    stream = udx.createStream(id, { seq, firewall: () => false });
    stream.on("data", (bytes) => {
      received += bytes.length;
      hash.update(bytes);
    });
    stream.on("end", () => say("ended", { received, sha256: hash.copy().digest("hex") }));
    stream.on("error", ({ code }) => say("error", { code }));
    stream.on("close", () => say("closed", { received }));
    stream.on("message", (bytes) => say("message", { text: bytes.toString() }));
    stream.on("remote-changed", () => say("remote-changed"));
    if (connects) stream.connect(sockets[0], remoteId, port, "127.0.0.1", { ack });
    say("opened");
  },
  async write({ bytes, salt, ends = true }) {
    let place = 0;
    while (place < bytes) {
      const chunk = Buffer.allocUnsafe(Math.min(65_536, bytes - place));
      for (let i = 0; i < chunk.length; i++, place++) {
        chunk[i] = (place * 31 + (place >> 8) * 17 + (place >> 16) * 7 + salt) & 0xff;
      }
      if (!stream.write(chunk)) await new Promise((resolve) => stream.once("drain", resolve));
    }
    if (ends) stream.end();
  },
  end: () => stream.end(),
  destroy: () => stream.destroy(),
  send: ({ text }) => void stream.send(Buffer.from(text)),
  changeRemote: ({ port, remoteId, socket }) => void stream.changeRemote(sockets[socket], remoteId, port, "127.0.0.1"),
  keepalive: ({ ms }) => stream.setKeepalive(ms),
};

say("bound", { ports: sockets.map((socket) => socket.address().port) });
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const { op, ...options } = JSON.parse(line);
  Promise.resolve(COMMANDS[op](options)).catch((error) => say("failed", { message: error.message }));
});
lines.on("close", () => process.exit(0));
