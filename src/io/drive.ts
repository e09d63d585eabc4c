import { monotonicMs } from "../../ffi/libc.ts";
import type { Machine } from "../base/machine.ts";

/** setTimeout takes 32 bits of milliseconds; a longer wait is waited for in parts. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

/** A machine in real time. */
export interface Drive {
  /** Feeds one input, which is told the time; then takes every output. */
  input(feed: (now: number) => void): void;
  /** Feeds one of many inputs; the outputs of all that come in one turn of the event loop are taken at its end. */
  gather(feed: (now: number) => void): void;
  /** Ends its timer; later inputs still work, but nothing happens by itself. */
  stop(): void;
}

/** Inputs that are gathered at most. Full: their outputs are taken at once. */
const MOST_GATHERED = 256;

/** The one event loop of every machine: one input, then all its outputs, then sleep until its deadline. */
export function drive<Output>(machine: Machine<Output>, onOutput: (output: Output) => void): Drive {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let ringsAt = Number.POSITIVE_INFINITY;
  let stopped = false;
  let gathered = 0;
  const input = (feed: (now: number) => void) => {
    const now = monotonicMs();
    feed(now);
    gathered = 0;
    machine.advance(now);
    for (const output of machine.drain()) onOutput(output);
    const deadline = machine.deadline();
    // A timer that rings too early looks again; to set it anew for every datagram would cost as much as to answer it.
    if (stopped || deadline >= ringsAt) return;
    clearTimeout(timer);
    // Rounded up: a timer that rings just before the deadline would ring again and again.
    ringsAt = Math.min(deadline, now + LONGEST_WAIT_MS);
    timer = setTimeout(ring, Math.max(0, Math.ceil(ringsAt - monotonicMs())));
  };
  const ring = () => {
    ringsAt = Number.POSITIVE_INFINITY;
    input(() => {});
  };
  const turnEnded = () => {
    if (gathered > 0 && !stopped) input(() => {});
  };
  input(() => {});
  return {
    input,
    gather(feed) {
      if (gathered === MOST_GATHERED) return input(feed);
      if (gathered++ === 0) setImmediate(turnEnded);
      feed(monotonicMs());
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
