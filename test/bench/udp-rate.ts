/** How many UDP packets a second go through: the highest rate at which fewer than one in a hundred is lost. */
import { join } from "node:path";
import { Lines } from "./lines.ts";
import type { Stage } from "./stage.ts";

/** What became of the packets offered at one rate. */
export interface Offered {
  readonly sent: number;
  readonly received: number;
  readonly seconds: number;
}

const PROGRAM = join(import.meta.dir, "udp-load.ts");
const PORT = 6_000;
const MAX_LOSS = 0.01;
const HALVINGS = 5;
/** Steps of the search: the rate is known to the 32nd root of the span that it begins with. */
const STEPS = 5;
/** A step that fails is tried again: other work of the machine may have disturbed it. */
const TRIES = 2;

/**
 * Searches by halving over the rate offered, in packets a second, and returns the highest rate delivered; 0 when every rate
 * loses too much. What the generator sends at `Infinity` without loss is the answer at once, and its own limit.
 */
export async function highestRate(offer: (rate: number) => Promise<Offered>): Promise<number> {
  let best = 0;
  const passes = async (rate: number) => {
    for (let tries = 0; tries < TRIES; tries++) {
      const offered = await offer(rate);
      if (!isClean(offered)) continue;
      best = Math.max(best, offered.received / offered.seconds);
      return true;
    }
    return false;
  };
  const all = await offer(Infinity);
  if (isClean(all)) return all.received / all.seconds;
  let high = all.sent / all.seconds;
  let low = Math.max(1, Math.min(high, all.received / all.seconds) / 2);
  for (let halvings = 0; !(await passes(low)); halvings++) {
    if (halvings === HALVINGS) return 0;
    [low, high] = [low / 2, low];
  }
  for (let step = 0; step < STEPS; step++) {
    const middle = Math.sqrt(low * high);
    if (await passes(middle)) low = middle;
    else high = middle;
  }
  return best;
}

function isClean({ sent, received }: Offered): boolean {
  return sent > 0 && 1 - received / sent < MAX_LOSS;
}

/** Sends packets of `bytes` bytes from A to B, `rate` a second, for so long. */
export async function offerUdp(
  { scene, a, b }: Stage,
  to: string,
  { bytes, rate, seconds }: { readonly bytes: number; readonly rate: number; readonly seconds: number },
): Promise<Offered> {
  const receiver = scene.start(b, [process.execPath, PROGRAM, "receive", to, `${PORT}`]);
  try {
    const lines = new Lines(receiver.stdout);
    if ((await lines.next()) !== "ready") throw new Error(`the receiver did not start: ${receiver.stderr()}`);
    const words = ["send", to, PORT, bytes, rate, seconds].map(String);
    const sender = await scene.run(a, [process.execPath, PROGRAM, ...words]);
    const received = await lines.next();
    if (sender.exitCode !== 0 || received === null) {
      throw new Error(`the load ended early: ${sender.stderr}${receiver.stderr()}`);
    }
    return { ...(JSON.parse(sender.stdout) as Omit<Offered, "received">), received: Number(received) };
  } finally {
    await receiver.end("SIGTERM"); // the next one wants its port
  }
}
