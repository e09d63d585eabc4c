import { afterEach, expect, test } from "bun:test";
import { Memory } from "../../../ffi/libc.ts";
import { UdpBatch } from "../../../ffi/udp-batch.ts";
import { UdpSocket } from "../../../ffi/udp-linux.ts";

const HOST = Uint8Array.of(127, 0, 0, 1);
const SLOT = 2_048;
const opened: UdpSocket[] = [];

afterEach(() => {
  for (const socket of opened.splice(0)) socket.close();
});

function open(): UdpSocket {
  const buffers = { receiveBufferBytes: 1 << 20, sendBufferBytes: 1 << 20 };
  const socket = UdpSocket.open({ family: 4, port: 0, host: HOST, ...buffers, segmentation: true, slots: 64 });
  opened.push(socket);
  return socket;
}

const memory = new Memory(64 * SLOT);
const outgoing = new Memory(65_536);

function receiveAll(socket: UdpSocket): number[][] {
  const count = socket.receive(memory.address, SLOT);
  return Array.from({ length: count }, (_, i) => [...memory.bytes.subarray(i * SLOT, i * SLOT + socket.lengthOf(i))]);
}

test("each datagram goes to its own address, in order, and the batch is empty again", () => {
  const [from, a, b] = [open(), open(), open()];
  const batch = new UdpBatch(4);
  for (let i = 0; i < 8; i++) outgoing.bytes[i] = i;
  for (let round = 0; round < 2; round++) {
    batch.add({ host: HOST, port: a.port }, outgoing.address, 1);
    batch.add({ host: HOST, port: b.port }, outgoing.address + 1, 3);
    batch.add({ host: HOST, port: a.port }, 0, 0);
    expect(batch.isFull).toBe(false);
    batch.add({ host: HOST, port: a.port }, outgoing.address + 4, 2);
    expect(batch.isFull).toBe(true);
    batch.send(from.fd);
    expect(batch.isFull).toBe(false);
    expect([receiveAll(a), receiveAll(b)]).toEqual([[[0], [], [4, 5]], [[1, 2, 3]]]);
  }
  batch.send(from.fd);
  expect([receiveAll(a), receiveAll(b)]).toEqual([[], []]);
});

test("one that the kernel refuses is lost alone", () => {
  const [from, to] = [open(), open()];
  const batch = new UdpBatch(8);
  const broadcast = new Uint8Array(4).fill(255);
  batch.add({ host: broadcast, port: to.port }, outgoing.address, 1); // EACCES
  batch.add({ host: HOST, port: to.port }, outgoing.address + 1, 1);
  batch.add({ host: HOST, port: to.port }, outgoing.address, 65_508); // EMSGSIZE
  batch.add({ host: HOST, port: 0 }, outgoing.address, 1); // EINVAL
  batch.add({ host: HOST, port: to.port }, outgoing.address + 2, 1);
  batch.send(from.fd);
  expect(receiveAll(to)).toEqual([[1], [2]]);
});
