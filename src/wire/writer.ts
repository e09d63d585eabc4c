/** Writes HyperDHT's "compact encoding", always in its shortest form: signatures cover encoded values. See `reader.ts`. */
import type { Address } from "../base/address.ts";
import { assert } from "../base/assert.ts";
import { parseIp } from "../base/ip.ts";

const FIRST_BYTES = 256;

export class Writer {
  #bytes = new Uint8Array(FIRST_BYTES);
  #length = 0;

  u8(value: number): this {
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#bytes[at] = value;
    this.#bytes[at + 1] = value >>> 8;
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#bytes[at] = value;
    this.#bytes[at + 1] = value >>> 8;
    this.#bytes[at + 2] = value >>> 16;
    this.#bytes[at + 3] = value >>> 24;
    return this;
  }

  /** An integer from 0 to 2^53 - 1. */
  uint(value: number): this {
    assert(Number.isSafeInteger(value) && value >= 0, "a uint is an integer from 0 to 2^53 - 1");
    if (value <= 0xfc) return this.u8(value);
    if (value <= 0xffff) return this.u8(0xfd).u16(value);
    if (value <= 0xffff_ffff) return this.u8(0xfe).u32(value);
    return this.u8(0xff)
      .u32(value % 2 ** 32)
      .u32(Math.floor(value / 2 ** 32));
  }

  /** The bytes alone, without their length. */
  fixed(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length); // first: it may replace the array
    this.#bytes.set(bytes, at);
    return this;
  }

  /** The length, then the bytes. */
  bytes(bytes: Uint8Array): this {
    return this.uint(bytes.length).fixed(bytes);
  }

  string(text: string): this {
    return this.bytes(new TextEncoder().encode(text));
  }

  address4({ host, port }: Address): this {
    return this.#address(host, 4, port);
  }

  address6({ host, port }: Address): this {
    return this.#address(host, 16, port);
  }

  array<Item>(items: readonly Item[], item: (item: Item) => void): this {
    this.uint(items.length);
    for (const each of items) item(each);
    return this;
  }

  /** All that was written, in bytes of its own. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #address(host: string, hostBytes: number, port: number): this {
    const bytes = parseIp(host);
    assert(bytes?.length === hostBytes, `an address of ${hostBytes} bytes`);
    return this.fixed(bytes).u16(port);
  }

  /** Makes room for `length` bytes more and returns where they go. */
  #grow(length: number): number {
    const at = this.#length;
    this.#length += length;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    return at;
  }
}
