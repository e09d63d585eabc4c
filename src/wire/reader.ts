/**
 * Reads what `Writer` writes: HyperDHT's "compact encoding", all numbers little-endian. Sticky: past the end or past a bound it
 * yields zeros and sets `ok` to false, so that a decoder is a straight line and one check. Bytes after the last field are
 * ignored, as in the reference, so that messages may grow. Source: compact-encoding 2 index.js.
 */
import type { Address } from "../base/address.ts";
import { formatIp } from "../base/ip.ts";

const EMPTY = new Uint8Array(0);

export class Reader {
  /** False once anything was missing or beyond its bound. */
  ok = true;
  #at: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : this.#bytes[at]!;
  }

  u16(): number {
    const at = this.#take(2);
    return at < 0 ? 0 : this.#bytes[at]! | (this.#bytes[at + 1]! << 8);
  }

  u32(): number {
    const at = this.#take(4);
    const bytes = this.#bytes;
    return at < 0 ? 0 : (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
  }

  /** One, three, five or nine bytes; longer forms than needed are accepted, values beyond 2^53 - 1 are not. */
  uint(): number {
    const first = this.u8();
    if (first <= 0xfc) return first;
    if (first === 0xfd) return this.u16();
    if (first === 0xfe) return this.u32();
    const low = this.u32();
    const value = this.u32() * 2 ** 32 + low;
    return Number.isSafeInteger(value) ? value : this.#refuse();
  }

  /** `length` bytes as a view. */
  fixed(length: number): Uint8Array {
    const at = this.#take(length);
    return at < 0 ? EMPTY : this.#bytes.subarray(at, at + length);
  }

  /** A length and so many bytes, as a view; refused when there are more than `maxBytes`. */
  bytes(maxBytes: number): Uint8Array {
    const length = this.uint();
    if (length > maxBytes) this.#refuse();
    return this.ok ? this.fixed(length) : EMPTY;
  }

  /** UTF-8; malformed sequences become U+FFFD. */
  string(maxBytes: number): string {
    return new TextDecoder().decode(this.bytes(maxBytes));
  }

  /** Six bytes: IPv4 in dotted order, then the port. */
  address4(): Address {
    const at = this.#take(6);
    const bytes = this.#bytes;
    if (at < 0) return { host: "0.0.0.0", port: 0 };
    const host = `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
    return { host, port: bytes[at + 4]! | (bytes[at + 5]! << 8) };
  }

  /** Eighteen bytes: eight groups, high byte first, then the port low byte first. */
  address6(): Address {
    const at = this.#take(18);
    if (at < 0) return { host: "::", port: 0 };
    const bytes = this.#bytes;
    return { host: formatIp(bytes.subarray(at, at + 16)), port: bytes[at + 16]! | (bytes[at + 17]! << 8) };
  }

  /** A count and so many items; refused when there are more than `maxItems`. */
  array<Item>(maxItems: number, item: () => Item): Item[] {
    const count = this.uint();
    if (count > maxItems) this.#refuse();
    const items: Item[] = [];
    while (this.ok && items.length < count) items.push(item());
    return items;
  }

  /** Everything up to the end, as a view. */
  rest(): Uint8Array {
    return this.fixed(this.remaining);
  }

  /** Where the next `length` bytes begin; -1 when they are not there. */
  #take(length: number): number {
    const at = this.#at;
    if (!this.ok || at + length > this.#bytes.length) {
      this.ok = false;
      return -1;
    }
    this.#at = at + length;
    return at;
  }

  #refuse(): 0 {
    this.ok = false;
    return 0;
  }
}
