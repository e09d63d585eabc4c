/**
 * Round-trip tokens: who shows one has received a datagram at its address within the last 7.5 to 15 s. A token is a keyed hash of
 * the address's text, without the port. Source: dht-rpc lib/io.js `token`, `validateToken`; specification §3.7.
 */
import { blake2b256, blake2b256Keyed } from "../crypto/blake2b.ts";
import { equalInConstantTime } from "../crypto/constant-time.ts";

export const ROTATE_TOKENS_MS = 7_500;
/** Hosts whose tokens are remembered: a keyed hash takes 9 µs, as long as all the rest of a reply. Full: start anew. */
const MAX_REMEMBERED = 4096;

export class Tokens {
  #previous: Uint8Array;
  #current: Uint8Array;
  #rotateAt: number;
  readonly #remembered = new Map<string, Uint8Array>();
  readonly #rememberedPrevious = new Map<string, Uint8Array>();

  /** Two secrets of 32 bytes; the second makes the tokens. */
  constructor(now: number, previous: Uint8Array, current: Uint8Array) {
    this.#previous = previous;
    this.#current = current;
    this.#rotateAt = now + ROTATE_TOKENS_MS;
  }

  /** The token, 32 bytes, for whoever is at `host`. */
  issue(now: number, host: string): Uint8Array {
    this.#rotate(now);
    return remember(this.#remembered, this.#current, host);
  }

  /** Whether the token was issued for `host` under the current or the previous secret. */
  accepts(now: number, host: string, token: Uint8Array): boolean {
    return (
      equalInConstantTime(token, this.issue(now, host)) ||
      equalInConstantTime(token, remember(this.#rememberedPrevious, this.#previous, host))
    );
  }

  #rotate(now: number): void {
    if (now < this.#rotateAt) return;
    // After a long silence once more than needed is enough: neither secret then is one that was in use before.
    const times = now < this.#rotateAt + ROTATE_TOKENS_MS ? 1 : 2;
    for (let i = 0; i < times; i++) {
      const last = this.#previous;
      this.#previous = this.#current;
      this.#current = blake2b256(last);
    }
    // By the clock, not by when it is looked at, or a token would live longer at a node that is seldom asked.
    this.#rotateAt = (times === 1 ? this.#rotateAt : now) + ROTATE_TOKENS_MS;
    this.#remembered.clear();
    this.#rememberedPrevious.clear();
  }
}

function remember(tokens: Map<string, Uint8Array>, secret: Uint8Array, host: string): Uint8Array {
  const known = tokens.get(host);
  if (known) return known;
  const token = blake2b256Keyed(secret, new TextEncoder().encode(host));
  if (tokens.size >= MAX_REMEMBERED) tokens.clear();
  tokens.set(host, token);
  return token;
}
