import { expect, test } from "bun:test";
import { DatapathPeer, WaitingPackets } from "../../../../src/io/datapath/peer.ts";
import { SharingPolicy } from "../../../../src/io/datapath/super-packets.ts";
import { SessionSlots } from "../../../../src/tunnel/session.ts";
import { SUITE_D } from "../../../../src/tunnel/suite.ts";

function peerThatTells(told: string[]): DatapathPeer<null> {
  const control = { want: () => told.push("want"), tooBig: () => told.push("tooBig") };
  const policy = new SharingPolicy(true);
  return new DatapathPeer<null>(0, SUITE_D, new SessionSlots(() => {}), policy, 1420, control);
}

test("at most 128 packets wait; the oldest go first", () => {
  const waiting = new WaitingPackets();
  const dropped = Array.from({ length: 130 }, (_, i) => waiting.push(Uint8Array.of(i)));
  expect(dropped.reduce((a, b) => a + b)).toBe(2);
  const taken = waiting.take();
  expect([taken.length, taken[0]![0], taken.at(-1)![0]]).toEqual([128, 2, 129]);
  expect([waiting.length, waiting.take()]).toEqual([0, []]);
});

test("at most 256 KiB wait, and the count starts anew when they are taken", () => {
  const waiting = new WaitingPackets();
  const push = (count: number) => Array.from({ length: count }, () => waiting.push(new Uint8Array(64 * 1024)));
  for (let round = 0; round < 2; round++) {
    expect(push(5)).toEqual([0, 0, 0, 0, 1]);
    expect(waiting.take()).toHaveLength(4);
  }
});

test("what waits is a copy", () => {
  const waiting = new WaitingPackets();
  const packet = Uint8Array.of(1);
  waiting.push(packet);
  packet[0] = 2;
  expect(waiting.take()).toEqual([Uint8Array.of(1)]);
});

test("a session is asked for once a second, and at once after an answer", () => {
  const told: string[] = [];
  const peer = peerThatTells(told);
  for (const now of [5000, 5001, 5999]) peer.want(now);
  expect(told).toHaveLength(1);
  peer.want(6000);
  expect(told).toHaveLength(2);
  peer.answered();
  peer.want(6001);
  expect(told).toHaveLength(3);
});

test("the path's limit leaves room for what is put around a packet, down to 576 bytes and up to the interface", () => {
  const peer = peerThatTells([]);
  const limits = [
    [1500, 4, 1420],
    [1480, 4, 1420],
    [1479, 4, 1419],
    [1480, 6, 1400],
    [600, 6, 576],
    [0, 4, 576],
    [9000, 6, 1420],
  ] as const;
  for (const [bytes, version, mtu] of limits) {
    peer.limitPath(bytes, version);
    expect([bytes, peer.mtu]).toEqual([bytes, mtu]);
  }
});
