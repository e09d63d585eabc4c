/**
 * The operating system as `ffi` sees it, in namespaces of our own:
 *
 *   ┌ left ───────────────┐        ┌ right ──────────┐
 *   │ dnet0 (TUN)   ve0 ──┼────────┼── ve0           │
 *   │ 10.7.0.1/24   10.8.0.1/24    │   10.8.0.2/24   │
 *   └─────────────────────┘        └─────────────────┘
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { Memory } from "../../ffi/libc.ts";
import { IFF_UP, type RouteEvent, RouteSocket, RouteWatcher } from "../../ffi/netlink.ts";
import { POLLIN, Poller } from "../../ffi/poll.ts";
import { whoHoldsTun } from "../../ffi/process.ts";
import { openTun, type Tun } from "../../ffi/tun-linux.ts";
import { Destination } from "../../ffi/udp-destination.ts";
import { UdpSocket } from "../../ffi/udp-linux.ts";
import { isRoot, Lab, type Namespace, needsRoot } from "../support/namespaces.ts";

const rooted = (name: string, run: () => void | Promise<void>) => test.skipIf(!isRoot)(`${name}${needsRoot}`, run);
const PLAIN = { vnetHeader: false, multiQueue: false };
const OFFLOADED = { vnetHeader: true, multiQueue: false };

let lab: Lab;
let left: Namespace;
let right: Namespace;

beforeAll(() => {
  if (!isRoot) return;
  lab = new Lab();
  left = lab.namespace();
  right = lab.namespace();
  lab.join(
    { namespace: left, name: "ve0", addresses: ["10.8.0.1/24", "fd08::1/64"] },
    { namespace: right, name: "ve0", addresses: ["10.8.0.2/24", "fd08::2/64"] },
  );
});

afterAll(() => lab?.close());

/** Calls `action` inside `left`, with a socket to its links and routes. */
function inLeft<Result>(action: (routes: RouteSocket) => Result): Result {
  return left.enter(() => {
    const routes = new RouteSocket();
    try {
      return action(routes);
    } finally {
      routes.close();
    }
  });
}

rooted("a device is there, down and bare, until it is closed", () => {
  inLeft((routes) => {
    const tun = openTun("dnet%d", OFFLOADED);
    expect(tun).toMatchObject({ name: "dnet0", vnetHeader: true });
    expect(routes.linkByName("dnet0")).toMatchObject({ mtu: 1_500, kind: "tun" });
    expect(routes.linkByName("dnet0")!.flags & IFF_UP).toBe(0);
    expect(whoHoldsTun("dnet0")?.pid).toBe(process.pid);
    tun.close();
    expect(routes.linkByName("dnet0")).toBeNull();
    expect(tun.close).toThrow("EBADF");
  });
});

rooted("a name that is taken, by a device or a cable, is EBUSY; one that cannot be is EINVAL", () => {
  inLeft((routes) => {
    const tun = openTun("dnet0", PLAIN);
    expect(() => openTun("dnet0", OFFLOADED)).toThrow("ioctl TUNSETIFF: Device or resource busy (EBUSY)");
    expect(() => openTun("dnet0", { ...PLAIN, attach: true })).toThrow("EBUSY"); // it was not opened for several
    expect(() => openTun("ve0", PLAIN)).toThrow("EBUSY");
    expect(() => openTun("a name of 16 ch.", PLAIN)).toThrow("EINVAL");
    expect(() => openTun("", PLAIN)).toThrow("EINVAL");
    tun.close();
    left.run("ip", "tuntap", "add", "mode", "tun", "name", "kept");
    expect(() => openTun("kept", PLAIN)).toThrow("EBUSY");
    left.run("ip", "link", "delete", "kept");
    expect(routes.linkByName("kept")).toBeNull();
  });
});

rooted("a device opened for several queues takes more of them and lives as long as the last", () => {
  inLeft((routes) => {
    const options = { vnetHeader: true, multiQueue: true };
    const first = openTun("dnet0", options);
    const second = openTun("dnet0", { ...options, attach: true });
    expect([second.name, second.offloads]).toEqual([first.name, first.offloads]);
    first.close();
    expect(routes.linkByName("dnet0")).not.toBeNull();
    second.close();
    expect(routes.linkByName("dnet0")).toBeNull();
  });
});

rooted("a device is gone with its process, also by SIGKILL", async () => {
  const script = `
    import { openTun } from ${JSON.stringify(new URL("../../ffi/tun-linux.ts", import.meta.url).href)};
    const tun = openTun("dnet7", { vnetHeader: true, multiQueue: false });
    console.log(tun.name);
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  `;
  const child = left.spawn(process.execPath, "-e", script);
  const { value } = await child.stdout.getReader().read();
  expect(new TextDecoder().decode(value)).toBe("dnet7\n");
  inLeft((routes) => expect(routes.linkByName("dnet7")).not.toBeNull());
  expect(left.enter(() => whoHoldsTun("dnet7"))?.pid).toBe(child.pid);
  expect(right.enter(() => whoHoldsTun("dnet7"))).toBeNull(); // a name is one namespace's own
  child.kill("SIGKILL");
  await child.exited;
  inLeft((routes) => expect(routes.linkByName("dnet7")).toBeNull());
});

rooted("links, addresses and routes are set, read back, refused twice and removed", () => {
  inLeft((routes) => {
    const tun = openTun("dnet0", OFFLOADED);
    const { index } = routes.linkByName("dnet0")!;
    expect(routes.setLink({ index, up: true, mtu: 1_420, gsoMaxSize: 62_000 })).toEqual({ gsoMaxSize: true });
    expect(routes.linkByIndex(index)).toMatchObject({ name: "dnet0", mtu: 1_420, gsoMaxSize: 62_000 });
    expect(routes.linkByIndex(index)!.flags & IFF_UP).toBe(IFF_UP);
    expect(() => routes.setLink({ index, mtu: 1 })).toThrow("RTM_NEWLINK: Invalid argument (EINVAL)");

    const address4 = { bytes: Uint8Array.of(10, 7, 0, 1), bits: 24 };
    const address6 = { bytes: ip6("fd07::1"), bits: 64 };
    for (const address of [address4, address6]) {
      routes.addAddress(index, address);
      expect(() => routes.addAddress(index, address)).toThrow("RTM_NEWADDR: File exists (EEXIST)");
      expect(routes.addresses()).toContainEqual({ index, ...address });
    }
    // The kernel's own link-local address may still be, for a moment.
    const shown = left.run("ip", "-6", "address", "show", "dev", "dnet0").split("\n");
    expect(shown.find((line) => line.includes("fd07::1/64"))).not.toContain("tentative");

    const routes4 = { bytes: Uint8Array.of(10, 99, 0, 0), bits: 16, index, metric: 77 };
    const routes6 = { bytes: ip6("fd99::"), bits: 32, index };
    const default4 = { bytes: new Uint8Array(4), bits: 0, index };
    for (const route of [routes4, routes6, default4]) {
      const family = route.bytes.length === 4 ? 4 : 6;
      routes.addRoute(route);
      expect(() => routes.addRoute(route)).toThrow("RTM_NEWROUTE: File exists (EEXIST)");
      const { index: ifindex, ...prefix } = route;
      expect(routes.routes(family)).toContainEqual(
        expect.objectContaining({ ...prefix, ifindex, gateway: null, table: 254 }),
      );
    }
    expect(routes.routeTo(Uint8Array.of(10, 99, 1, 1))).toMatchObject({
      ifindex: index,
      prefSrc: address4.bytes,
      mtu: null,
    });
    expect(routes.routeTo(ip6("fd99::5"))).toMatchObject({ ifindex: index, prefSrc: address6.bytes });
    expect(routes.routeTo(Uint8Array.of(203, 0, 113, 1))).toMatchObject({ ifindex: index });
    for (const route of [routes4, routes6, default4]) {
      routes.deleteRoute(route);
      expect(() => routes.deleteRoute(route)).toThrow("RTM_DELROUTE: No such process (ESRCH)");
    }
    expect(() => routes.routeTo(Uint8Array.of(203, 0, 113, 1))).toThrow(
      "RTM_GETROUTE: Network is unreachable (ENETUNREACH)",
    );
    routes.deleteAddress(index, address4);
    expect(() => routes.deleteAddress(index, address4)).toThrow(
      "RTM_DELADDR: Cannot assign requested address (EADDRNOTAVAIL)",
    );
    tun.close();
    expect(routes.addresses().filter((address) => address.index === index)).toEqual([]);
    expect(() => routes.setLink({ index, up: true })).toThrow("RTM_NEWLINK: No such device (ENODEV)");
  });
});

rooted("a route tells its gateway and its MTU", () => {
  left.run("ip", "route", "add", "10.50.0.0/16", "via", "10.8.0.2", "mtu", "1300");
  inLeft((routes) => {
    const veth = routes.linkByName("ve0")!.index;
    const via = { ifindex: veth, gateway: Uint8Array.of(10, 8, 0, 2), mtu: 1_300, prefSrc: Uint8Array.of(10, 8, 0, 1) };
    expect(routes.routeTo(Uint8Array.of(10, 50, 1, 1))).toMatchObject(via);
    expect(routes.routeTo(Uint8Array.of(10, 8, 0, 2))).toMatchObject({ ifindex: veth, gateway: null });
    expect(routes.links().map(({ name }) => name)).toEqual(expect.arrayContaining(["lo", "ve0"]));
    expect(routes.linkByName("a name longer than any interface has")).toBeNull();
  });
  left.run("ip", "route", "delete", "10.50.0.0/16");
});

rooted("a route tells the MTU that a router further on asked for", async () => {
  const narrow = right.enter(() => openTun("narrow", PLAIN));
  right.run("ip", "link", "set", "narrow", "mtu", "1280", "up");
  right.run("ip", "route", "add", "10.60.0.0/16", "dev", "narrow");
  right.run("sysctl", "-qw", "net.ipv4.ip_forward=1");
  left.run("ip", "route", "add", "10.60.0.0/16", "via", "10.8.0.2");
  const far = Uint8Array.of(10, 60, 0, 9);
  inLeft((routes) => expect(routes.routeTo(far).mtu).toBeNull());
  const ping = left.spawn("ping", "-M", "do", "-s", "1400", "-c", "1", "-W", "1", "10.60.0.9");
  await ping.exited;
  inLeft((routes) => expect(routes.routeTo(far).mtu).toBe(1_280));
  left.run("ip", "route", "delete", "10.60.0.0/16");
  narrow.close();
});

rooted("a watcher hears of links, addresses and routes that come and go", () => {
  const watcher = left.enter(() => new RouteWatcher());
  const poller = new Poller(1);
  poller.add(watcher.fd, POLLIN);
  expect([watcher.drain(), poller.wait(0)]).toEqual([[], 0]);

  left.run("ip", "link", "add", "dummy7", "type", "veth", "peer", "name", "dummy8");
  left.run("ip", "link", "set", "dummy7", "up");
  left.run("ip", "address", "add", "10.77.0.1/24", "dev", "dummy7");
  left.run("ip", "link", "delete", "dummy7");
  expect(poller.wait(1_000)).toBe(1);
  const events = watcher.drain();
  const link = (isGone: boolean) => (event: RouteEvent) =>
    event.type === "link" && event.link.name === "dummy7" && event.isGone === isGone;
  expect(events.findIndex(link(false))).toBeGreaterThanOrEqual(0);
  expect(events.findIndex(link(true))).toBeGreaterThan(events.findIndex(link(false)));
  for (const isGone of [false, true]) {
    const address = { bytes: Uint8Array.of(10, 77, 0, 1), bits: 24 };
    expect(events).toContainEqual({ type: "address", address: expect.objectContaining(address), isGone });
    const route = { bytes: Uint8Array.of(10, 77, 0, 0), bits: 24 };
    if (!isGone) expect(events).toContainEqual({ type: "route", route: expect.objectContaining(route), isGone });
  }
  expect([watcher.drain(), poller.wait(0)]).toEqual([[], 0]);
  watcher.close();
});

rooted("a watcher that is not read hands over what it kept, in parts, and says that some is lost", () => {
  const watcher = left.enter(() => new RouteWatcher());
  inLeft((routes) => {
    const { index } = routes.linkByName("ve0")!;
    for (let i = 0; i < 3_000; i++) {
      const route = { bytes: Uint8Array.of(10, 100, i >> 8, i & 0xff), bits: 32, index };
      routes.addRoute(route);
      routes.deleteRoute(route);
    }
  });
  const parts: RouteEvent[][] = [];
  for (let part = watcher.drain(); part.length > 0; part = watcher.drain()) parts.push(part);
  expect(Math.max(...parts.map(({ length }) => length))).toBeLessThanOrEqual(300);
  expect(parts.length).toBeGreaterThan(1);
  expect(parts.flat().some(({ type }) => type === "lost")).toBe(true);
  watcher.close();
});

for (const options of [PLAIN, OFFLOADED]) {
  const headerBytes = options.vnetHeader ? 10 : 0;

  rooted(`the kernel's ping is read from a TUN and answered, ${headerBytes} bytes before each packet`, async () => {
    const tun = left.enter(() => openTun("dnet0", options));
    inLeft((routes) => {
      const { index } = routes.linkByName("dnet0")!;
      routes.addAddress(index, { bytes: Uint8Array.of(10, 7, 0, 1), bits: 24 });
      routes.setLink({ index, up: true });
    });
    const packet = new Memory(2_000);
    while (tun.read(packet.address, 2_000) > 0); // what IPv6 sends as an interface comes up
    const ping = left.spawn("ping", "-c", "2", "-i", "0.01", "-W", "2", "10.7.0.2");
    for (let answered = 0; answered < 2; ) {
      const length = await readPacket(tun, packet);
      const ip = packet.bytes.subarray(headerBytes, length);
      if (ip[0]! >> 4 !== 4 || ip[9] !== 1) continue; // IPv6 neighbours
      turnRound(ip);
      expect(tun.write(packet.address, length)).toBe(length);
      answered++;
    }
    expect(await ping.exited).toBe(0);
    tun.close();
  });
}

rooted("with every offload, the kernel hands over TCP super-packets and takes UDP ones to cut", async () => {
  const tun = left.enter(() => openTun("dnet0", OFFLOADED));
  expect(tun.offloads.checksum).toBe(true);
  inLeft((routes) => {
    const { index } = routes.linkByName("dnet0")!;
    routes.addAddress(index, { bytes: Uint8Array.of(10, 7, 0, 1), bits: 24 });
    routes.setLink({ index, up: true });
  });
  const options = { receiveBufferBytes: 1 << 20, sendBufferBytes: 1 << 20, segmentation: true, slots: 4 };
  const from = left.enter(() => UdpSocket.open({ family: 4, port: 0, ...options }));
  const data = new Memory(65_536);
  data.bytes.fill(5);
  // A segmented send stays whole through the device when it can take USO: one read, and a header that says how to cut.
  const destination = new Destination({ host: Uint8Array.of(10, 7, 0, 2), port: 4_000 });
  expect(from.send(destination, data.address, 12_000, 1_200, 0)).toBe(12_000);
  const packet = new Memory(70_000);
  let length = await readPacket(tun, packet);
  while (packet.bytes[10]! >> 4 !== 4) length = await readPacket(tun, packet);
  const gsoTypeUdpL4 = 5; // VIRTIO_NET_HDR_GSO_UDP_L4
  const expected = tun.offloads.uso ? [12_038, gsoTypeUdpL4, 1_200] : [1_238, 0, 0];
  expect([length, packet.bytes[1], packet.view.getUint16(4, true)]).toEqual(expected);

  // The same super-packet, turned round, comes back to the sender's socket as it was.
  if (tun.offloads.uso) {
    const ip = packet.bytes.subarray(10);
    swap(ip, 12, 16, 4);
    swap(ip, 20, 22, 2);
    expect(tun.write(packet.address, length)).toBe(length);
    expect(from.receive(data.address, 16_000)).toBe(1);
    expect([from.lengthOf(0), from.segmentOf(0)]).toEqual([12_000, 1_200]);
  }
  expect(tun.write(packet.address, 3)).toBeLessThan(0);
  from.close();
  tun.close();
});

rooted("a read or write of a device that was removed tells EBADFD", () => {
  left.enter(() => {
    const tun = openTun("dnet0", PLAIN);
    const packet = new Memory(64);
    expect(tun.read(packet.address, 64)).toBe(0);
    packet.bytes[0] = 0x45;
    expect(tun.write(packet.address, 64)).toBe(-5); // EIO: it is down
    left.run("ip", "link", "delete", "dnet0");
    expect(() => tun.read(packet.address, 64)).toThrow("EBADFD");
    expect(tun.write(packet.address, 64)).toBe(-77);
    tun.close();
  });
});

rooted("datagrams cross a cable both ways, and its interface can be chosen", () => {
  const options = { receiveBufferBytes: 1 << 20, sendBufferBytes: 1 << 20, segmentation: true, slots: 4 };
  const data = new Memory(4 * 65_536);
  for (const family of [4, 6] as const) {
    const a = left.enter(() => UdpSocket.open({ family, port: 0, ...options }));
    const b = right.enter(() => UdpSocket.open({ family, port: 0, ...options }));
    const host = family === 4 ? Uint8Array.of(10, 8, 0, 2) : ip6("fd08::2");
    a.bindToInterface(inLeft((routes) => routes.linkByName("ve0")!.index));
    const poller = new Poller(1);
    poller.add(b.fd, POLLIN);
    expect(a.send(new Destination({ host, port: b.port }), data.address, 10_000, 1_400, 1)).toBe(10_000);
    expect(poller.wait(1_000)).toBe(1);
    let received = 0;
    for (let count = b.receive(data.address, 65_536); count > 0; count = b.receive(data.address, 65_536)) {
      for (let i = 0; i < count; i++) received += b.lengthOf(i);
    }
    expect([received, b.tosOf(0)]).toEqual([10_000, 1]);
    // More than the cable takes is refused, never fragmented, and segments as well.
    expect(a.send(new Destination({ host, port: b.port }), data.address, 1_600, 0, 0)).toBe(-90); // EMSGSIZE
    expect(a.send(new Destination({ host, port: b.port }), data.address, 6_000, 1_600, 0)).toBe(-90);
    expect(a.features.gso).toBe(true);
    a.bindToInterface(1);
    expect(a.send(new Destination({ host, port: b.port }), data.address, 10, 0, 0)).toBeLessThanOrEqual(10);
    a.close();
    b.close();
  }
});

rooted("a thousand netlink sockets and a hundred devices leave no descriptor behind", () => {
  const count = () => readdirSync("/proc/self/fd").length;
  const before = count();
  left.enter(() => {
    for (let i = 0; i < 1_000; i++) {
      new RouteSocket().close();
      new RouteWatcher().close();
    }
    for (let i = 0; i < 100; i++) {
      const tun = openTun("dnet0", OFFLOADED);
      expect(() => openTun("dnet0", OFFLOADED)).toThrow("EBUSY");
      tun.close();
    }
  });
  expect(count()).toBeLessThanOrEqual(before); // what earlier tests left open may close meanwhile
});

async function readPacket(tun: Tun, into: Memory): Promise<number> {
  const poller = new Poller(1);
  poller.add(tun.fd, POLLIN);
  const deadline = performance.now() + 5_000;
  while (performance.now() < deadline) {
    if (poller.wait(10) > 0) return tun.read(into.address, into.bytes.length);
    await new Promise((resolve) => setImmediate(resolve)); // so that a child's exit is seen
  }
  throw new Error("no packet came within five seconds");
}

/** Makes an echo request the reply to itself: the addresses swapped, its type 0 and the checksum set right. */
function turnRound(ip: Uint8Array): void {
  swap(ip, 12, 16, 4);
  ip[20] = 0;
  const view = new DataView(ip.buffer, ip.byteOffset);
  const sum = view.getUint16(22) + 0x0800; // RFC 1624, for the type alone
  view.setUint16(22, (sum & 0xffff) + (sum >> 16));
}

function swap(bytes: Uint8Array, a: number, b: number, length: number): void {
  const kept = bytes.slice(a, a + length);
  bytes.copyWithin(a, b, b + length);
  bytes.set(kept, b);
}

/** `fd07::1` and the like: the groups before and after the gap. */
function ip6(text: string): Uint8Array {
  const [head = "", tail = ""] = text.split("::");
  const groups = (part: string) => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)));
  const [before, after] = [groups(head), groups(tail)];
  const all = [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}
