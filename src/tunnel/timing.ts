/** WireGuard's constants (paper §6.1), in milliseconds. */
export const REKEY_AFTER_MS = 120_000;
export const REJECT_AFTER_MS = 180_000;
/** How long one effort to shake hands goes on. */
export const REKEY_ATTEMPT_MS = 90_000;
/** The wait between two initiations, to which a jitter is added so that two ends do not collide for ever. */
export const REKEY_TIMEOUT_MS = 5_000;
export const MAX_JITTER_MS = 333;
export const KEEPALIVE_TIMEOUT_MS = 10_000;
/** Without a new session for this long, every key of the peer is zeroed (paper §6.3). */
export const FORGET_AFTER_MS = 3 * REJECT_AFTER_MS;
/** How long the secret behind our cookies lives, and how long a cookie that we were given is used (paper §5.4.7). */
export const COOKIE_MS = 120_000;

/** Differs: WireGuard has 2^60. AES-GCM's margin (RFC 8645) asks for less, and a rekey costs nothing. */
export const REKEY_AFTER_MESSAGES = 2 ** 24;
/** Differs: WireGuard has 2^64 - 2^13 - 1. Nobody gets near this within REJECT_AFTER_MS: 24 million packets a second. */
export const REJECT_AFTER_MESSAGES = 2 ** 32;
