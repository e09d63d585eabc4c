/** The shapes of `told-streams.mjs`, which Node has to load, too. */

/** What a stream must have: hyperdht's and ours do. */
export interface ToldStream {
  // biome-ignore lint/suspicious/noExplicitAny: the events differ in what they carry
  on(event: any, listener: (value: any) => void): unknown;
  write(message: Uint8Array): boolean;
  end(): void;
  destroy(): void;
}

export class ToldStreams<Stream extends ToldStream> {
  constructor(options: {
    readonly tell: (line: object) => void;
    readonly failureEvent: string;
    readonly remoteOf: (stream: Stream) => object | null;
  });
  adopt(name: string, stream: Stream, options?: { readonly echo?: boolean }): void;
  get commands(): { readonly [command: string]: (args: never) => unknown };
}
