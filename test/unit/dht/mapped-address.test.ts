import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { Bootstrap } from "../../../src/dht/bootstrap.ts";
import { Contacts } from "../../../src/dht/contacts.ts";
import { MappedAddress } from "../../../src/dht/mapped-address.ts";
import type { SocketName } from "../../../src/dht/requests.ts";
import { INTERNAL } from "../../../src/wire/rpc.ts";
import { type Sent, Wire, withId } from "../../support/dht-wire.ts";

const MAPPED: Address = { host: "88.99.3.86", port: 49_737 };
const node = (i: number): Address => ({ host: `5.9.17.${i}`, port: 1_000 + i });
const TICKS_OF_A_MINUTE = 12;

/** A node that knows so many others; a test says on which socket their answers arrive, and where they say they sent them. */
class Host {
  readonly wire = new Wire({ socket: "client" });
  readonly contacts: Contacts;
  readonly mapped: MappedAddress;
  changes = 0;

  constructor(nodes: number) {
    this.contacts = new Contacts({
      requests: this.wire.requests,
      id: new Uint8Array(32).fill(1),
      isDiverse: false,
      firstTick: 100,
      maxStrangeSamples: 1,
      admits: () => true,
      onAdded: () => {},
      onRemoved: () => {},
      onNatChanged: () => {},
      onMoved: () => {},
    });
    this.mapped = new MappedAddress({
      contacts: this.contacts,
      requests: this.wire.requests,
      bootstrap: new Bootstrap([], () => {}),
      onChange: () => void this.changes++,
    });
    this.know(nodes);
  }

  know(nodes: number): void {
    for (let i = 1; i <= nodes; i++) this.contacts.heard(0, withId(node(i)), { host: "88.99.3.86", port: i }, false);
  }

  claim(address: Address | null): void {
    this.mapped.claim(this.wire.now, address);
  }

  /** `arrives`: the socket; null for an answer that is lost on the way. */
  answer(arrives: (i: number) => SocketName | null, to: Address = MAPPED): Sent[] {
    const sent = this.wire.takeSent();
    for (const [i, each] of sent.entries()) {
      const socket = arrives(i);
      if (!socket) continue;
      this.mapped.heard(socket, each.to);
      this.wire.answer(each, { to });
    }
    this.wire.run(this.wire.now + 10_000);
    this.wire.takeSent(); // the same once more, to those that were silent
    return sent;
  }

  ticks(count: number): void {
    for (let i = 0; i < count; i++) this.mapped.tick(this.wire.now);
  }
}

test("what the router says is tried: five nodes answer to the mapped port, three of whom must come in by it", () => {
  const host = new Host(8);
  host.claim(MAPPED);
  expect(host.mapped.reached).toBeNull();
  const asked = host.answer((i) => (i < 3 ? "server" : null));
  expect(asked).toHaveLength(5);
  for (const { request, socket } of asked) {
    expect(socket).toBe("client");
    expect(request).toMatchObject({ isInternal: true, command: INTERNAL.pingNat, value: Uint8Array.of(0x49, 0xc2) });
  }
  expect([host.mapped.reached, host.changes]).toEqual([MAPPED, 1]);
});

test("two are too few of five, one is enough of a few; and it must be the server socket that hears them", () => {
  const reached = (nodes: number, arrives: (i: number) => SocketName | null, to?: Address) => {
    const host = new Host(nodes);
    host.claim(MAPPED);
    host.answer(arrives, to);
    return host.mapped.reached;
  };
  expect(reached(5, (i) => (i < 2 ? "server" : null))).toBeNull();
  expect(reached(2, (i) => (i < 1 ? "server" : null))).toEqual(MAPPED);
  expect(reached(5, () => "client")).toBeNull();
  expect(reached(5, () => "server", { ...MAPPED, port: 1 })).toBeNull();
});

test("with another NAT in front of the router's the mapping is of no use: nodes see us at another host", () => {
  const host = new Host(5);
  host.claim({ host: "5.9.17.99", port: 49_737 });
  host.answer(() => "server");
  expect(host.mapped.reached).toBeNull();
});

test("what nobody came in by is tried again in a minute, and what they did is not", () => {
  const host = new Host(5);
  host.claim(MAPPED);
  host.answer(() => null);
  host.ticks(TICKS_OF_A_MINUTE - 1);
  expect(host.wire.takeSent()).toEqual([]);
  host.ticks(1);
  host.answer(() => "server");
  expect(host.mapped.reached).toEqual(MAPPED);
  host.ticks(100 * TICKS_OF_A_MINUTE);
  expect(host.wire.takeSent()).toEqual([]);
});

test("a node that knows nobody yet tries it when it does", () => {
  const host = new Host(0);
  host.claim(MAPPED);
  expect(host.wire.takeSent()).toEqual([]);
  host.know(3);
  host.mapped.check(host.wire.now);
  host.answer(() => "server");
  expect(host.mapped.reached).toEqual(MAPPED);
});

test("a mapping that is lost counts no more at once, and one that moved is tried anew", () => {
  const host = new Host(5);
  host.claim(MAPPED);
  host.answer(() => "server");
  const moved = { ...MAPPED, port: 50_000 };
  host.claim(moved);
  expect(host.mapped.reached).toBeNull();
  host.answer(() => "server", moved);
  expect(host.mapped.reached).toEqual(moved);
  host.claim(null);
  expect([host.mapped.reached, host.changes]).toEqual([null, 4]);
  host.ticks(10 * TICKS_OF_A_MINUTE);
  expect(host.wire.takeSent()).toEqual([]);
});

test("answers about a mapping that is no more say nothing of the next", () => {
  const host = new Host(5);
  host.claim(MAPPED);
  const before = host.wire.takeSent();
  host.claim({ ...MAPPED, port: 50_000 });
  for (const each of before) {
    host.mapped.heard("server", each.to);
    host.wire.answer(each, { to: MAPPED });
  }
  host.wire.takeSent();
  host.wire.run(10_000);
  expect(host.mapped.reached).toBeNull();
});
