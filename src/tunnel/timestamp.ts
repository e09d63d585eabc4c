/**
 * TAI64N timestamps (cr.yp.to/libtai/tai64.html): 2^62 + 10 + Unix seconds as u64 big-endian, then nanoseconds as u32
 * big-endian, so that later ones are greater byte by byte. They go out in steps of 2^24 ns (17 ms): a finer clock would
 * tell strangers more about this machine than they need. A step is numbered by its second times 60 plus its place in it.
 */
export const TIMESTAMP_BYTES = 12;
const STEPS_PER_SECOND = 60; // 10^9 / 2^24, rounded up
const STEP_NS = 2 ** 24;

export function timestampStep(unixMs: number): number {
  const seconds = Math.floor(unixMs / 1000);
  return seconds * STEPS_PER_SECOND + Math.floor(((unixMs - seconds * 1000) * 1e6) / STEP_NS);
}

export function encodeTimestamp(step: number): Uint8Array {
  const bytes = new Uint8Array(TIMESTAMP_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, 2n ** 62n + 10n + BigInt(Math.floor(step / STEPS_PER_SECOND)));
  view.setUint32(8, (step % STEPS_PER_SECOND) * STEP_NS);
  return bytes;
}

/** Whether timestamp `a` is later than `b`. */
export function isLater(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) > 0;
}
