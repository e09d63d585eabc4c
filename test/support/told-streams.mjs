/**
 * The streams of a program that is told what to do by lines, `hyperdht-node.mjs` or `hyperdht-gateway.ts`: what a test can have one do,
 * the same for both kinds, since theirs and ours have the same events. One keeps its name until it closes. What comes is counted and
 * hashed, or said back.
 */
import { createCipheriv, createHash } from "node:crypto";

const PIECE_BYTES = 16_384;

export class ToldStreams {
  #streams = new Map();
  #tell;
  #failureEvent;
  #remoteOf;

  /**
   * `tell` gives out a line. `failureEvent` is what a stream calls its end by an error. `remoteOf`: where its packets go now, as
   * `{ host, port }`, with whatever more is known of the way.
   */
  constructor({ tell, failureEvent, remoteOf }) {
    this.#tell = tell;
    this.#failureEvent = failureEvent;
    this.#remoteOf = remoteOf;
  }

  adopt(name, stream, { echo = false } = {}) {
    const got = { hash: createHash("sha256"), bytes: 0, at: null, longestMs: 0, changed: () => {} };
    this.#streams.set(name, { stream, got });
    stream.on(this.#failureEvent, (error) => {
      got.error = error;
      this.#tell({ event: "stream-error", stream: name, code: error.code ?? "ERROR" });
    });
    stream.on("close", () => {
      this.#streams.delete(name);
      got.isOver = true;
      got.changed();
      this.#tell({ event: "stream-close", stream: name });
    });
    stream.on("end", () => {
      if (echo) stream.end();
      this.#tell({ event: "stream-end", stream: name });
    });
    stream.on("data", (data) => {
      if (echo) stream.write(data);
      else note(got, data);
    });
  }

  /** By the names that a line calls them. */
  get commands() {
    return {
      write: ({ stream, data }) => void this.#of(stream).stream.write(Buffer.from(data, "hex")),
      endStream: ({ stream }) => void this.#of(stream).stream.end(),
      destroyStream: ({ stream }) => void this.#of(stream).stream.destroy(),
      remote: ({ stream }) => this.#remoteOf(this.#of(stream).stream),
      echo: ({ stream, data }) => echo(this.#of(stream).stream, Buffer.from(data, "hex")),
      pour: ({ stream, ...what }) => pour(this.#of(stream).stream, what),
      take: ({ stream, bytes }) => take(this.#of(stream).got, bytes),
    };
  }

  #of(name) {
    const found = this.#streams.get(name);
    if (!found) throw new Error(`no stream is named ${name}`);
    return found;
  }
}

/** Writes to a stream whose other end echoes, and waits until as many bytes are back. */
async function echo(stream, sent) {
  const chunks = [];
  let received = 0;
  await new Promise((resolve, reject) => {
    const take = (chunk) => {
      chunks.push(chunk);
      received += chunk.length;
      if (received < sent.length) return;
      stream.off("data", take);
      resolve();
    };
    stream.on("data", take);
    stream.once("close", () => reject(new Error(`it closed after ${received} of ${sent.length} bytes`)));
    stream.write(sent);
  });
  return Buffer.concat(chunks);
}

/**
 * Writes so many bytes, as fast as the stream takes them, or one piece each `everyMs`. Resolves with their SHA-256 when they are
 * written, which is before they have arrived.
 */
async function pour(stream, { bytes, pieceBytes = PIECE_BYTES, everyMs = 0, seed = "00".repeat(16) }) {
  const hash = createHash("sha256");
  const source = createCipheriv("aes-128-ctr", Buffer.from(seed, "hex"), Buffer.alloc(16));
  const startedAt = performance.now();
  let isOver = false;
  let goOn = () => {};
  stream.on("drain", () => goOn());
  stream.on("close", () => {
    isOver = true;
    goOn();
  });
  for (let sent = 0, pieces = 0; sent < bytes; pieces++) {
    const piece = source.update(Buffer.alloc(Math.min(pieceBytes, bytes - sent)));
    const waitMs = startedAt + pieces * everyMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    if (isOver) throw new Error(`it closed after ${sent} of ${bytes} bytes were written`);
    hash.update(piece);
    sent += piece.length;
    if (stream.write(piece) || sent === bytes) continue;
    await new Promise((resolve) => {
      goOn = resolve;
    });
  }
  return { bytes, hash: hash.digest("hex") };
}

/** Resolves when so many bytes have come since it began: with all that came, and the longest silence between two pieces of it. */
async function take(got, bytes) {
  while (got.bytes < bytes) {
    if (got.isOver) throw got.error ?? new Error(`it closed after ${got.bytes} of ${bytes} bytes`);
    await new Promise((resolve) => {
      got.changed = resolve;
    });
  }
  return { bytes: got.bytes, hash: got.hash.copy().digest("hex"), longestMs: got.longestMs };
}

function note(got, data) {
  const now = performance.now();
  if (got.at !== null) got.longestMs = Math.max(got.longestMs, now - got.at);
  got.at = now;
  got.bytes += data.length;
  got.hash.update(data);
  got.changed();
}
