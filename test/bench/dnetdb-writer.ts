/** A Worker that writes transactions: told how many, it posts the first batch, one more for each message, null after the last. */
import { batches, type Written } from "./dnetdb-written.ts";

declare const self: Worker;

let all: Generator<Written[]> | null = null;
self.onmessage = ({ data: count }: MessageEvent<number>) => {
  all ??= batches(count);
  self.postMessage(all.next().value ?? null);
};
