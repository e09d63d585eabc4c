import { expect, test } from "bun:test";
import { Internet } from "../../sim/internet/internet.ts";
import { End } from "./end.ts";

function world() {
  const internet = new Internet({ seed: 3 });
  const [a, b] = [new End(internet.addHost(), 5000), new End(internet.addHost(), 6000)];
  return { internet, a, b, run: () => internet.runFor(500), dropped: internet.carrier.dropped };
}

/** Rings every second, and notes when. */
class Clockwork {
  readonly rings: number[] = [];
  #dueAt = 1000;

  advance(now: number): void {
    if (now < this.#dueAt) return;
    this.rings.push(now);
    this.#dueAt = now + 1000;
  }

  deadline(): number {
    return this.#dueAt;
  }

  drain(): never[] {
    return [];
  }
}

test("a port is bound once, and free again when it was closed; 0 stands for a free one", () => {
  const { a, internet } = world();
  expect(() => a.host.bind(5000)).toThrow("UDP port 5000 is already used");
  a.socket.close();
  a.socket.close();
  const again = a.host.bind(5000);
  expect(again.address).toEqual({ host: "0.0.0.0", port: 5000 });
  const ports = Array.from({ length: 300 }, () => a.host.bind().address.port);
  expect(new Set(ports).size).toBe(300);
  expect(Math.min(...ports)).toBeGreaterThanOrEqual(32_768);
  expect(internet.carrier.sent).toBe(0);
});

test("a closed socket neither sends nor receives, and its late close leaves the next one alone", () => {
  const { a, b, run, dropped } = world();
  a.say(b.address);
  b.socket.close();
  run();
  b.say(a.address);
  run();
  expect([a.heard, b.heard]).toEqual([[], []]);
  expect(dropped).toEqual({ closed: 1 });
  const next = new End(b.host, 6000);
  b.socket.close();
  a.say(next.address);
  run();
  expect(next.heard).toHaveLength(1);
});

test("what goes to nobody is counted", () => {
  const { internet, a, b, run, dropped } = world();
  a.say({ host: "192.0.2.99", port: 1 });
  a.say({ host: "2001:db8::1", port: 1 });
  a.say({ ...b.address, port: 1 });
  a.say({ host: "192.168.1.1", port: 1 });
  b.host.bind(7); // and nobody listens yet
  a.say({ ...b.address, port: 7 });
  run();
  expect(dropped).toEqual({ unreachable: 2, closed: 2, private: 1 });
  expect(internet.carrier.sent).toBe(5);
});

test("a host reaches itself at its own address", () => {
  const { a, internet } = world();
  a.say(a.address);
  internet.runFor(1);
  expect(a.take()).toEqual([`hello from ${a.host.address}:5000`]);
});

test("offline, nothing comes or goes, and the machines go on", () => {
  const { internet, a, b, run, dropped } = world();
  const clockwork = new Clockwork();
  a.host.drive(clockwork, () => {});
  b.say(a.address, "on its way");
  a.host.offline();
  a.say(b.address);
  b.say(a.address);
  internet.runFor(2500);
  expect(dropped).toEqual({ offline: 3 });
  expect(clockwork.rings).toEqual([1000, 2000]);
  a.host.online();
  b.say(a.address);
  run();
  expect(a.heard).toHaveLength(1);
});

test("asleep, no machine advances and datagrams are lost; then all goes on with a jump", () => {
  const { internet, a, b, run, dropped } = world();
  const clockwork = new Clockwork();
  const drive = a.host.drive(clockwork, () => {});
  internet.runFor(1500);
  a.host.sleep(5250);
  expect(a.host.isAsleep).toBe(true);
  expect(() => drive.input(() => {})).toThrow("no input while its host sleeps");
  b.say(a.address);
  a.say(b.address);
  internet.runFor(5000);
  expect(dropped).toEqual({ asleep: 2 });
  expect(clockwork.rings).toEqual([1000]);
  internet.runFor(2000);
  expect(clockwork.rings).toEqual([1000, 6750, 7750]);
  b.say(a.address);
  run();
  expect(a.heard).toHaveLength(1);
});

test("the longest of two sleeps counts", () => {
  const { internet, a } = world();
  const clockwork = new Clockwork();
  a.host.drive(clockwork, () => {});
  a.host.sleep(4000);
  a.host.sleep(2000);
  internet.runFor(4500);
  expect(clockwork.rings).toEqual([4000]);
});

test("a host that moved sends from its new address by the same socket, and is not found at the old one", () => {
  const { internet, a, b, run, dropped } = world();
  const before = a.address;
  b.say(before, "on its way");
  a.host.move("192.0.2.77");
  a.say(b.address);
  b.say(before);
  run();
  expect(b.take()).toEqual(["hello from 192.0.2.77:5000"]);
  expect(dropped).toEqual({ unreachable: 2 });
  b.say({ host: "192.0.2.77", port: 5000 });
  run();
  expect(a.heard).toHaveLength(1);

  const nat = internet.addNat({ addresses: ["203.0.113.5"] });
  a.host.move(nat);
  expect(a.host.address).toStartWith("10.");
  a.say(b.address);
  run();
  expect(b.take()).toEqual(["hello from 203.0.113.5:5000"]);
  a.host.move();
  a.say(b.address);
  run();
  expect(b.take()).toEqual([`hello from ${a.host.address}:5000`]);
});

test("an address is one host's alone", () => {
  const { internet, a, b } = world();
  expect(() => a.host.move(b.host.address)).toThrow("nobody's yet");
  expect(a.host.address).not.toBe(b.host.address);
  expect(() => internet.addHost({ address: a.host.address })).toThrow("nobody's yet");
  expect(() => internet.addHost({ address: "example.org" })).toThrow("is an IPv4 address");
});

test("a small site fills up, and has room again when a host leaves it", () => {
  const internet = new Internet({ seed: 1 });
  const nat = internet.addNat({ inside: "192.168.7.0/29" });
  const hosts = Array.from({ length: 5 }, () => internet.addHost({ behind: nat }));
  expect(hosts.map(({ address }) => address.split(".")[3])).toEqual(["2", "3", "4", "5", "6"]);
  expect(() => internet.addHost({ behind: nat })).toThrow("no address is free");
  hosts[1]!.move();
  expect(internet.addHost({ behind: nat }).address).toBe("192.168.7.3");
});

test("a restart closes all sockets, stops all machines and wakes the host", () => {
  const { internet, a, b, run, dropped } = world();
  const clockwork = new Clockwork();
  const drive = a.host.drive(clockwork, () => {});
  internet.runFor(1500);
  a.host.sleep(10_000);
  a.host.restart();
  b.say(a.address);
  a.say(b.address);
  internet.runFor(20_000);
  expect(clockwork.rings).toEqual([1000]);
  expect(dropped).toEqual({ closed: 1 });
  expect(b.heard).toEqual([]);
  drive.input(() => {});
  expect(clockwork.rings).toHaveLength(2); // an input still works, as with the real drive

  const fresh = new Clockwork();
  a.host.drive(fresh, () => {});
  const next = new End(a.host, 5000);
  b.say(next.address);
  run();
  expect([next.heard.length, fresh.rings.length]).toEqual([1, 1]);
});
