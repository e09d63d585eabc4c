import { expect, test } from "bun:test";
import { Health } from "../../../src/dht/health.ts";

type Tick = readonly [answers: number, timeouts: number];

/** Feeds ticks, each with what came in it, and gives what is believed after each: `+` or `-`, `!` when degraded. */
function course(health: Health, ticks: readonly Tick[]): string {
  let [answers, timeouts] = totals.get(health) ?? [0, 0];
  const believed = ticks.map(([more, fewer]) => {
    answers += more;
    timeouts += fewer;
    health.tick({ answers, timeouts });
    return `${health.isOnline ? "+" : "-"}${health.isDegraded ? "!" : ""}`;
  });
  totals.set(health, [answers, timeouts]);
  return believed.join(" ");
}

const totals = new Map<Health, Tick>();
const WELL: Tick = [10, 0];
const ILL: Tick = [3, 7];
const GONE: Tick = [0, 8];
const IDLE: Tick = [2, 1];

function started(): Health {
  const health = new Health();
  course(health, [WELL, WELL, WELL, WELL]);
  return health;
}

test("two ticks with timeouts alone are offline, and one answer among four outcomes ends that", () => {
  expect(course(started(), [GONE, GONE, [1, 3], GONE, GONE])).toBe("+ - + + -");
});

test("the first three ticks say nothing, and nor does a tick with fewer than four outcomes", () => {
  expect(course(new Health(), [GONE, GONE, GONE, GONE, GONE])).toBe("+ + + + -");
  expect(course(started(), [[0, 3], [0, 3], IDLE, IDLE])).toBe("+ + + +");
});

test("four ticks with more timeouts than answers are degraded, four good ones mend that", () => {
  expect(course(started(), [ILL, ILL, ILL, ILL, ILL])).toBe("+ + + +! +!");
  const health = started();
  course(health, [ILL, ILL, ILL, ILL]);
  expect(course(health, [WELL, WELL, WELL, WELL])).toBe("+! +! +! +");
});

test("half of the outcomes being timeouts is not degraded", () => {
  expect(
    course(started(), [
      [5, 5],
      [5, 5],
      [5, 5],
      [5, 5],
    ]),
  ).toBe("+ + + +");
});

test("who is offline is not degraded as well", () => {
  const health = started();
  course(health, [ILL, ILL, ILL, ILL]);
  expect(course(health, [GONE, GONE])).toBe("+! -");
});

test("a tick tells whether a verdict changed, and so does a reset, after which nothing is known", () => {
  const health = started();
  let timeouts = 0;
  const tick = () => {
    timeouts += 8;
    return health.tick({ answers: 40, timeouts });
  };
  expect([tick(), tick(), tick()]).toEqual([false, true, false]);
  expect([health.reset(), health.isOnline, health.reset()]).toEqual([true, true, false]);
  expect([tick(), tick(), tick(), tick(), tick()]).toEqual([false, false, false, false, true]);
});
