import { expect, test } from "bun:test";
import { DATA, DESTROY, END, HEARTBEAT, MESSAGE, SACK } from "../../../../src/wire/udx.ts";
import { OUR_ID, PEER, ScriptedPeer, THEIR_ID, text } from "../../../support/udx-peer.ts";

const ELSEWHERE = { host: "192.0.2.9", port: 9 };

test("writes of one turn share packets, and the end rides on the last", () => {
  const peer = new ScriptedPeer();
  expect(peer.words()).toEqual([]); // connecting says nothing
  peer.stream.write(text("hello "));
  peer.stream.write(text("world"));
  peer.stream.end();
  const [packet, ...more] = peer.sent();
  expect(packet).toMatchObject({ type: DATA | END, id: THEIR_ID, seq: 0, payload: text("hello world"), to: PEER });
  expect(more).toEqual([]);
});

test("several packets of one turn are one buffer of equal segments", () => {
  const peer = new ScriptedPeer();
  peer.stream.write(new Uint8Array(5_000));
  peer.udx.advance(0);
  const outputs = peer.udx.drain();
  expect(outputs).toHaveLength(1);
  expect(outputs[0]).toMatchObject({ type: "send", socket: "main", to: PEER, segmentBytes: 1172 });
  expect(outputs[0]!.datagram).toHaveLength(4 * 1172 + 20 + 5_000 - 4 * 1152);
});

test("packets of one turn are answered once; a gap is told with all that is known", () => {
  const peer = new ScriptedPeer();
  for (const seq of [0, 1, 2]) peer.receive({ type: DATA, seq, payload: text(`${seq}`) });
  expect(peer.words()).toEqual(["ack 3"]);
  for (const seq of [4, 6]) peer.receive({ type: DATA, seq, payload: text(`${seq}`) });
  expect(peer.words()).toEqual(["ack 3 [4,5) [6,7)"]);
  for (let seq = 10; seq < 50; seq++) peer.receive({ type: DATA, seq, payload: text("x") });
  expect(peer.words()).toEqual(
    ["ack 3 [4,5) [6,7) [10,40)", "ack 3 [4,5) [6,7) [10,50)"].map((line) => expect.stringContaining(line.slice(0, 5))),
  );
});

test("a window that was told as none is opened by word, once the owner has used what it got", () => {
  const peer = new ScriptedPeer({ windowBytes: 8_000, consumes: false });
  for (let seq = 0; seq < 7; seq++) peer.receive({ type: DATA, seq, payload: new Uint8Array(1_000) });
  expect(peer.sent()).toMatchObject([{ ack: 7, rwnd: 0 }]);
  peer.stream.consumed(1_000);
  expect(peer.sent()).toMatchObject([{ ack: 7, rwnd: 2_000 }]);
  peer.stream.consumed(1_000);
  expect(peer.sent()).toEqual([]); // a quarter of the window at a time
});

test("a write says when it is enough, and the owner hears when it is not", () => {
  const peer = new ScriptedPeer();
  let writes = 1;
  while (peer.stream.write(new Uint8Array(10_000))) writes++;
  expect(writes * 10_000).toBeGreaterThan(262_144);
  expect(writes * 10_000).toBeLessThan(300_000);
  for (let ack = 0; !peer.events.includes("writable"); peer.now += 20) {
    for (const { seq } of peer.sent()) ack = Math.max(ack, seq + 1);
    peer.receive({ ack });
  }
  expect(peer.events).toEqual(["writable"]);
});

test("both ends, in either order, close the stream; it then answers who asks again", () => {
  const peer = new ScriptedPeer();
  peer.stream.end();
  expect(peer.words()).toEqual(["END 0"]);
  peer.receive({ ack: 1 });
  expect(peer.words()).toEqual(["ack 0"]); // the extra one of §5 step 10
  peer.receive({ type: END, seq: 0, ack: 1 });
  expect(peer.words()).toEqual(["ack 1"]);
  expect(peer.events).toEqual(["ended", "closed null"]);
  expect(peer.udx.size).toBe(0);
  expect(peer.receive({ type: END, seq: 0, ack: 1 })).toBe(true);
  expect(peer.words()).toEqual(["ack 1"]);
  peer.pass(15_000);
  expect(peer.receive({ type: END, seq: 0, ack: 1 })).toBe(false);
});

test("an END that acknowledges ours too is answered, where the reference would go in silence", () => {
  const peer = new ScriptedPeer();
  peer.stream.end();
  peer.sent();
  peer.receive({ type: END, seq: 0, ack: 1 });
  expect(peer.words()).toEqual(["ack 1"]);
  expect(peer.events).toEqual(["ended", "closed null"]);
});

test("if the other end closed and what it said last was lost, the stream has ended all the same", () => {
  const peer = new ScriptedPeer();
  peer.receive({ type: END, seq: 0 });
  peer.stream.end();
  peer.pass(20_000);
  expect(peer.events).toEqual(["ended", "closed null"]);
});

test("seven timeouts without an answer are the end, and nothing is sent about it", () => {
  const peer = new ScriptedPeer();
  peer.stream.write(text("x"));
  const seen = peer.pass(20_000);
  expect(seen).toEqual([0, 1000, 3000, 5000, 7000, 9000, 11000].map((at) => `${at} DATA 0`));
  expect(peer.events).toEqual(["closed timeout"]);
});

test("a lost tail is probed for, and a hole is sent again as soon as three later packets arrived", () => {
  const peer = new ScriptedPeer();
  peer.stream.write(text("first"));
  peer.sent();
  peer.now = 40;
  peer.receive({ ack: 1 });
  for (let i = 0; i < 5; i++) {
    peer.stream.write(text(`${i}`));
    peer.sent();
  }
  peer.now = 80;
  peer.receive({ type: SACK, ack: 1, sacks: [[2, 4]] });
  expect(peer.words()).toEqual([]); // 10 ms more of patience
  peer.receive({ type: SACK, ack: 1, sacks: [[2, 5]] });
  expect(peer.words()).toEqual(["DATA 1"]);
  peer.now = 120;
  peer.receive({ ack: 5 });
  const probe = peer.pass(500);
  expect(probe).toHaveLength(1);
  expect(probe[0]).toContain("DATA 5");
});

test("keepalive: a heartbeat whenever nothing was under way for so long, and none once it is 0", () => {
  const peer = new ScriptedPeer();
  peer.stream.setKeepalive(0, 100);
  expect(peer.pass(350)).toEqual(["100 HEARTBEAT 0", "200 HEARTBEAT 0", "300 HEARTBEAT 0"]);
  peer.stream.setKeepalive(peer.now, 0);
  expect(peer.pass(10_000)).toEqual([]);
  expect(peer.udx.deadline()).toBe(Infinity);
});

test("a flood of heartbeats is answered a hundred times a second at most", () => {
  const peer = new ScriptedPeer();
  let answers = 0;
  for (let i = 0; i < 10_000; i++) {
    peer.now = i / 10;
    peer.receive({ type: HEARTBEAT });
    answers += peer.words().length;
  }
  expect(answers).toBeGreaterThan(90);
  expect(answers).toBeLessThan(130);
});

test("without a firewall an unconnected stream takes nothing; with one it takes, and answers when it connects", () => {
  const closed = new ScriptedPeer({ isConnected: false });
  expect(closed.receive({ type: DATA, payload: text("x") })).toBe(true); // swallowed
  expect(closed.events).toEqual([]);
  const asked: string[] = [];
  const open = new ScriptedPeer({
    isConnected: false,
    firewall: (_, socket, from) => asked.push(`${socket} ${from.host}`) < 1,
  });
  open.receive({ type: DATA, payload: text("early") });
  open.receive({ type: MESSAGE, seq: 1, payload: text("m") });
  open.receive(
    { type: DATA, seq: 1, payload: text("no port") },
    { socket: "main", from: { host: "192.0.2.1", port: 0 } },
  );
  expect(open.events).toEqual(["data early", "message m"]);
  expect(asked).toEqual(["main 192.0.2.1", "main 192.0.2.1"]);
  expect(open.words()).toEqual([]);
  open.connect();
  expect(open.words()).toEqual(["ack 1"]);
  open.receive({ type: DATA, seq: 1, payload: text("late") }, { socket: "main", from: ELSEWHERE });
  expect(asked).toHaveLength(2); // its own socket is not asked about
  expect(open.events.at(-1)).toBe("data late");
});

test("a firewall may connect, change the remote, or destroy: the packet meets the result", () => {
  const connecting: ScriptedPeer = new ScriptedPeer({
    isConnected: false,
    firewall: () => {
      connecting.connect();
      return false;
    },
  });
  connecting.receive({ type: DATA, payload: text("x") });
  expect(connecting.words()).toEqual(["ack 1"]);
  const dying: ScriptedPeer = new ScriptedPeer({
    isConnected: false,
    firewall: (now) => {
      dying.stream.destroy(now);
      return false;
    },
  });
  expect(dying.receive({ type: DATA, payload: text("x") })).toBe(true);
  expect(dying.events).toEqual(["closed null"]);
  expect(dying.words()).toEqual([]);
});

test("after a change of remote everything goes there, and the owner hears when what was before has arrived", () => {
  const peer = new ScriptedPeer();
  peer.stream.write(text("before"));
  peer.sent();
  peer.stream.changeRemote(10, { socket: "other", to: ELSEWHERE, remoteId: 3003 });
  peer.stream.write(text("after"));
  expect(peer.sent()).toMatchObject([{ seq: 1, id: 3003, socket: "other", to: ELSEWHERE }]);
  peer.now = 1_000;
  expect(peer.sent()).toMatchObject([{ seq: 0, id: 3003, socket: "other", to: ELSEWHERE }]);
  expect(peer.events).toEqual([]);
  peer.receive({ ack: 1 }, { socket: "other", from: PEER });
  expect(peer.events).toEqual(["remoteChanged"]);
  peer.receive({ ack: 2 }, { socket: "other", from: PEER });
  peer.stream.changeRemote(2_000, { socket: "main", to: PEER, remoteId: THEIR_ID });
  expect(peer.events).toEqual(["remoteChanged", "remoteChanged"]); // nothing was under way
});

test("what is sent again by a new path goes in order, also when some of it was sent again before", () => {
  const peer = new ScriptedPeer();
  for (let seq = 0; seq < 6; seq++) {
    peer.stream.write(text(`${seq}`));
    peer.sent();
  }
  expect(peer.pass(1_000)).toEqual(["1000 DATA 0"]); // by the old path, in vain
  peer.stream.changeRemote(peer.now, { socket: "main", to: ELSEWHERE, remoteId: THEIR_ID });
  peer.stream.retransmit(peer.now);
  const sent = peer.words();
  for (let ack = 1; ack <= 6; ack++) {
    peer.receive({ ack });
    sent.push(...peer.words());
  }
  expect(sent).toEqual([0, 1, 2, 3, 4, 5].map((seq) => `DATA ${seq}`));
});

test("a relay passes packets on with the id changed, a DESTROY too, and closes with whom it relays to", () => {
  const peer = new ScriptedPeer();
  const events: string[] = [];
  const owner = {
    data() {},
    closed: (_: number, __: unknown, reason: string | null) => void events.push(`other ${reason}`),
  };
  const other = peer.udx.createStream({ id: 7, owner });
  peer.stream.relayTo(other);
  other.relayTo(peer.stream);
  peer.receive({ type: DATA, seq: 5, payload: text("lost: the other has no remote yet") });
  expect(peer.sent()).toEqual([]);
  other.connect(0, { socket: "main", to: ELSEWHERE, remoteId: 77 });
  peer.receive({ type: DATA | SACK, seq: 5, ack: 9, sacks: [[11, 12]], payload: text("x") });
  expect(peer.sent()).toMatchObject([{ type: DATA | SACK, id: 77, seq: 5, ack: 9, sacks: [[11, 12]], to: ELSEWHERE }]);
  peer.receive({ type: DESTROY, seq: 5 });
  expect(peer.sent()).toMatchObject([{ type: DESTROY, id: 77 }]);
  expect([...peer.events, ...events]).toEqual(["closed reset", "other relay"]);
});

test("nothing is told after the close, whatever an owner does within a callback", () => {
  for (const event of ["data", "ended", "message"] as const) {
    const peer = new ScriptedPeer();
    peer[event] = () => peer.stream.destroy(0);
    for (const seq of [2, 1]) peer.receive({ type: DATA, seq, payload: text("x") });
    peer.receive({ type: MESSAGE, payload: text("m") });
    peer.receive({ type: DATA, seq: 0, payload: text("x") });
    peer.receive({ type: END, seq: 3 });
    expect(peer.events.filter((line) => line.startsWith("closed"))).toEqual(["closed null"]);
    expect(peer.events.at(-1)).toBe("closed null");
    expect(peer.udx.size).toBe(0);
  }
});

test("what only we can get wrong stops the program", () => {
  const peer = new ScriptedPeer({ isConnected: false });
  expect(() => peer.stream.write(text("x"))).toThrow("after connect");
  expect(() => peer.stream.send(text("x"))).toThrow("after connect");
  peer.connect();
  expect(() => peer.connect()).toThrow("connects once");
  peer.stream.end();
  expect(() => peer.stream.write(text("x"))).toThrow("before end");
  expect(() => peer.udx.createStream({ id: OUR_ID, owner: peer })).toThrow("its own");
});
