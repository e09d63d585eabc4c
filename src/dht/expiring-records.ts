/**
 * What strangers have us keep, for a fixed time after it was last put. Bounded in all and, where it is shared, for each /24 that puts.
 * Full: what is there stays until its time is over and the newcomer is refused, so a flood displaces nobody.
 *
 * Differs: the reference keeps two generations, so that a record lives 0.67 to 1.33 of its time, and a flood drives all out.
 */
import { prefix24 } from "../base/ip4.ts";

/** One /24 may hold one part in so many of the whole. */
const PREFIX_SHARE = 16;

export interface ExpiringRecordsOptions {
  readonly capacity: number;
  readonly lifetimeMs: number;
  /** By strangers of many networks: no /24 gets more than its share. Where all are of one network, that may have it all. */
  readonly isShared: boolean;
}

interface Entry<Value> {
  readonly value: Value;
  readonly prefix: number;
  readonly expiresAt: number;
}

export class ExpiringRecords<Value> {
  readonly #entries = new Map<string, Entry<Value>>(); // in the order of their ends
  readonly #perPrefix = new Map<number, number>();
  readonly #capacity: number;
  readonly #capacityPerPrefix: number;
  readonly #lifetimeMs: number;
  readonly #onRemoved: (value: Value) => void;

  constructor(options: ExpiringRecordsOptions & { readonly onRemoved?: (value: Value) => void }) {
    this.#capacity = options.capacity;
    this.#capacityPerPrefix = options.isShared ? Math.max(1, options.capacity / PREFIX_SHARE) : Infinity;
    this.#lifetimeMs = options.lifetimeMs;
    this.#onRemoved = options.onRemoved ?? (() => {});
  }

  get size(): number {
    return this.#entries.size;
  }

  get(now: number, key: string): Value | null {
    const entry = this.#entries.get(key);
    return entry && entry.expiresAt > now ? entry.value : null;
  }

  /** Puts `value` in place of what `key` had. `host` is who puts it. False when there is no room. */
  set(now: number, key: string, value: Value, host: string): boolean {
    this.expire(now);
    const prefix = prefix24(host);
    const old = this.#entries.get(key);
    const ofPrefix = (this.#perPrefix.get(prefix) ?? 0) - (old?.prefix === prefix ? 1 : 0);
    if (!old && this.#entries.size >= this.#capacity) return false;
    if (ofPrefix >= this.#capacityPerPrefix) return false;
    this.delete(key);
    this.#entries.set(key, { value, prefix, expiresAt: now + this.#lifetimeMs });
    this.#count(prefix, 1);
    return true;
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#count(entry.prefix, -1);
    this.#onRemoved(entry.value);
  }

  /** Drops what is over. */
  expire(now: number): void {
    for (const [key, { expiresAt }] of this.#entries) {
      if (expiresAt > now) return;
      this.delete(key);
    }
  }

  #count(prefix: number, by: 1 | -1): void {
    const count = (this.#perPrefix.get(prefix) ?? 0) + by;
    if (count > 0) this.#perPrefix.set(prefix, count);
    else this.#perPrefix.delete(prefix);
  }
}
