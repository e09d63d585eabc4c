import { afterEach, expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import type { DatagramSocket } from "../../../src/io/datagram-socket.ts";
import { openUdpSocket } from "../../../src/io/udp-socket.ts";
import { SeededRandom } from "../../support/random.ts";
import { until } from "../../support/until.ts";

const HOST = "127.0.0.1";
const opened: DatagramSocket[] = [];

afterEach(() => {
  for (const socket of opened.splice(0)) socket.close();
});

/** One that keeps what comes to it. */
async function open(host = HOST, port = 0) {
  const socket = await openUdpSocket({ host, port });
  const heard: { from: number; datagram: Uint8Array }[] = [];
  socket.onDatagram((from, datagram) => void heard.push({ from: from.port, datagram }));
  opened.push(socket);
  return { socket, heard, at: { host: HOST, port: socket.address.port } };
}

const joined = (heard: readonly { datagram: Uint8Array }[]) => Buffer.concat(heard.map(({ datagram }) => datagram));

test("datagrams of any length arrive whole, in order, and say where they are from", async () => {
  const [a, b] = [await open("0.0.0.0"), await open()];
  expect(a.socket.address.host).toBe("0.0.0.0");
  const sent = [0, 1, 64, 1_472, 9_000, 65_507].map((length) => new SeededRandom(length).bytes(length));
  for (const datagram of sent) a.socket.send(b.at, datagram);
  await until("all are here", () => b.heard.length === sent.length);
  expect(b.heard).toEqual(sent.map((datagram) => ({ from: a.at.port, datagram })));
});

test("a run arrives as the datagrams it is made of, among others in the order of the calls", async () => {
  const [a, b] = [await open(), await open()];
  const run = new SeededRandom(1).bytes(64 * 1_000 - 10);
  a.socket.send(b.at, Uint8Array.of(1));
  a.socket.sendRun(b.at, run, 1_000);
  a.socket.send(b.at, Uint8Array.of(2));
  await until("all are here", () => b.heard.length === 66);
  expect(b.heard.map(({ datagram }) => datagram.length)).toEqual([1, ...new Array(63).fill(1_000), 990, 1]);
  expect(Buffer.compare(joined(b.heard.slice(1, -1)), run)).toBe(0);
});

test("by IPv6 as by IPv4, but not from one to the other", async () => {
  const [four, six, other] = [await open(), await open("::1"), await open("::1")];
  const run = new SeededRandom(6).bytes(3_000);
  const to = { host: "::1", port: other.socket.address.port };
  four.socket.send(to, Uint8Array.of(1));
  six.socket.send(four.at, Uint8Array.of(2));
  six.socket.send(to, Uint8Array.of(3));
  six.socket.sendRun(to, run, 1_200);
  six.socket.send(to, Uint8Array.of(4), 5);
  await until("all are here", () => other.heard.length === 5);
  expect(Buffer.compare(joined(other.heard), Buffer.of(3, ...run, 4))).toBe(0);
  expect(four.heard).toEqual([]);
});

test("a burst of four megabytes waits for its reader where the system allows such a buffer", async () => {
  const [a, b] = [await open(), await open()];
  const allowed = Number(await Bun.file("/proc/sys/net/core/rmem_max").text());
  const runs = process.getuid?.() === 0 || allowed >= 4_194_304 ? 40 : 1;
  for (let i = 0; i < runs; i++) a.socket.sendRun(b.at, new Uint8Array(44 * 1_400), 1_400);
  await until("all are here", () => b.heard.length === runs * 44);
});

test("where nobody listens, or nobody can, changes nothing for those who do", async () => {
  const [a, b, gone] = [await open(), await open(), await open()];
  gone.socket.close();
  a.socket.send(gone.at, Uint8Array.of(1)); // ICMP answers
  a.socket.send({ host: HOST, port: 0 }, Uint8Array.of(2));
  a.socket.send({ host: "::1", port: b.at.port }, Uint8Array.of(3));
  a.socket.send({ host: "255.255.255.255", port: b.at.port }, Uint8Array.of(4)); // no broadcasts
  a.socket.send(b.at, new Uint8Array(65_508)); // longer than IP has
  a.socket.send(b.at, Uint8Array.of(5), 3);
  a.socket.send(b.at, Uint8Array.of(6));
  await until("what could arrive is here", () => b.heard.length === 2);
  expect(joined(b.heard)).toEqual(Buffer.of(5, 6));
});

test("a port is one socket's, whoever asks; closed, it is free, and sends and receives nothing", async () => {
  const [a, b] = [await open(), await open()];
  await expect(openUdpSocket(a.at)).rejects.toMatchObject({ code: "PORT_IN_USE" });
  const sharing = createSocket({ type: "udp4", reuseAddr: true }).bind(a.at.port, HOST);
  const [refusal] = await once(sharing, "error");
  expect(refusal.code).toBe("EADDRINUSE");
  await expect(openUdpSocket({ host: "192.0.2.1", port: 0 })).rejects.toMatchObject({ code: "HOST_NOT_OURS" });
  a.socket.close();
  a.socket.close();
  a.socket.send(b.at, Uint8Array.of(1));
  expect(a.socket.address.port).toBe(a.at.port);
  const again = await open(HOST, a.at.port);
  again.socket.send(b.at, Uint8Array.of(2));
  await until("the second is here", () => b.heard.length > 0);
  expect(joined(b.heard)).toEqual(Buffer.of(2));
});

test("a thousand opens and closes leave no descriptor behind, refused ones neither", async () => {
  const { at } = await open();
  const count = () => readdirSync("/proc/self/fd").length;
  const before = count();
  for (let i = 0; i < 1_000; i++) {
    (await openUdpSocket({ host: HOST, port: 0 })).close();
    await openUdpSocket(at).catch(() => {});
  }
  await until("all are closed", () => count() <= before);
});
