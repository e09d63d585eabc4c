import { ReplayWindow } from "./replay-window.ts";
import type { Suite } from "./suite.ts";
import {
  KEEPALIVE_TIMEOUT_MS,
  REJECT_AFTER_MESSAGES,
  REJECT_AFTER_MS,
  REKEY_AFTER_MESSAGES,
  REKEY_AFTER_MS,
  REKEY_TIMEOUT_MS,
} from "./timing.ts";

/** What a finished handshake leaves: the keys of one session, and the numbers by which each end's messages name it. */
export interface SessionKeys {
  readonly suite: Suite;
  /** The receiver index in what comes. */
  readonly localIndex: number;
  /** The receiver index in what goes. */
  readonly remoteIndex: number;
  /** 32 bytes each. */
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  readonly isInitiator: boolean;
  /** When the handshake ended here, in `now` milliseconds. */
  readonly bornAt: number;
}

/** A session as the datapath uses it. `cipher` is the datapath's own: contexts prepared from the keys, or the like. */
export class Session<Cipher> {
  /** The counter of the next message to send. */
  sendCounter = 0;
  readonly window = new ReplayWindow();

  constructor(
    readonly keys: SessionKeys,
    readonly cipher: Cipher,
  ) {}

  /** Whether, having sent, it is time to ask for a new session (paper §6.2). Both ends would ask at once if both did by age. */
  staleOnSend(now: number): boolean {
    const { isInitiator, bornAt } = this.keys;
    return this.sendCounter >= REKEY_AFTER_MESSAGES || (isInitiator && now - bornAt >= REKEY_AFTER_MS);
  }

  /** The same having received: the last moment at which a new session is ready before this one ends (paper §6.2). */
  staleOnReceive(now: number): boolean {
    const { isInitiator, bornAt } = this.keys;
    return isInitiator && now - bornAt >= REJECT_AFTER_MS - KEEPALIVE_TIMEOUT_MS - REKEY_TIMEOUT_MS;
  }

  /** Neither sends nor receives any more. */
  expired(now: number): boolean {
    const messages = Math.max(this.sendCounter, this.window.highest);
    return now - this.keys.bornAt >= REJECT_AFTER_MS || messages >= REJECT_AFTER_MESSAGES;
  }

  /** Overwrites the keys. The session is of no use afterwards. */
  zero(): void {
    this.keys.sendKey.fill(0);
    this.keys.receiveKey.fill(0);
  }
}

/**
 * The up to three sessions that one peer has at a time. We send on `current`; `previous` still receives what was on its
 * way when it was replaced; `next`, made as responder, receives, and is not sent on before the initiator has shown with
 * a first message that it has the keys (paper §6: otherwise a lost response would leave us talking to nobody).
 */
export class SessionSlots<Cipher> {
  current: Session<Cipher> | null = null;
  previous: Session<Cipher> | null = null;
  next: Session<Cipher> | null = null;
  readonly #dropped: (session: Session<Cipher>) => void;

  /** `dropped` hears of every session that leaves, just before its keys are zeroed: forget its index, free its cipher. */
  constructor(dropped: (session: Session<Cipher>) => void) {
    this.#dropped = dropped;
  }

  install(session: Session<Cipher>): void {
    const { current, previous, next } = this;
    if (session.keys.isInitiator) {
      // Both ends initiated at once if there is a next one: the other end may send on it any moment, so it is kept.
      this.current = session;
      this.previous = next ?? current;
      this.next = null;
      this.#drop(previous);
      if (next) this.#drop(current);
    } else {
      this.next = session;
      this.previous = null;
      this.#drop(previous);
      this.#drop(next);
    }
  }

  /** Notes that a message on `session` was authentic. True when that confirmed the next session, which is now current. */
  authenticated(session: Session<Cipher>): boolean {
    if (session !== this.next) return false;
    const { current, previous } = this;
    this.current = session;
    this.previous = current;
    this.next = null;
    this.#drop(previous);
    return true;
  }

  /** The session to send on; null when there is none or it has expired. */
  sendable(now: number): Session<Cipher> | null {
    return this.current === null || this.current.expired(now) ? null : this.current;
  }

  clear(): void {
    const { current, previous, next } = this;
    this.current = this.previous = this.next = null;
    this.#drop(current);
    this.#drop(previous);
    this.#drop(next);
  }

  #drop(session: Session<Cipher> | null): void {
    if (!session) return;
    this.#dropped(session);
    session.zero();
  }
}
