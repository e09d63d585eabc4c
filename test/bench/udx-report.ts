/** What the ends of `udx.ts` are told and tell. */
export type EndRole = "send" | "receive" | "ping" | "echo";

export interface EndReport {
  bytes: number;
  /** From the first byte that was delivered to the last. */
  seconds: number;
  cpuSeconds: number;
  /** Packets sent more than once; null where nobody tells. */
  resent: number | null;
  /** Milliseconds each. */
  readonly roundTrips: number[];
}

export const WRITE_BYTES = 65_536;
export const PING_BYTES = 64;
