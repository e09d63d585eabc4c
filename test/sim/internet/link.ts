/** What a datagram meets on its way, apart from NATs. */

/** Of a path, the latencies and jitters of both ends add up; of all else, the worse end counts, once for each datagram. */
export interface LinkConditions {
  /** How much the delay of one end wanders above its latency. It wanders slowly: nothing is overtaken because of it. */
  jitterMs: number;
  /** Which share of the datagrams is lost. */
  loss: number;
  /** Which share arrives twice. */
  duplication: number;
  /** Which share is held back by up to `reorderMs`, so that later ones may overtake it. */
  reordering: number;
  reorderMs: number;
  /** The largest IPv4 packet; a larger one is lost, as if it must not be fragmented. */
  mtuBytes: number;
}

/** Plain good weather. */
export const FAIR: LinkConditions = {
  jitterMs: 2,
  loss: 0,
  duplication: 0,
  reordering: 0,
  reorderMs: 30,
  mtuBytes: 1500,
};

/** The line of one host; what it leaves undefined is as everywhere (`Internet.conditions`). All of it may change any time. */
export type Link = { latencyMs: number } & { [Name in keyof LinkConditions]?: LinkConditions[Name] | undefined };

export const IP_AND_UDP_HEADER_BYTES = 28;

/** Within so many jitters the delay goes from one height to the next: 2 / 16 of a ms each ms, so it never overtakes time. */
const JITTERS_PER_WANDER = 16;

/** What a line's jitter adds at `now`, in [0, jitterMs): straight lines between heights that `seed` fixes. */
export function jitterAt(now: number, jitterMs: number, seed: number): number {
  if (jitterMs <= 0) return 0;
  const position = now / (jitterMs * JITTERS_PER_WANDER);
  const index = Math.floor(position);
  const low = heightOf(seed, index);
  return jitterMs * (low + (heightOf(seed, index + 1) - low) * (position - index));
}

/** In [0, 1). */
function heightOf(seed: number, index: number): number {
  let mixed = Math.imul(seed ^ Math.imul(index, 0x9e3779b1), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
}
