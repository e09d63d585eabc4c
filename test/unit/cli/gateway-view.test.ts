import { expect, test } from "bun:test";
import {
  byteRateText,
  listeningText,
  type NodeView,
  readyText,
  stateText,
  statusText,
  Traffic,
} from "../../../src/cli/gateway-view.ts";
import type { Gateway } from "../../../src/io/gateway/gateway.ts";

const OPEN: NodeView = {
  node: 1,
  address: "0.0.0.0:1776",
  seenAs: "192.0.2.1:1776",
  remoteAddress: "192.0.2.1:1776",
  mapping: null,
  id: "0123456789abcdef".repeat(4),
  isReady: true,
  isPersistent: true,
  nat: "open",
  isOnline: true,
  isDegraded: false,
  knownNodes: 153,
  records: 12,
};
const NEW: NodeView = {
  ...OPEN,
  ...{ node: 2, seenAs: null, remoteAddress: null, id: null, isReady: false, isPersistent: false },
  ...{ nat: "unknown", knownNodes: 0, records: 0 },
};
const RATES = { requestsPerSecond: 230, receivedBytesPerSecond: 14_000, sentBytesPerSecond: 40_400 };
const IDLE = { requestsPerSecond: 0, receivedBytesPerSecond: 0, sentBytesPerSecond: 0 };

test("a node's status fits in one line, most important first", () => {
  expect(statusText([OPEN], RATES)).toBe(
    "persistent · NAT open · 153 nodes · 12 records · 230 req/s · in 14 kB/s out 40 kB/s",
  );
  const one = { ...OPEN, isPersistent: false, nat: "random", knownNodes: 1, records: 1 } as const;
  expect(statusText([one], { ...IDLE, requestsPerSecond: 0.4 })).toBe(
    "ephemeral · NAT random · 1 node · 1 record · 0.4 req/s · in 0 B/s out 0 B/s",
  );
});

test("several nodes are counted by what they are", () => {
  expect(statusText([OPEN, NEW, { ...OPEN, knownNodes: 9 }], IDLE)).toBe(
    "2 of 3 persistent, 1 starting · NAT 2 open, 1 unknown · 0 to 153 nodes · 24 records · 0 req/s · in 0 B/s out 0 B/s",
  );
  expect(stateText([OPEN, OPEN])).toBe("2 of 2 persistent · NAT open");
});

test("a mapping at the router is shown with how it was had", () => {
  const mapping = { address: "192.0.2.1:49737", protocol: "PCP" };
  expect(stateText([{ ...OPEN, mapping }])).toBe("persistent · NAT open · mapped 192.0.2.1:49737 (PCP)");
  expect(stateText([{ ...OPEN, mapping }, OPEN])).toBe("2 of 2 persistent · NAT open · 1 mapped");
});

test("trouble belongs to the state, and a table that grows does not", () => {
  expect(stateText([{ ...OPEN, isOnline: false, isDegraded: true }])).toBe("persistent · NAT open · offline");
  expect(stateText([{ ...OPEN, isDegraded: true }, OPEN])).toBe("2 of 2 persistent · NAT open · 1 degraded");
  expect(stateText([{ ...OPEN, knownNodes: 7, records: 7 }])).toBe(stateText([OPEN]));
  expect(stateText([NEW])).toBe("starting · NAT unknown");
});

test("OM-27 each node's line has its address, and its number when there are several", () => {
  expect(listeningText(OPEN, 1)).toBe("listening on 0.0.0.0:1776");
  expect(listeningText(NEW, 5)).toBe("node 2 listens on 0.0.0.0:1776");
  expect(readyText(OPEN, 1)).toBe(
    "ready: persistent, id 0123456789abcdef..., reached at 192.0.2.1:1776, knows 153 nodes",
  );
  expect(readyText(NEW, 5)).toBe("node 2 is ready: ephemeral, knows no other node yet");
  const hidden = { ...NEW, seenAs: "192.0.2.9:40000", nat: "consistent", knownNodes: 1 } as const;
  expect(readyText(hidden, 1)).toBe("ready: ephemeral, seen as 192.0.2.9:40000, knows 1 node");
  expect(readyText({ ...hidden, seenAs: "192.0.2.9:0", nat: "random" }, 1)).toBe(
    "ready: ephemeral, seen as 192.0.2.9, by each node at another port, knows 1 node",
  );
});

test("rates have two digits below ten and whole ones above, in units of a thousand", () => {
  const texts = [0, 0.4, 999, 999.6, 1_000, 9_940, 9_960, 14_400, 999_499, 1_400_000, 2e9, 5e13].map(byteRateText);
  expect(texts).toEqual([
    ...["0 B/s", "0 B/s", "999 B/s", "1 kB/s", "1 kB/s", "9.9 kB/s", "10 kB/s", "14 kB/s", "999 kB/s"],
    ...["1.4 MB/s", "2 GB/s", "50000 GB/s"],
  ]);
});

test("rates are of the time since they were asked for last, over all nodes, and never below zero", () => {
  const node = (requests: number, bytes: number) =>
    ({ stats: { requests, receivedBytes: bytes, sentBytes: 2 * bytes } }) as unknown as Gateway;
  const traffic = new Traffic(1_000);
  expect(traffic.ratesUntil(3_000, [node(10, 1_000), node(10, 0)])).toEqual({
    requestsPerSecond: 10,
    receivedBytesPerSecond: 500,
    sentBytesPerSecond: 1_000,
  });
  expect(traffic.ratesUntil(4_000, [node(25, 1_000), node(10, 0)])).toMatchObject({ requestsPerSecond: 15 });
  expect(traffic.ratesUntil(4_000, [node(0, 0)])).toEqual(IDLE);
});
