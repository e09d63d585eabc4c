/**
 * A program, one end of a load of UDP packets. It is written for little work in each packet, as it shares the processors with what
 * it measures: a connected socket, message headers that are laid out once, and many packets in a system call.
 *   bun udp-load.ts receive HOST PORT                      prints `ready`, and how many came when no more come
 *   bun udp-load.ts send HOST PORT BYTES RATE SECONDS      sends RATE packets of BYTES bytes a second, or as many as it can
 *                                                          with `Infinity`; prints how many, and the seconds it took
 */
import { dlopen } from "bun:ffi";
import { check, libc, Memory, setAddress } from "../../ffi/libc.ts";
import { AF_INET, encodeSockaddr, SOCKADDR4_BYTES } from "../../ffi/sockaddr.ts";
import { HEADER, IOVEC_BYTES, MMSGHDR_BYTES, MSG_DONTWAIT } from "../../ffi/udp-destination.ts";
import { parseIp } from "../../src/base/ip.ts";

const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const BUFFER_BYTES = 8 * 1024 * 1024;
const SEND_BATCH = 64;
const RECEIVE_BATCH = 256;
const LONGEST_PACKET = 2048;
/** Once packets have come, this long without one is the end. */
const QUIET_MS = 300;
/** How long nothing at all may come at first. */
const PATIENCE_MS = 5_000;
/** Between two looks at the socket: packets gather meanwhile, and the processor is the tunnel's. */
const LOOK_EVERY_MS = 0.4;

/** What only the kernel still points to. */
const held: Memory[] = [];
const nobody = new Int32Array(new SharedArrayBuffer(4));
/** Bun.sleepSync takes whole milliseconds only. */
const sleep = (ms: number) => void Atomics.wait(nobody, 0, 0, ms);

const [verb, host = "", port = "", ...numbers] = process.argv.slice(2);
const [bytes = 0, rate = 0, seconds = 0] = numbers.map(Number);
const address = new Memory(SOCKADDR4_BYTES);
encodeSockaddr({ host: parseIp(host)!, port: Number(port) }, address.bytes);
const fd = check("socket", libc().socket(AF_INET, SOCK_DGRAM, 0));
const buffer = Memory.of(new Uint8Array(Int32Array.of(BUFFER_BYTES).buffer));
for (const option of [SO_SNDBUFFORCE, SO_RCVBUFFORCE]) {
  check("setsockopt", libc().setsockopt(fd, SOL_SOCKET, option, buffer.address, 4));
}
if (verb === "receive") receive();
else send();

function receive(): void {
  check("bind", libc().bind(fd, address.address, SOCKADDR4_BYTES));
  const messages = layOut(RECEIVE_BATCH, LONGEST_PACKET);
  const { recvmmsg } = libc();
  console.log("ready");
  let received = 0;
  let endAt = performance.now() + PATIENCE_MS;
  for (;;) {
    const count = recvmmsg(fd, messages.address, RECEIVE_BATCH, MSG_DONTWAIT, 0);
    const now = performance.now();
    if (count > 0) {
      received += count;
      endAt = now + QUIET_MS;
    } else if (now > endAt) break;
    if (count < RECEIVE_BATCH) sleep(LOOK_EVERY_MS);
  }
  console.log(received);
}

function send(): void {
  const { connect } = dlopen("libc.so.6", { connect: { args: ["i32", "ptr", "u32"], returns: "i32" } }).symbols;
  check("connect", connect(fd, address.bytes, SOCKADDR4_BYTES));
  const messages = layOut(SEND_BATCH, bytes);
  const { sendmmsg } = libc();
  const pauseMs = Math.min(2, Math.max(0.15, 8_000 / rate));
  const startedAt = performance.now();
  let [sent, elapsedMs] = [0, 0];
  for (; elapsedMs < seconds * 1000; elapsedMs = performance.now() - startedAt) {
    const due = rate === Infinity ? SEND_BATCH : Math.floor((elapsedMs * rate) / 1000) - sent;
    const count = due > 0 ? sendmmsg(fd, messages.address, Math.min(due, SEND_BATCH), 0) : 0;
    if (count > 0) sent += count;
    if (rate !== Infinity && due <= SEND_BATCH) sleep(pauseMs);
  }
  console.log(JSON.stringify({ sent, seconds: elapsedMs / 1000 }));
}

/** An array of mmsghdr whose messages are all the same `bytes` bytes, which nobody reads. */
function layOut(count: number, bytes: number): Memory {
  const payload = new Memory(bytes);
  const iovec = new Memory(IOVEC_BYTES);
  const iovecWords = new Uint32Array(iovec.buffer);
  setAddress(iovecWords, 0, payload.address);
  iovecWords[2] = bytes;
  const messages = new Memory(count * MMSGHDR_BYTES);
  const words = new Uint32Array(messages.buffer);
  for (let i = 0; i < count; i++) {
    setAddress(words, i * HEADER.words + HEADER.iovecs, iovec.address);
    words[i * HEADER.words + HEADER.iovecCount] = 1;
  }
  held.push(payload, iovec);
  return messages;
}
