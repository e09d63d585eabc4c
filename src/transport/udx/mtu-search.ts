/**
 * How large a packet the path takes. A probe is an ordinary new packet, padded to the size in question; a lost one is sent again
 * without its padding. Sizes are those of whole IP packets. Source: udx-wire.md §10.
 */
import { HEADER_BYTES, MAX_PADDING_BYTES } from "../../wire/udx.ts";

/** Assumed to fit everywhere. */
export const BASE_MTU_BYTES = 1200;
/** Of the Ethernet; searching further has not paid: no peer takes it (§10, receive buffers of 2,048 bytes). */
export const MOST_MTU_BYTES = 1500;
const STEP_BYTES = 32;
const MAX_TRIES = 3;
const IP4_AND_UDP_BYTES = 28;
const IP6_AND_UDP_BYTES = 48;

export class MtuSearch {
  mtuBytes = BASE_MTU_BYTES;
  #limitBytes: number;
  #overheadBytes = IP6_AND_UDP_BYTES + HEADER_BYTES;
  /** 0: not searching. */
  #probeBytes = 0;
  #isProbing = false;
  #tries = 0;
  #hasHeard = false;

  constructor(limitBytes: number) {
    this.#limitBytes = Math.min(limitBytes, MOST_MTU_BYTES);
  }

  /** The most that one packet carries. */
  get payloadBytes(): number {
    return this.mtuBytes - this.#overheadBytes;
  }

  /** Begins again, on a path to that host: an IPv4 one unless it is written as IPv6, mapped addresses too (§7.1). */
  restart(host: string): void {
    this.#overheadBytes = HEADER_BYTES + (host.includes(":") ? IP6_AND_UDP_BYTES : IP4_AND_UDP_BYTES);
    this.mtuBytes = BASE_MTU_BYTES;
    this.#probeBytes = 0;
    this.#isProbing = false;
    this.#tries = 0;
    this.#hasHeard = false;
  }

  /** Something arrived, so the path is there: the search may begin. */
  heard(): void {
    if (this.#hasHeard) return;
    this.#hasHeard = true;
    if (this.#limitBytes > BASE_MTU_BYTES) this.#probeBytes = BASE_MTU_BYTES;
  }

  /** How much padding makes a packet with that payload the next probe; -1 when it is to be none. */
  paddingFor(payloadBytes: number): number {
    if (this.#probeBytes === 0 || this.#isProbing) return -1;
    const padding = this.#probeBytes - this.#overheadBytes - payloadBytes;
    return padding < 0 || padding > MAX_PADDING_BYTES ? -1 : padding;
  }

  probeSent(): void {
    this.#isProbing = true;
  }

  probeArrived(): void {
    if (!this.#isProbing) return;
    this.#isProbing = false;
    this.#tries = 0;
    this.mtuBytes = this.#probeBytes;
    this.#probeBytes = this.mtuBytes >= this.#limitBytes ? 0 : Math.min(this.mtuBytes + STEP_BYTES, this.#limitBytes);
  }

  probeLost(): void {
    if (!this.#isProbing) return;
    this.#isProbing = false;
    if (++this.#tries >= MAX_TRIES) this.#probeBytes = 0; // found: the largest that came through
  }
}
