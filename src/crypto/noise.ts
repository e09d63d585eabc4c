/**
 * Noise handshakes as HyperDHT has them: standard but for the agreement, which is on Ed25519 points (`ed25519-dh.ts`).
 *
 *   IK, of a connection                      XX, of a stream on its own
 *     ← s   (the initiator knows the key)
 *     → e, es, s, ss    96 + payload           → e              32 + payload, in clear
 *     ← e, ee, se       48 + payload           ← e, ee, s, es   96 + payload
 *                                              → s, se          64 + payload
 *
 * A whole IK takes 0.6 ms at each end, nearly all of it four agreements of two keys with two.
 * Source: noise-handshake 4.2 noise.js; Noise §5.3, §7; specification §10, §14.4.
 */
import { assert } from "../base/assert.ts";
import { TAG_BYTES } from "./aead.ts";
import type { KeyPair } from "./ed25519.ts";
import { DhKey, type DhPoint, dhPoint } from "./ed25519-dh.ts";
import { NoiseSymmetricState } from "./noise-symmetric-state.ts";

const DH_BYTES = 32;

/** A side's ephemeral key, or its static one. */
type Letter = "e" | "s";

/** Of an agreement's two letters the first is the initiator's key, the second the responder's. */
type Token = Letter | `${Letter}${Letter}`;

type Pattern = "IK" | "XX";

const MESSAGES: Readonly<Record<Pattern, readonly (readonly Token[])[]>> = {
  IK: [
    ["e", "es", "s", "ss"],
    ["e", "ee", "se"],
  ],
  XX: [["e"], ["e", "ee", "s", "es"], ["s", "se"]],
};

export interface NoiseOptions {
  readonly pattern: Pattern;
  readonly isInitiator: boolean;
  /** What both sides must know alike, of any length. */
  readonly prologue: Uint8Array;
  readonly staticKeyPair: KeyPair;
  /** From a fresh random seed: of this handshake and no other. */
  readonly ephemeralKeyPair: KeyPair;
  /** The responder's key, which an initiator of IK knows; null for all others. */
  readonly remotePublicKey: Uint8Array | null;
}

/** What a finished handshake leaves: 32-byte keys to send and to receive with, and the 64-byte hash of all that was said. */
export interface NoiseSession {
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  readonly handshakeHash: Uint8Array;
  readonly remotePublicKey: Uint8Array;
}

/** The two sides take turns, the initiator first. A handshake that was refused once gives null for ever. */
export class NoiseHandshake {
  /** Null until the last message was sent or received. */
  session: NoiseSession | null = null;
  /** The other side's static key; null until it is known, and not proven to be its own before there is a session. */
  remotePublicKey: Uint8Array | null;
  readonly #options: NoiseOptions;
  readonly #messages: readonly (readonly Token[])[];
  readonly #symmetric: NoiseSymmetricState;
  #remoteEphemeral: Uint8Array | null = null;
  /** What agrees once does so again. */
  readonly #keys: { [letter in Letter]?: DhKey } = {};
  readonly #remotePoints: { [letter in Letter]?: DhPoint | null } = {};
  /** How many messages have passed. */
  #passed = 0;
  #isRefused = false;

  constructor(options: NoiseOptions) {
    const { pattern, isInitiator, prologue, staticKeyPair, remotePublicKey } = options;
    const knowsResponder = pattern === "IK" && isInitiator;
    assert((remotePublicKey !== null) === knowsResponder, "an initiator of IK, and nobody else, knows the other's key");
    this.remotePublicKey = remotePublicKey;
    this.#options = options;
    this.#messages = MESSAGES[pattern];
    this.#symmetric = new NoiseSymmetricState(`Noise_${pattern}_Ed25519_ChaChaPoly_BLAKE2b`);
    this.#symmetric.mixHash(prologue);
    if (pattern === "IK") this.#symmetric.mixHash(remotePublicKey ?? staticKeyPair.publicKey);
  }

  /** The next message, with `payload` sealed in it; null when a key of the other side's is no good. */
  send(payload: Uint8Array): Uint8Array | null {
    if (this.#isRefused) return null;
    const parts: Uint8Array[] = [];
    for (const token of this.#turn({ isSending: true })) {
      if (token === "e") parts.push(this.#sendEphemeral());
      else if (token === "s") parts.push(this.#symmetric.seal(this.#options.staticKeyPair.publicKey));
      else if (!this.#agree(token)) return this.#refuse();
    }
    parts.push(this.#symmetric.seal(payload));
    this.#pass();
    return new Uint8Array(Buffer.concat(parts));
  }

  /** The payload of the other side's message; null when it is malformed, or not made for this handshake. */
  receive(message: Uint8Array): Uint8Array | null {
    if (this.#isRefused) return null;
    let rest = message;
    const take = (length: number) => {
      const taken = rest.subarray(0, length); // shorter when the message is
      rest = rest.subarray(length);
      return taken;
    };
    for (const token of this.#turn({ isSending: false })) {
      if (!this.#receiveToken(token, take)) return this.#refuse();
    }
    const payload = this.#symmetric.open(rest);
    if (!payload) return this.#refuse();
    this.#pass();
    return payload;
  }

  /** The tokens of the message that is due. */
  #turn({ isSending }: { isSending: boolean }): readonly Token[] {
    const isInitiatorsTurn = this.#passed % 2 === 0;
    const tokens = this.#messages[this.#passed];
    assert(tokens && isSending === (isInitiatorsTurn === this.#options.isInitiator), "a handshake's sides take turns");
    return tokens;
  }

  #sendEphemeral(): Uint8Array {
    const { publicKey } = this.#options.ephemeralKeyPair;
    this.#symmetric.mixHash(publicKey);
    return publicKey;
  }

  #receiveToken(token: Token, take: (length: number) => Uint8Array): boolean {
    if (token === "e") return this.#receiveEphemeral(take(DH_BYTES));
    if (token === "s") return this.#receiveStatic(take(DH_BYTES + TAG_BYTES));
    return this.#agree(token);
  }

  #receiveEphemeral(bytes: Uint8Array): boolean {
    this.#remoteEphemeral = new Uint8Array(bytes); // a copy: the datagram is not ours to keep
    this.#symmetric.mixHash(bytes);
    return bytes.length === DH_BYTES;
  }

  #receiveStatic(sealed: Uint8Array): boolean {
    this.remotePublicKey = this.#symmetric.open(sealed);
    return this.remotePublicKey !== null;
  }

  #agree(token: Token): boolean {
    const letters = this.#options.isInitiator ? [...token] : [...token].reverse();
    const [ours, theirs] = letters as [Letter, Letter];
    const point = this.#remotePoint(theirs);
    if (!point) return false;
    const shared = this.#key(ours).agree(point);
    this.#symmetric.mixKey(shared);
    shared.fill(0);
    return true;
  }

  #key(letter: Letter): DhKey {
    const { ephemeralKeyPair, staticKeyPair } = this.#options;
    this.#keys[letter] ??= new DhKey((letter === "e" ? ephemeralKeyPair : staticKeyPair).secretKey);
    return this.#keys[letter];
  }

  /** The patterns agree only on keys already told. */
  #remotePoint(letter: Letter): DhPoint | null {
    this.#remotePoints[letter] ??= dhPoint((letter === "e" ? this.#remoteEphemeral : this.remotePublicKey)!);
    return this.#remotePoints[letter];
  }

  #pass(): void {
    if (++this.#passed < this.#messages.length) return;
    const [initiatorKey, responderKey] = this.#symmetric.split();
    const { isInitiator } = this.#options;
    this.session = {
      sendKey: isInitiator ? initiatorKey : responderKey,
      receiveKey: isInitiator ? responderKey : initiatorKey,
      handshakeHash: this.#symmetric.hash,
      remotePublicKey: this.remotePublicKey!,
    };
    this.#symmetric.zero();
  }

  #refuse(): null {
    this.#isRefused = true;
    this.#symmetric.zero();
    return null;
  }
}
