import { expect, test } from "bun:test";
import { Session, SessionSlots } from "../../../src/tunnel/session.ts";
import { SUITE_W } from "../../../src/tunnel/suite.ts";

function session(name: string, isInitiator: boolean, bornAt = 0): Session<string> {
  const keys = { sendKey: new Uint8Array(32).fill(1), receiveKey: new Uint8Array(32).fill(2) };
  return new Session({ suite: SUITE_W, localIndex: 1, remoteIndex: 2, ...keys, isInitiator, bornAt }, name);
}

/** Slots, and what they hold and have dropped as text. */
function slots() {
  const dropped: string[] = [];
  const it = new SessionSlots<string>((session) => {
    expect(session.keys.sendKey[0]).toBe(1); // not yet zeroed
    dropped.push(session.cipher);
  });
  const state = () => [it.current, it.previous, it.next].map((session) => session?.cipher ?? "-").join(" ");
  return { it, dropped, state };
}

test("an initiator's session is sent on at once, and the one before it still receives", () => {
  const { it, dropped, state } = slots();
  for (const name of ["a", "b", "c"]) it.install(session(name, true));
  expect(state()).toBe("c b -");
  expect(dropped).toEqual(["a"]);
});

test("a responder's session waits for its first message", () => {
  const { it, dropped, state } = slots();
  const [a, b] = [session("a", true), session("b", false)];
  it.install(a);
  it.install(b);
  expect(state()).toBe("a - b");
  expect(it.sendable(0)).toBe(a);
  expect(it.authenticated(a)).toBe(false);
  expect(it.authenticated(b)).toBe(true);
  expect(state()).toBe("b a -");
  expect(it.authenticated(b)).toBe(false);
  expect(dropped).toEqual([]);
});

test("a responder's session takes the place of the unconfirmed one, and of the previous", () => {
  const { it, dropped, state } = slots();
  it.install(session("a", true));
  it.install(session("b", true));
  it.install(session("c", false));
  expect(state()).toBe("b - c");
  it.install(session("d", false));
  expect(state()).toBe("b - d");
  expect(dropped).toEqual(["a", "c"]);
});

test("when both ends initiate, the unconfirmed session stays to receive on", () => {
  const { it, dropped, state } = slots();
  it.install(session("a", true));
  it.install(session("b", false));
  it.install(session("c", true));
  expect(state()).toBe("c b -");
  expect(dropped).toEqual(["a"]);
});

test("a dropped session's keys are zeroed", () => {
  const { it, dropped, state } = slots();
  const all = [session("a", true), session("b", true), session("c", false)];
  for (const each of all) it.install(each);
  it.clear();
  expect(state()).toBe("- - -");
  expect(dropped).toEqual(["a", "b", "c"]);
  const zeros = new Uint8Array(32);
  for (const { keys } of all) expect([keys.sendKey, keys.receiveKey]).toEqual([zeros, zeros]);
});

test("only the initiator renews by age: after 120 s when it sends, after 165 s when it receives", () => {
  const [ours, theirs] = [session("a", true, 1000), session("b", false, 1000)];
  expect([120_999, 121_000].map((now) => ours.staleOnSend(now))).toEqual([false, true]);
  expect([165_999, 166_000].map((now) => ours.staleOnReceive(now))).toEqual([false, true]);
  expect([theirs.staleOnSend(180_000), theirs.staleOnReceive(180_000)]).toEqual([false, false]);
});

test("either end renews after 2^24 messages sent", () => {
  const it = session("a", false);
  it.sendCounter = 2 ** 24 - 1;
  expect(it.staleOnSend(0)).toBe(false);
  it.sendCounter++;
  expect(it.staleOnSend(0)).toBe(true);
});

test("a session ends after 180 s, or at message 2^32 either way", () => {
  const { it } = slots();
  const byAge = session("a", true, 1000);
  it.install(byAge);
  expect(it.sendable(180_999)).toBe(byAge);
  expect(it.sendable(181_000)).toBeNull();
  const bySent = session("b", true);
  bySent.sendCounter = 2 ** 32 - 1;
  expect(bySent.expired(0)).toBe(false);
  bySent.sendCounter++;
  expect(bySent.expired(0)).toBe(true);
  const byReceived = session("c", true);
  byReceived.window.accept(2 ** 32);
  expect(byReceived.expired(0)).toBe(true);
});
