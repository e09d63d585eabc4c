import { KEEPALIVE_TIMEOUT_MS, REKEY_TIMEOUT_MS } from "./timing.ts";

/**
 * What the datapath records of each peer in shared memory, in `now` milliseconds; 0 means "not". Empty messages (keepalives)
 * are authenticated like all others, but are not data. The datapath puts both `Since` to 0 whenever it is handed a
 * `session` or `unreachable`: handshake messages are authenticated too, and what waited is gone.
 */
export interface Activity {
  /** When the first data since our last authenticated send (of anything) was received. */
  readonly unansweredSince: number;
  /** When the first data since our last authenticated receive (of anything) was sent. */
  readonly unheardSince: number;
  /** The last authenticated packet either way. */
  readonly lastTraversalAt: number;
}

/** After this long without hearing anything, our data going out, the session is thought dead (paper §6.2). */
export const UNHEARD_MS = KEEPALIVE_TIMEOUT_MS + REKEY_TIMEOUT_MS;

/**
 * The timers of one peer that depend on its traffic. They see it only when they look, yet are exact: one that is not armed
 * at t cannot fall due before t and its length, so looking again then is soon enough, and one look in 10 s does.
 */
export class ActivityTimers {
  /** When to call `look`. */
  lookAt: number;
  /** What began before this was settled by an output, which may not have reached the datapath yet. */
  #settledAt = -Infinity;
  #keepaliveAt = -Infinity;
  #handshakeTraversalAt = -Infinity;

  constructor(readonly persistentKeepaliveMs: number) {
    this.lookAt = persistentKeepaliveMs > 0 ? -Infinity : Infinity;
  }

  /** Notes an authentic handshake message, sent or received: it is none of the datapath's packets. */
  traversed(now: number): void {
    this.#handshakeTraversalAt = now;
  }

  /** Notes that the datapath is being handed a `session` or `unreachable`, and starts anew. */
  settle(now: number): void {
    this.#settledAt = now;
    this.lookAt = Math.min(now + KEEPALIVE_TIMEOUT_MS, this.#persistentAt(0));
  }

  /**
   * Says what is due, and sets `lookAt`. `jitterMs` delays the handshake; a keepalive that is due is thought sent.
   * With no session, there is nothing to look for but the persistent keepalive.
   */
  look(
    now: number,
    activity: Activity,
    { hasSessions, jitterMs }: { hasSessions: boolean; jitterMs: number },
  ): { keepalive: boolean; persistent: boolean; unheard: boolean } {
    const unheardMs = UNHEARD_MS + jitterMs;
    const answerAt = this.#armedAt(activity.unansweredSince, Math.max(this.#settledAt, this.#keepaliveAt));
    const unheardAt = this.#armedAt(activity.unheardSince, this.#settledAt);
    const due = {
      keepalive: hasSessions && now >= answerAt + KEEPALIVE_TIMEOUT_MS,
      persistent: now >= this.#persistentAt(activity.lastTraversalAt),
      unheard: hasSessions && now >= unheardAt + unheardMs,
    };
    if (due.keepalive || due.persistent) this.#keepaliveAt = now;
    this.lookAt = this.#persistentAt(activity.lastTraversalAt);
    if (!hasSessions) return due;
    const nextAnswerAt = (due.keepalive ? now : Math.min(answerAt, now)) + KEEPALIVE_TIMEOUT_MS;
    const nextUnheardAt = (due.unheard ? now : Math.min(unheardAt, now)) + unheardMs;
    this.lookAt = Math.min(this.lookAt, nextAnswerAt, nextUnheardAt);
    return due;
  }

  #armedAt(since: number, settledAt: number): number {
    return since !== 0 && since >= settledAt ? since : Infinity;
  }

  #persistentAt(lastTraversalAt: number): number {
    if (this.persistentKeepaliveMs === 0) return Infinity;
    const lastAt = Math.max(lastTraversalAt || -Infinity, this.#handshakeTraversalAt, this.#keepaliveAt);
    return lastAt + this.persistentKeepaliveMs;
  }
}
