import { expect, test } from "bun:test";
import { VirtualTime } from "../../sim/internet/virtual-time.ts";

test("actions happen at their moments, and time ends where it was told to", () => {
  const time = new VirtualTime(1);
  const log: string[] = [];
  time.at(20, () => log.push(`second at ${time.now}`));
  time.at(10.5, () => {
    log.push(`first at ${time.now}`);
    time.after(0, () => log.push(`at once at ${time.now}`));
  });
  time.at(30, () => log.push("too late"));
  time.runFor(25);
  expect(log).toEqual(["first at 10.5", "at once at 10.5", "second at 20"]);
  expect(time.now).toBe(25);
  expect(() => time.at(24, () => {})).toThrow("not past");
});

test("runUntil stops at the event that made it true, and names the seed when it does not come true", () => {
  const time = new VirtualTime(42);
  let isDone = false;
  time.at(7, () => {
    isDone = true;
  });
  time.runUntil(() => isDone, 100);
  expect(time.now).toBe(7);
  time.runUntil(() => isDone, 100);
  expect(time.now).toBe(7);
  expect(() => time.runUntil(() => !isDone, 100)).toThrow(/^seed 42 at t=107: within 100 ms .*!isDone$/);
});

test("whatever is thrown while time runs is told with the seed and the moment, and time can run again", () => {
  const time = new VirtualTime(7);
  const cause = new Error("boom");
  time.at(3.25, () => {
    throw cause;
  });
  const run = () => time.runFor(10);
  expect(run).toThrow("seed 7 at t=3.25: Error: boom");
  time.runFor(10);
  expect(time.now).toBe(13.25);
});

test("onStep is asked after each event", () => {
  const time = new VirtualTime(1);
  const seen: number[] = [];
  let balance = 0;
  time.onStep = () => {
    seen.push(time.now);
    if (balance < 0) throw new Error("the balance is never negative");
  };
  time.at(1, () => balance++);
  time.at(2, () => {
    balance -= 2;
  });
  expect(() => time.runFor(10)).toThrow("seed 1 at t=2: Error: the balance is never negative");
  expect(seen).toEqual([1, 2]);
});

test("a world that answers itself without time passing is found out", () => {
  const time = new VirtualTime(1);
  const again = () => time.after(0, again);
  again();
  expect(() => time.runFor(1)).toThrow("time goes on");
});

test("time does not run within time", () => {
  const time = new VirtualTime(1);
  time.at(1, () => time.runFor(1));
  expect(() => time.runFor(10)).toThrow("time does not run within time");
});
