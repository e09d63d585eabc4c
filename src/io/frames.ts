/**
 * Frames on an ordered stream of bytes.
 *   frame  length u32 LE, 1 to `maxBytes` ‖ so many bytes
 */

const LENGTH_BYTES = 4;
/**
 * A frame goes in parts of at most so many bytes: each is one message of a secret stream, and shows the other side that we are
 * there.
 */
const PART_BYTES = 32 << 10;
/** A `Socket` of node:net, or a `SecretSocket`. */
export interface ByteStream {
  /** False: enough for now, until `drain`. */
  write(bytes: Uint8Array): boolean;
  end(): unknown;
  destroy(): unknown;
  on(event: "data", listener: (bytes: Uint8Array) => void): unknown;
  on(event: "drain" | "end" | "close" | "error", listener: () => void): unknown;
}

/** False when the stream is full, which holds what it was given. */
export function writeFrame(stream: ByteStream, frame: Uint8Array): boolean {
  const bytes = new Uint8Array(LENGTH_BYTES + frame.length);
  new DataView(bytes.buffer).setUint32(0, frame.length, true);
  bytes.set(frame, LENGTH_BYTES);
  let hasRoom = true;
  for (let at = 0; at < bytes.length; at += PART_BYTES) {
    // It may keep what it gets, so each part is left as it is.
    if (!stream.write(bytes.subarray(at, at + PART_BYTES))) hasRoom = false;
  }
  return hasRoom;
}

/** Puts frames together, however the stream cut them. What it holds grows as bytes come, whatever length was announced. */
export class FrameReader {
  readonly #maxBytes: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  /** What came cannot be a frame; nothing more is read. */
  isBroken = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Each frame is in bytes of its own. */
  *read(bytes: Uint8Array): Generator<Uint8Array> {
    if (this.isBroken) return;
    this.#parts.push(bytes.slice());
    this.#bytes += bytes.length;
    for (;;) {
      const length = this.#length();
      if (length === null) return;
      if (length === 0 || length > this.#maxBytes) {
        [this.isBroken, this.#parts] = [true, []];
        return;
      }
      if (this.#bytes < LENGTH_BYTES + length) return;
      yield this.#take(length);
    }
  }

  /** Null until all of it is here. */
  #length(): number | null {
    if (this.#bytes < LENGTH_BYTES) return null;
    if (this.#parts[0]!.length < LENGTH_BYTES) this.#join();
    const [first] = this.#parts;
    return new DataView(first!.buffer, first!.byteOffset).getUint32(0, true);
  }

  #take(length: number): Uint8Array {
    const all = this.#join();
    const end = LENGTH_BYTES + length;
    const frame = all.slice(LENGTH_BYTES, end);
    this.#parts = all.length > end ? [all.subarray(end)] : [];
    this.#bytes -= end;
    return frame;
  }

  #join(): Uint8Array {
    if (this.#parts.length > 1) this.#parts = [new Uint8Array(Buffer.concat(this.#parts))];
    return this.#parts[0]!;
  }
}
