import { expect, test } from "bun:test";
import { intercept, pair, plain, sessionKeys, strangers } from "../../../support/datapath-pair.ts";
import { address4, UDP } from "../../../support/packets.ts";

const ELSEWHERE = { host: "198.51.100.9", port: 9 };
const large = (byte: number) => plain({ protocol: UDP, payload: new Uint8Array(1000).fill(byte) });

test("the first datagram on a new session confirms it; what waited goes out at once, to where that came from", () => {
  const { network, a, b } = strangers();
  const back = (byte: number) =>
    plain({ protocol: UDP, source: address4(2), destination: address4(1), payload: new Uint8Array(900).fill(byte) });
  b.send(5, [back(1), back(2)]);
  const keys = sessionKeys({ now: 6 });
  b.datapath.apply(6, { type: "session", peer: 0, keys: keys.b });
  a.datapath.apply(6, { type: "session", peer: 0, keys: keys.a });
  expect(b.takeEvents()).toEqual(["want 0"]);
  a.send(6, []);
  network.carry = (sent) => [{ ...sent, from: sent.from === a.address ? ELSEWHERE : sent.from }];
  a.send(7, [large(1)]);
  const caught = intercept(network);
  expect(b.receive(8)).toHaveLength(1);
  expect(b.takeEvents().sort()).toEqual(["confirmed 0 2001", "roamed 0 198.51.100.9 9"]);
  expect(caught.map(({ to }) => to)).toEqual([ELSEWHERE, ELSEWHERE]);
  // It has sent data after it last heard something, and has answered what it heard.
  expect(b.activity()).toEqual({ unansweredSince: 0, unheardSince: 8, lastTraversalAt: 8 });
});

test("activity: data unanswered, data unheard, and the last traversal, by timeline", () => {
  const { a, b } = pair({}, 1);
  const back = plain({ protocol: UDP, source: address4(2), destination: address4(1) });
  const seen: unknown[] = [];
  const note = () => seen.push([a, b].map((end) => Object.values(end.activity()).join(" ")).join(" | "));
  note();
  a.send(10, [large(1)]);
  note();
  a.send(20, [large(1)]); // the first unheard one counts
  b.receive(30);
  note();
  b.receive(35);
  b.send(40, [back]);
  note();
  a.receive(50);
  note();
  a.datapath.apply(60, { type: "keepalive", peer: 0 });
  note();
  b.receive(70); // a keepalive is heard but asks for no answer
  note();
  expect(seen).toEqual([
    "0 0 1 | 0 0 1",
    "0 10 10 | 0 0 1",
    "0 10 20 | 30 0 30",
    "0 10 20 | 0 40 40",
    "50 0 50 | 0 40 40",
    "0 0 60 | 0 40 40",
    "0 0 60 | 0 0 70",
  ]);
});

test("the initiator asks for a new session when it receives anything on one that is 165 s old", () => {
  for (const isKeepalive of [true, false]) {
    const { a, b } = pair();
    for (const now of [165_000, 165_001]) {
      if (isKeepalive) b.datapath.apply(now, { type: "keepalive", peer: 0 });
      else b.send(now, [plain({ protocol: UDP, source: address4(2), destination: address4(1) })]);
      a.receive(now);
      expect(a.takeEvents()).toEqual(now === 165_001 ? ["want 0"] : []);
    }
    expect(b.takeEvents()).toEqual([]);
  }
});
