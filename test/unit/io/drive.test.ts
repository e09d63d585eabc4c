import { expect, test } from "bun:test";
import type { Machine } from "../../../src/base/machine.ts";
import { drive } from "../../../src/io/drive.ts";

/** Gives out what it was fed when it is drained, all in one. */
class Collector implements Machine<string> {
  #fed: string[] = [];
  take(word: string): void {
    this.#fed.push(word);
  }
  advance(): void {}
  deadline(): number {
    return Number.POSITIVE_INFINITY;
  }
  drain(): string[] {
    const outputs = this.#fed.length > 0 ? [this.#fed.join(" ")] : [];
    this.#fed = [];
    return outputs;
  }
}

function driven() {
  const machine = new Collector();
  const outputs: string[] = [];
  const running = drive(machine, (output) => outputs.push(output));
  return {
    outputs,
    running,
    input: (word: string) => running.input(() => machine.take(word)),
    gather: (word: string) => running.gather(() => machine.take(word)),
  };
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

test("inputs that are gathered have their outputs taken together, when the turn is over", async () => {
  const { outputs, gather } = driven();
  for (const word of ["a", "b", "c"]) gather(word);
  expect(outputs).toEqual([]);
  await nextTurn();
  gather("d");
  await nextTurn();
  await nextTurn();
  expect(outputs).toEqual(["a b c", "d"]);
});

test("any other input takes what was gathered with it, in the order they came", async () => {
  const { outputs, input, gather } = driven();
  gather("a");
  input("b");
  gather("c");
  expect(outputs).toEqual(["a b"]);
  await nextTurn();
  expect(outputs).toEqual(["a b", "c"]);
});

test("a turn without an end gathers no more than its bound", () => {
  const { outputs, gather } = driven();
  for (let i = 0; i < 1_000; i++) gather(".");
  expect(outputs.map((output) => output.split(" ").length)).toEqual([257, 257, 257]);
});

test("what was gathered before the stop is not taken after it, except by another input", async () => {
  const { outputs, running, input, gather } = driven();
  gather("a");
  running.stop();
  await nextTurn();
  expect(outputs).toEqual([]);
  input("b");
  expect(outputs).toEqual(["a b"]);
});
