import { expect, spyOn, test } from "bun:test";
import type { Machine } from "../../../src/base/machine.ts";
import { type Drive, drive } from "../../../src/io/drive.ts";
import { Internet } from "../../sim/internet/internet.ts";

/** Notes every call; its deadline and its outputs are what the test sets. */
class Scripted implements Machine<string> {
  dueAt = Number.POSITIVE_INFINITY;
  outputs: string[] = [];

  constructor(readonly log: string[]) {}

  advance(): void {
    this.log.push("advance");
    if (this.dueAt === Number.NEGATIVE_INFINITY) this.outputs.push("due");
    this.dueAt = Number.POSITIVE_INFINITY;
  }

  deadline(): number {
    return this.dueAt;
  }

  drain(): string[] {
    this.log.push("drain");
    return this.outputs.splice(0);
  }
}

interface World {
  start(machine: Machine<string>, onOutput: (output: string) => void): Drive;
  /** Lets timers of no delay ring until there is none. */
  settle(): void;
}

/** One script for both kinds of drive: inputs with outputs, an input within an output, dues at once and never, a stop. */
function play({ start, settle }: World): string[] {
  const log: string[] = [];
  const machine = new Scripted(log);
  machine.dueAt = Number.NEGATIVE_INFINITY;
  const running = start(machine, (output) => {
    log.push(`output ${output}`);
    if (output === "nest") feed("inner", Number.NEGATIVE_INFINITY, ["inner 1", "inner 2"]);
  });
  const feed = (name: string, dueAt: number, outputs: string[]) =>
    running.input(() => {
      log.push(`feed ${name}`);
      machine.outputs.push(...outputs);
      machine.dueAt = dueAt;
    });
  const step = (name: string) => {
    settle();
    log.push(`-- ${name}`);
  };
  step("quiet");
  feed("plain", Number.POSITIVE_INFINITY, ["one", "two"]);
  step("nested");
  feed("outer", Number.POSITIVE_INFINITY, ["before", "nest", "after"]);
  step("due again after advance");
  running.input(() => log.push("feed due"));
  machine.dueAt = Number.NEGATIVE_INFINITY;
  running.input(() => {
    machine.dueAt = Number.POSITIVE_INFINITY;
  });
  step("stopped");
  running.stop();
  running.stop();
  feed("after stop", Number.NEGATIVE_INFINITY, ["still"]);
  machine.dueAt = Number.NEGATIVE_INFINITY;
  step("end");
  return log;
}

function playInRealTime(): string[] {
  const timers = new Map<number, () => void>();
  let lastTimer = 0;
  const set = spyOn(globalThis, "setTimeout").mockImplementation(((ring: () => void, ms: number) => {
    expect(ms).toBe(0);
    timers.set(++lastTimer, ring);
    return lastTimer;
  }) as never);
  const clear = spyOn(globalThis, "clearTimeout").mockImplementation(((timer: number) =>
    timers.delete(timer)) as never);
  try {
    const settle = () => {
      for (const [timer, ring] of timers) {
        timers.delete(timer);
        ring();
      }
    };
    return play({ start: drive, settle });
  } finally {
    set.mockRestore();
    clear.mockRestore();
  }
}

test("the same script leaves the same log in real time and in virtual time", () => {
  const internet = new Internet({ seed: 1 });
  const host = internet.addHost();
  const virtual = play({
    start: (machine, onOutput) => host.drive(machine, onOutput),
    settle: () => internet.runFor(0),
  });
  expect(virtual).toEqual(playInRealTime());
  expect(virtual).toContain("output inner 2");
});

/** Notes when it is advanced; due `periodMs` after that, or when `put` says. */
class Timed implements Machine<never> {
  readonly advanced: number[] = [];
  dueAt = Number.POSITIVE_INFINITY;

  advance(now: number): void {
    this.advanced.push(now);
    if (now >= this.dueAt) this.dueAt = Number.POSITIVE_INFINITY;
  }

  deadline(): number {
    return this.dueAt;
  }

  drain(): never[] {
    return [];
  }
}

function timed() {
  const internet = new Internet({ seed: 1 });
  const machine = new Timed();
  const running = internet.addHost().drive(machine, () => {});
  const put = (dueAt: number) =>
    running.input(() => {
      machine.dueAt = dueAt;
    });
  return { internet, machine, running, put };
}

test("a machine is advanced at its deadline, to the fraction, and at no other time", () => {
  const { internet, machine, put } = timed();
  put(10.125);
  internet.runFor(100);
  expect(machine.advanced).toEqual([0, 0, 10.125]);
});

test("a deadline that comes nearer rings then; one that is put off costs one look", () => {
  const { internet, machine, put } = timed();
  for (const dueAt of [50, 20, 30]) put(dueAt);
  internet.runFor(100);
  expect(machine.advanced).toEqual([0, 0, 0, 0, 30]);
  expect(internet.steps).toBe(3); // 20 and, as armed, 50 rang for nothing
});

test("inputs that leave the deadline where it is add nothing to the queue", () => {
  const { internet, put } = timed();
  for (let i = 0; i < 1000; i++) put(50 + i);
  internet.runFor(50);
  expect(internet.steps).toBe(1);
  internet.runFor(10_000);
  expect(internet.steps).toBe(2);
});

test("short waits below a long one leave no more behind than the long one", () => {
  const { internet, put } = timed();
  let rounds = 0;
  const again = () => {
    put(10_000);
    put(internet.now + 1);
    if (++rounds < 1000) internet.after(2, again);
  };
  again();
  internet.runFor(20_000);
  expect(internet.steps).toBeLessThan(2010);
});

test("a machine that is always due at once is found out, not run for ever", () => {
  const { internet, running, machine } = timed();
  machine.advance = () => {};
  running.input(() => {
    machine.dueAt = 5;
  });
  expect(() => internet.runFor(10)).toThrow(/^seed 1 at t=5: .*no machine rings at one moment for ever/);
});

test("an error in a machine is told with the seed", () => {
  const { internet, put, machine } = timed();
  put(5);
  machine.advance = () => {
    throw new Error("broken");
  };
  expect(() => internet.runFor(10)).toThrow("seed 1 at t=5: Error: broken");
});
