/**
 * One end of an encrypted stream that carries much both ways at once (see `lone-pair.mjs`).
 *   bun|node bulk-end.mjs listen|connect BYTES
 * Prints the hashes of what it sent and what it received when both have ended.
 */
import { createHash } from "node:crypto";
import { pairUp, report, writeAll } from "./lone-pair.mjs";

const MESSAGE_BYTES = 65_536;
/** Lengths differ by up to so much: every remainder that a cipher could pad. */
const LENGTHS = 31;

const [role, bytes] = process.argv.slice(2);
const block = new Uint8Array(MESSAGE_BYTES).map((_, i) => Math.imul(i + role.length, 0x9e3779b1) >>> 24);
const [sent, received] = [createHash("sha256"), createHash("sha256")];
let left = Number(bytes);
let count = 0;
let receivedBytes = 0;

/** No message is like another. */
function next() {
  if (left === 0) return null;
  new DataView(block.buffer).setUint32(0, ++count);
  const message = block.slice(0, Math.min(left, MESSAGE_BYTES - (count % LENGTHS)));
  left -= message.length;
  sent.update(message);
  return message;
}

await pairUp(role === "listen", (socket) => {
  socket.on("data", (message) => {
    received.update(message);
    receivedBytes += message.length;
  });
  socket.on("close", () => report({ sent: sent.digest("hex"), received: received.digest("hex"), receivedBytes }));
  writeAll(socket, next);
});
