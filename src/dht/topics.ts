/**
 * Who has announced itself under a topic: peer records, at most one for each public key.
 * Differs: who announces anew is found by the new record at once; the reference keeps the old one until it has aged (§7).
 */
import { type Random, randomUint32 } from "../base/random.ts";
import { ExpiringRecords, type ExpiringRecordsOptions } from "./expiring-records.ts";

interface Announced {
  readonly topic: string;
  readonly record: Uint8Array;
  /** Its place in the topic's list. */
  index: number;
}

export class Topics {
  readonly #random: Random;
  readonly #records: ExpiringRecords<Announced>;
  readonly #lists = new Map<string, Announced[]>();

  constructor(options: ExpiringRecordsOptions & { readonly random: Random }) {
    this.#random = options.random;
    this.#records = new ExpiringRecords({ ...options, onRemoved: (record) => this.#unlist(record) });
  }

  get size(): number {
    return this.#records.size;
  }

  /** Keys are in hex. `host` is who announces. False when there is no room. */
  add(now: number, topic: string, publicKey: string, record: Uint8Array, host: string): boolean {
    const announced = { topic, record, index: -1 };
    if (!this.#records.set(now, topic + publicKey, announced, host)) return false;
    const list = this.#lists.get(topic) ?? [];
    this.#lists.set(topic, list);
    announced.index = list.length;
    list.push(announced);
    return true;
  }

  remove(topic: string, publicKey: string): void {
    this.#records.delete(topic + publicKey);
  }

  /** Up to `count` records of the topic, each as likely as any other when there are more. */
  sample(now: number, topic: string, count: number): Uint8Array[] {
    this.#records.expire(now);
    const list = this.#lists.get(topic) ?? [];
    if (list.length <= count) return list.map(({ record }) => record);
    const chosen = new Set<number>();
    while (chosen.size < count) chosen.add(randomUint32(this.#random) % list.length);
    return [...chosen].map((index) => list[index]!.record);
  }

  #unlist({ topic, index }: Announced): void {
    const list = this.#lists.get(topic)!;
    const last = list.pop()!;
    if (last.index !== index) {
      last.index = index;
      list[index] = last;
    }
    if (list.length === 0) this.#lists.delete(topic);
  }
}
