import { afterEach, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { libc, Memory } from "../../../ffi/libc.ts";
import { POLLIN, Poller } from "../../../ffi/poll.ts";
import { decodeSockaddr } from "../../../ffi/sockaddr.ts";
import { Destination } from "../../../ffi/udp-destination.ts";
import { type UdpOptions, UdpSocket } from "../../../ffi/udp-linux.ts";

const SLOT = 65_536;
const LOCALHOST = { 4: Uint8Array.of(127, 0, 0, 1), 6: Uint8Array.of(...new Array(15).fill(0), 1) };
const inMemory = new Memory(16 * SLOT);
const outMemory = new Memory(SLOT);
const opened: UdpSocket[] = [];

afterEach(() => {
  for (const socket of opened.splice(0)) socket.close();
});

function open(family: 4 | 6, options: Partial<UdpOptions> = {}): UdpSocket {
  const buffers = { receiveBufferBytes: 1 << 20, sendBufferBytes: 1 << 20 };
  const socket = UdpSocket.open({
    family,
    port: 0,
    host: LOCALHOST[family],
    ...buffers,
    segmentation: true,
    slots: 16,
    ...options,
  });
  opened.push(socket);
  return socket;
}

function pair(family: 4 | 6, options: Partial<UdpOptions> = {}) {
  const [from, to] = [open(family, options), open(family, options)];
  return { from, to, destination: new Destination({ host: LOCALHOST[family], port: to.port }) };
}

/** Numbered bytes, so that a shifted piece shows. */
function fill(length: number): Uint8Array {
  for (let i = 0; i < length; i++) outMemory.bytes[i] = (i * 7 + (i >> 8)) & 0xff;
  return outMemory.bytes.subarray(0, length);
}

/** Everything that is waiting, once something is. */
function receiveAll(socket: UdpSocket) {
  const poller = new Poller(1);
  poller.add(socket.fd, POLLIN);
  const messages = [];
  while (poller.wait(messages.length === 0 ? 1_000 : 0) > 0) {
    const count = socket.receive(inMemory.address, SLOT);
    for (let i = 0; i < count; i++) {
      const bytes = inMemory.bytes.slice(i * SLOT, i * SLOT + socket.lengthOf(i));
      messages.push({ bytes, segment: socket.segmentOf(i), tos: socket.tosOf(i) });
    }
  }
  return messages;
}

const joined = (messages: { bytes: Uint8Array }[]) => Buffer.concat(messages.map(({ bytes }) => bytes));

for (const family of [4, 6] as const) {
  test(`IPv${family}: datagrams of any size arrive whole, with TOS, source and local address`, () => {
    const { from, to, destination } = pair(family);
    for (const length of [0, 1, 3, 64, 1_472, 9_000, family === 4 ? 65_507 : 65_487]) {
      const sent = fill(length);
      expect(from.send(destination, outMemory.address, length, 0, 0xb9)).toBe(length);
      expect(to.receive(inMemory.address, SLOT)).toBe(1);
      expect([to.lengthOf(0), to.segmentOf(0), to.tosOf(0)]).toEqual([length, length, 0xb9]);
      expect(Buffer.compare(inMemory.bytes.subarray(0, length), sent)).toBe(0);
      expect(decodeSockaddr(to.names, to.nameOffset(0))).toEqual({ host: LOCALHOST[family], port: from.port });
      const local = to.localOf(0);
      expect(to.controls.slice(local, local + LOCALHOST[family].length)).toEqual(LOCALHOST[family]);
      expect(to.isFrom(new Destination({ host: LOCALHOST[family], port: from.port }), 0)).toBe(true);
      expect(to.isFrom(destination, 0)).toBe(false);
    }
    expect(to.receive(inMemory.address, SLOT)).toBe(0);
    expect(from.send(destination, outMemory.address, 65_508, 0, 0)).toBe(-90); // EMSGSIZE
  });

  test(`IPv${family}: a segmented send is one run to a socket with GRO and datagrams to one without`, () => {
    const { from, to, destination } = pair(family);
    const plain = open(family, { segmentation: false });
    const sent = fill(4_000);
    expect(from.send(destination, outMemory.address, 4_000, 1_200, 2)).toBe(4_000);
    expect(receiveAll(to)).toEqual([{ bytes: sent.slice(), segment: 1_200, tos: 2 }]);
    const toPlain = new Destination({ host: LOCALHOST[family], port: plain.port });
    expect(from.send(toPlain, outMemory.address, 4_000, 1_200, 0)).toBe(4_000);
    const received = receiveAll(plain);
    expect(received.map(({ bytes, segment }) => [bytes.length, segment])).toEqual([
      [1_200, 1_200],
      [1_200, 1_200],
      [1_200, 1_200],
      [400, 400],
    ]);
    expect(Buffer.compare(joined(received), sent)).toBe(0);
    expect(from.features).toMatchObject({ gso: true, gro: true, pktinfo: true });
    expect(plain.features).toMatchObject({ gso: false, gro: false, pktinfo: true });
  });

  test(`IPv${family}: without GSO the same call sends the pieces, also more than one batch of them`, () => {
    const { from, to, destination } = pair(family, { segmentation: false });
    const sent = fill(6_450);
    expect(from.send(destination, outMemory.address, 6_450, 64, 1)).toBe(6_450);
    const received = receiveAll(to);
    expect(received.map(({ bytes }) => bytes.length)).toEqual([...new Array(100).fill(64), 50]);
    expect(received.every(({ tos }) => tos === 1)).toBe(true);
    expect(Buffer.compare(joined(received), sent)).toBe(0);
  });

  test(`IPv${family}: a source that is not ours is forgotten and the datagram sent without`, () => {
    const { from, to, destination } = pair(family);
    const foreign =
      family === 4 ? Uint8Array.of(192, 0, 2, 9) : Uint8Array.of(0x20, 1, 0xd, 0xb8, ...new Array(12).fill(9));
    destination.setSource(LOCALHOST[family], 0, 1);
    expect(from.send(destination, outMemory.address, 5, 0, 1)).toBe(5);
    expect(destination.hasSource).toBe(true);
    destination.setSource(foreign, 0, 0);
    expect(from.send(destination, outMemory.address, 6, 0, 0)).toBe(6);
    expect(destination.hasSource).toBe(false);
    destination.setSource(foreign, 0, 0);
    from.features.gso = false;
    expect(from.send(destination, outMemory.address, 7, 4, 0)).toBe(7);
    expect(receiveAll(to).map(({ bytes }) => bytes.length)).toEqual([5, 6, 4, 3]);
  });
}

test.each([4, 6] as const)("IPv%d: one destination may be sent on to another, with a run or a datagram", (family) => {
  const [from, one, two] = [open(family), open(family), open(family)];
  const destination = new Destination({ host: new Uint8Array(LOCALHOST[family].length), port: 0 });
  for (const { to, segment } of [
    { to: one, segment: 0 },
    { to: two, segment: 400 },
    { to: one, segment: 500 },
  ]) {
    destination.redirect({ host: LOCALHOST[family], port: to.port });
    expect(from.send(destination, outMemory.address, 1_000, segment, 0)).toBe(1_000);
    expect(receiveAll(to).map(({ bytes, segment }) => [bytes.length, segment])).toEqual([[1_000, segment || 1_000]]);
  }
});

test("who receives elsewhere gets neither joined datagrams nor control messages; who probes may, whatever is known of the path", () => {
  const [plain, elsewhere] = [open(4), open(4, { isReceivedElsewhere: true, probesMtu: true })];
  expect(elsewhere.features).toMatchObject({ gso: true, gro: false, pktinfo: false });
  const option = (socket: UdpSocket, level: number, name: number) => {
    const [value, length] = [new Memory(4), Memory.of(Uint8Array.of(4, 0, 0, 0))];
    libc().getsockopt(socket.fd, level, name, value.address, length.address);
    return value.view.getInt32(0, true);
  };
  const [SOL_IP, IP_TTL, IP_PKTINFO, IP_MTU_DISCOVER, IP_RECVTOS] = [0, 2, 8, 10, 13];
  const names = [IP_MTU_DISCOVER, IP_PKTINFO, IP_RECVTOS];
  expect(names.map((name) => option(plain, SOL_IP, name))).toEqual([2, 1, 1]);
  expect(names.map((name) => option(elsewhere, SOL_IP, name))).toEqual([3, 0, 0]);
  const [SOL_IPV6, IPV6_UNICAST_HOPS] = [41, 16];
  for (const [socket, level, name] of [
    [plain, SOL_IP, IP_TTL],
    [open(6), SOL_IPV6, IPV6_UNICAST_HOPS],
  ] as const) {
    const usual = option(socket, level, name);
    socket.setHops(5);
    expect(option(socket, level, name)).toBe(5);
    socket.setHops(-1);
    expect(option(socket, level, name)).toBe(usual);
  }
  const [SOL_SOCKET, SO_REUSEADDR] = [1, 2];
  libc().setsockopt(plain.fd, SOL_SOCKET, SO_REUSEADDR, Memory.of(Uint8Array.of(1, 0, 0, 0)).address, 4);
  plain.holdPort();
  expect(option(plain, SOL_SOCKET, SO_REUSEADDR)).toBe(0);
});

test("the source chosen is the one the receiver sees", () => {
  const { from, to, destination } = pair(4, { host: new Uint8Array(4) });
  destination.setSource(Uint8Array.of(9, 127, 0, 0, 5), 1, 0);
  from.send(destination, outMemory.address, 5, 0, 3);
  expect(to.receive(inMemory.address, SLOT)).toBe(1);
  expect(decodeSockaddr(to.names)?.host).toEqual(Uint8Array.of(127, 0, 0, 5));
  expect(to.tosOf(0)).toBe(3);
});

test("one call takes as many messages as there are slots, each in its own", () => {
  const { from, to, destination } = pair(4, { slots: 4, segmentation: false });
  for (let i = 1; i <= 6; i++) {
    fill(i * 10);
    from.send(destination, outMemory.address, i * 10, 0, i);
  }
  expect(to.receive(inMemory.address, 100)).toBe(4);
  expect([0, 1, 2, 3].map((i) => [to.lengthOf(i), to.tosOf(i)])).toEqual([
    [10, 1],
    [20, 2],
    [30, 3],
    [40, 4],
  ]);
  expect(Buffer.compare(inMemory.bytes.subarray(300, 340), fill(40))).toBe(0);
  expect(to.receive(inMemory.address, 100)).toBe(2);
  expect([to.lengthOf(1), to.tosOf(1), to.nameAddress(1) - to.nameAddress(0)]).toEqual([60, 6, to.nameOffset(1)]);
});

test("a datagram longer than its slot has length 0", () => {
  const { from, to, destination } = pair(4);
  from.send(destination, outMemory.address, 101, 0, 0);
  from.send(destination, outMemory.address, 100, 0, 0);
  expect(to.receive(inMemory.address, 100)).toBe(2);
  expect([to.lengthOf(0), to.lengthOf(1)]).toEqual([0, 100]);
});

test("a run that GSO refuses as too long for the path does not turn GSO off", () => {
  const { from, destination } = pair(4);
  expect(from.send(destination, outMemory.address, 65_536, 65_530, 0)).toBeLessThan(0);
  expect(from.features.gso).toBe(true);
});

test("when the interface cannot segment, that send goes out in pieces and the next ones do not try", () => {
  const { from, to, destination } = pair(4);
  const one = Memory.of(Uint8Array.of(1, 0, 0, 0));
  const [SOL_SOCKET, SO_NO_CHECK] = [1, 11]; // a segmented send without checksums is refused with EINVAL
  expect(libc().setsockopt(from.fd, SOL_SOCKET, SO_NO_CHECK, one.address, 4)).toBe(0);
  expect(from.send(destination, outMemory.address, 3_000, 1_000, 0)).toBe(3_000);
  expect(from.features.gso).toBe(false);
  expect(joined(receiveAll(to)).length).toBe(3_000);
});

test("many short pieces are no reason to give up GSO", () => {
  const { from, to, destination } = pair(4);
  expect(from.send(destination, outMemory.address, 650, 10, 0)).toBe(650);
  expect(joined(receiveAll(to)).length).toBe(650);
  expect(from.features.gso).toBe(true);
});

test("a port in use is EADDRINUSE, exactly", () => {
  const { port } = open(4);
  expect(() => open(4, { port })).toThrow("bind: Address already in use (EADDRINUSE)");
  expect(open(6, { port }).port).toBe(port); // the families are apart
});

test("an answer of ICMP is not an error of ours", () => {
  const from = open(4);
  const closed = open(4);
  opened.splice(opened.indexOf(closed), 1);
  const destination = new Destination({ host: LOCALHOST[4], port: closed.port });
  closed.close();
  expect(from.send(destination, outMemory.address, 4, 0, 0)).toBe(4);
  expect(from.receive(inMemory.address, SLOT)).toBe(0);
  expect(from.send(destination, outMemory.address, 4, 0, 0)).toBe(4);
});

test("bound to an interface, it still reaches what is there; an interface that does not exist is refused", () => {
  for (const family of [4, 6] as const) {
    const { from, to, destination } = pair(family);
    from.bindToInterface(1);
    expect(from.send(destination, outMemory.address, 8, 0, 0)).toBe(8);
    expect(to.receive(inMemory.address, SLOT)).toBe(1);
    from.bindToInterface(0);
    expect(() => from.bindToInterface(0xffffff)).toThrow("setsockopt UNICAST_IF");
  }
});

test("a closed socket's receive tells EBADF", () => {
  const socket = open(4);
  opened.pop();
  socket.close();
  expect(() => socket.receive(inMemory.address, SLOT)).toThrow("recvmmsg: Bad file descriptor (EBADF)");
});

test("a thousand opens and closes leave no descriptor behind, refused ones neither", () => {
  const { port } = open(4);
  const count = () => readdirSync("/proc/self/fd").length;
  const before = count();
  const options = { family: 4, receiveBufferBytes: 1, sendBufferBytes: 1, segmentation: true, slots: 1 } as const;
  for (let i = 0; i < 1_000; i++) {
    UdpSocket.open({ ...options, port: 0 }).close();
    expect(() => UdpSocket.open({ ...options, port })).toThrow("EADDRINUSE");
  }
  expect(count()).toBeLessThanOrEqual(before); // what earlier tests left open may close meanwhile
});
