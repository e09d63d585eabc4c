/** The lines that a process writes, one at a time, while the process goes on. */
export class Lines {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = "";

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** The next line without its end; null after the last. */
  async next(): Promise<string | null> {
    for (let end = this.#text.indexOf("\n"); end < 0; end = this.#text.indexOf("\n")) {
      const { done, value } = await this.#chunks.next();
      if (done) return null;
      this.#text += this.#decoder.decode(value, { stream: true });
    }
    const end = this.#text.indexOf("\n");
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    return line;
  }
}
