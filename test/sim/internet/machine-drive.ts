import { assert } from "../../../src/base/assert.ts";
import type { Machine } from "../../../src/base/machine.ts";
import type { Drive } from "../../../src/io/drive.ts";
import type { Happening } from "./event-queue.ts";
import type { Host } from "./host.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** A machine in virtual time: what `src/io/drive.ts` is in real time. */
export class MachineDrive<Output> implements Drive, Happening {
  #time: VirtualTime;
  #host: Host;
  #machine: Machine<Output>;
  #onOutput: (output: Output) => void;
  /**
   * When it will ring, soonest last: each moment is in the queue once, and was put there for being sooner than the others.
   * A deadline that was put off costs nothing: the ring that was armed for it looks again.
   */
  #rings: number[] = [];
  #isStopped = false;

  /** Only `Host.drive` makes one. */
  constructor(time: VirtualTime, host: Host, machine: Machine<Output>, onOutput: (output: Output) => void) {
    this.#time = time;
    this.#host = host;
    this.#machine = machine;
    this.#onOutput = onOutput;
    this.input(() => {});
  }

  input(feed: (now: number) => void): void {
    assert(!this.#host.isAsleep, "a machine takes no input while its host sleeps");
    const { now } = this.#time;
    feed(now);
    this.#machine.advance(now);
    for (const output of this.#machine.drain()) this.#onOutput(output);
    this.#arm();
  }

  /** Virtual time has no turns: each input is one. */
  gather(feed: (now: number) => void): void {
    this.input(feed);
  }

  stop(): void {
    this.#isStopped = true;
    this.#host.forget(this);
  }

  happen(): void {
    this.#rings.pop();
    this.lookAgain();
  }

  /** Does what is due, if anything is: after a ring, or when the host wakes. */
  lookAgain(): void {
    if (this.#isStopped || this.#host.isAsleep) return;
    if (this.#machine.deadline() <= this.#time.now) this.input(() => {});
    else this.#arm();
  }

  #arm(): void {
    if (this.#isStopped) return;
    const deadline = this.#machine.deadline();
    assert(!Number.isNaN(deadline), "a machine's deadline is a number");
    const at = Math.max(deadline, this.#time.now);
    const soonest = this.#rings.length > 0 ? this.#rings[this.#rings.length - 1]! : Number.POSITIVE_INFINITY;
    if (at >= soonest) return;
    this.#rings.push(at);
    this.#time.schedule(at, this);
  }
}
