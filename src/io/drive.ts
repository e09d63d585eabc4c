import { monotonicMs } from "../../ffi/libc.ts";
import type { Machine } from "../base/machine.ts";

/** setTimeout takes 32 bits of milliseconds; a longer wait is waited for in parts. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

/** A machine in real time. */
export interface Drive {
  /** Feeds one input, which is told the time; then takes every output. */
  input(feed: (now: number) => void): void;
  /** Ends its timer; later inputs still work, but nothing happens by itself. */
  stop(): void;
}

/** The one event loop of every machine: one input, then all its outputs, then sleep until its deadline. */
export function drive<Output>(machine: Machine<Output>, onOutput: (output: Output) => void): Drive {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stopped = false;
  const input = (feed: (now: number) => void) => {
    const now = monotonicMs();
    feed(now);
    machine.advance(now);
    for (const output of machine.drain()) onOutput(output);
    clearTimeout(timer);
    const wait = machine.deadline() - monotonicMs();
    if (stopped || wait === Number.POSITIVE_INFINITY) return;
    // Rounded up: a timer that rings just before the deadline would ring again and again.
    timer = setTimeout(() => input(() => {}), Math.min(Math.max(0, Math.ceil(wait)), LONGEST_WAIT_MS));
  };
  input(() => {});
  return {
    input,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
