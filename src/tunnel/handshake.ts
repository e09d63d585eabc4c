import { assert } from "../base/assert.ts";
import { hash } from "../crypto/blake2s.ts";
import { X25519Key } from "../crypto/x25519.ts";
import { encodeInitiation, encodeResponse, type Initiation, type Response } from "../wire/tunnel.ts";
import type { SessionKeys } from "./session.ts";
import type { Suite } from "./suite.ts";
import { SymmetricState } from "./symmetric-state.ts";

/**
 * Noise_IKpsk2: one message each way, after which both ends have the keys of a session and know each other's static key.
 *   initiation  e, es, s, ss, {timestamp}     response  e, ee, se, psk, {}
 * Source: WireGuard paper §5.4.2 to §5.4.5, Noise specification revision 34. Macs are not made here: `cookies.ts`.
 */

const NOTHING = new Uint8Array(0);
const NO_PRESHARED_KEY = new Uint8Array(32);
const MAC1_LABEL = Buffer.from("mac1----");
const COOKIE_LABEL = Buffer.from("cookie--");

/** What goes with every static public key: the keys of the macs and cookies in messages to its owner. */
export class PublicIdentity {
  readonly mac1Key: Uint8Array;
  readonly cookieKey: Uint8Array;

  /** `publicKey` has 32 bytes. */
  constructor(readonly publicKey: Uint8Array) {
    this.mac1Key = hash(MAC1_LABEL, publicKey);
    this.cookieKey = hash(COOKIE_LABEL, publicKey);
  }
}

/** The keys that two ends share before any handshake. */
export interface RemoteKeys {
  readonly identity: PublicIdentity;
  /** What the two static keys agree on. */
  readonly staticSecret: Uint8Array;
  readonly presharedKey: Uint8Array | null;
}

/** An initiator's memory between its initiation and the response. */
export interface PendingHandshake {
  readonly state: SymmetricState;
  readonly ephemeral: X25519Key;
  readonly localIndex: number;
}

/** A responder's memory between reading an initiation and answering it. */
export interface ReceivedInitiation {
  readonly state: SymmetricState;
  readonly initiation: Initiation;
  /** The static key that the initiator claims; proven once `openTimestamp` has succeeded. */
  readonly publicKey: Uint8Array;
}

/** `ephemeralSecret` has 32 fresh bytes, which are zeroed here. `timestamp` has 12. */
export function initiate(options: {
  suite: Suite;
  local: X25519Key;
  remote: RemoteKeys;
  localIndex: number;
  timestamp: Uint8Array;
  ephemeralSecret: Uint8Array;
}): { pending: PendingHandshake; datagram: Uint8Array } {
  const { suite, local, remote, localIndex, timestamp } = options;
  const ephemeral = takeKey(options.ephemeralSecret);
  const { publicKey } = remote.identity;
  const state = begin(suite, publicKey);
  mixEphemeral(state, ephemeral.publicKey);
  assert(mixAgreement(state, ephemeral, publicKey), "a peer's static key is not of low order");
  const sealedStatic = state.seal(local.publicKey);
  state.mixKey(remote.staticSecret);
  const sealedTimestamp = state.seal(timestamp);
  const datagram = encodeInitiation({
    suiteBit: suite.bit,
    sender: localIndex,
    ephemeral: ephemeral.publicKey,
    sealedStatic,
    sealedTimestamp,
  });
  return { pending: { state, ephemeral, localIndex }, datagram };
}

/** Reads as far as the initiator's static key; null for an initiation that was not made for us in this suite. */
export function readInitiation(suite: Suite, local: X25519Key, initiation: Initiation): ReceivedInitiation | null {
  const state = begin(suite, local.publicKey);
  mixEphemeral(state, initiation.ephemeral);
  const publicKey = mixAgreement(state, local, initiation.ephemeral) ? state.open(initiation.sealedStatic) : null;
  if (publicKey) return { state, initiation, publicKey };
  state.zero();
  return null;
}

/** The 12-byte timestamp, and with it the proof that the initiator owns its static key; null when it does not. */
export function openTimestamp({ state, initiation }: ReceivedInitiation, remote: RemoteKeys): Uint8Array | null {
  state.mixKey(remote.staticSecret);
  return state.open(initiation.sealedTimestamp);
}

/** Answers after `openTimestamp`, and uses the received state up. `ephemeralSecret` as in `initiate`. */
export function respond(
  { state, initiation, publicKey }: ReceivedInitiation,
  options: { remote: RemoteKeys; localIndex: number; ephemeralSecret: Uint8Array; now: number },
): { keys: SessionKeys; datagram: Uint8Array } {
  const { remote, localIndex, now } = options;
  const ephemeral = takeKey(options.ephemeralSecret);
  mixEphemeral(state, ephemeral.publicKey);
  const agreed = mixAgreement(state, ephemeral, initiation.ephemeral) && mixAgreement(state, ephemeral, publicKey);
  assert(agreed, "keys of low order were refused when they came first");
  state.mixKeyAndHash(remote.presharedKey ?? NO_PRESHARED_KEY);
  const datagram = encodeResponse({
    suiteBit: state.suite.bit,
    sender: localIndex,
    receiver: initiation.sender,
    ephemeral: ephemeral.publicKey,
    sealedNothing: state.seal(NOTHING),
  });
  const indices = { localIndex, remoteIndex: initiation.sender };
  return { keys: finish(state, { ...indices, isInitiator: false, bornAt: now }), datagram };
}

/** The session that a response makes; null for a false one, after which `pending` still waits for the true one. */
export function readResponse(
  pending: PendingHandshake,
  response: Response,
  { local, remote, now }: { local: X25519Key; remote: RemoteKeys; now: number },
): SessionKeys | null {
  const state = pending.state.clone();
  mixEphemeral(state, response.ephemeral);
  const agreed =
    mixAgreement(state, pending.ephemeral, response.ephemeral) && mixAgreement(state, local, response.ephemeral);
  state.mixKeyAndHash(remote.presharedKey ?? NO_PRESHARED_KEY);
  if (!agreed || !state.open(response.sealedNothing)) {
    state.zero();
    return null;
  }
  const indices = { localIndex: pending.localIndex, remoteIndex: response.sender };
  return finish(state, { ...indices, isInitiator: true, bornAt: now });
}

/** The session's keys; what they came from is zeroed. */
function finish(
  state: SymmetricState,
  session: { localIndex: number; remoteIndex: number; isInitiator: boolean; bornAt: number },
): SessionKeys {
  const [initiatorKey, responderKey] = state.split();
  state.zero();
  const [sendKey, receiveKey] = session.isInitiator ? [initiatorKey, responderKey] : [responderKey, initiatorKey];
  return { suite: state.suite, ...session, sendKey, receiveKey };
}

function begin(suite: Suite, responderKey: Uint8Array): SymmetricState {
  const state = new SymmetricState(suite);
  state.mixHash(responderKey);
  return state;
}

/** Noise's token `e`, which with a pre-shared key goes into the chaining key too (§9.2). */
function mixEphemeral(state: SymmetricState, publicKey: Uint8Array): void {
  state.mixHash(publicKey);
  state.mixKey(publicKey);
}

/** False, with nothing mixed in, when the public key is of low order. */
function mixAgreement(state: SymmetricState, key: X25519Key, publicKey: Uint8Array): boolean {
  const secret = key.agree(publicKey);
  if (!secret) return false;
  state.mixKey(secret);
  secret.fill(0);
  return true;
}

function takeKey(secret: Uint8Array): X25519Key {
  const key = new X25519Key(secret);
  secret.fill(0);
  return key;
}
