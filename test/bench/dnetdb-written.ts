/** Records that a second thread writes. */
import { STEP } from "../../src/io/record-file.ts";
import { Owner, type Signed } from "../support/replicas.ts";

/** Of each record. */
export const MEMBERS = 10_000;

export type Written = Pick<Signed, "bytes" | "body">;

/** That many transactions: records, each a mint, a creation and its members, but the last one less. */
export function* batches(count: number): Generator<Written[]> {
  let batch: Written[] = [];
  let done = 0;
  for (const { bytes, body } of written()) {
    batch.push({ bytes, body });
    if (++done < count && batch.length < STEP) continue;
    yield batch;
    if (done === count) return;
    batch = [];
  }
}

/** The same from a Worker, which writes one when it is asked for it, and is still in between. */
export async function* batchesFromWorker(count: number): AsyncGenerator<Written[]> {
  const worker = new Worker(new URL("./dnetdb-writer.ts", import.meta.url));
  const ask = () =>
    new Promise<Written[] | null>((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage(count);
    });
  try {
    for (let batch = await ask(); batch; batch = await ask()) yield batch;
  } finally {
    worker.terminate();
  }
}

function* written(): Generator<Written> {
  for (let seed = 1; ; seed++) {
    const owner = new Owner(seed);
    yield* owner.first;
    for (let i = 0; i < MEMBERS; i++) yield owner.add();
  }
}
