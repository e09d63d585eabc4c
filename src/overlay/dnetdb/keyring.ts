/**
 * How one comes to a dnet's keys. The newest network key is given, or unwrapped with a key pair: from the newest `OP_DNET_KEY`
 * or the creation, which wrap it for all that belong then, or from the step by which one was added since. Who joined has its
 * invitation's seed there too: keys that the owner gave out before it heard of the join are wrapped for that. Each key's body
 * has the one before, so the newest opens all of the past. A cloud or relay comes to the admission keys in the same way, and to
 * no others.
 */
import { sameBytes } from "../../base/bytes.ts";
import { type KeyPair, keyPairFromSeed } from "../../crypto/ed25519.ts";
import { type Body, decodeKeyForOne, decodeWraps, EMPTY } from "./contents.ts";
import { type KeptStep, newestStep, readStep } from "./kept-step.ts";
import { NETWORK_KEY_BYTES, type NetworkKey, type Secrets } from "./network-key.ts";
import {
  type EpochKeys,
  type EpochRing,
  epochKeys,
  openPart,
  unwrapForOne,
  unwrapMember,
  unwrapOvx,
} from "./sealing.ts";
import type { Store } from "./store.ts";

export interface Keyring {
  readonly ring: EpochRing;
  /** The newest that the secrets lead to; null when they lead to none. A secret. */
  readonly networkKey: NetworkKey | null;
}

/** Empty for a public dnet, which has no keys, and for one that is not here. */
export function openKeyring(store: Store, dnet: Uint8Array, secrets: Secrets): Keyring {
  const isPrivate = store.record(dnet)?.isPrivate ?? false;
  return isPrivate ? new Opening(store, dnet, secrets).open() : { ring: new Map(), networkKey: null };
}

class Opening {
  readonly #store: Store;
  readonly #dnet: Uint8Array;
  readonly #secrets: Secrets;
  /** The step that began each epoch: the creation, and then each key. */
  readonly #epochs: readonly KeptStep[];
  readonly #ring = new Map<number, EpochKeys>();
  /** The newest so far. */
  #known: NetworkKey | null = null;

  constructor(store: Store, dnet: Uint8Array, secrets: Secrets) {
    this.#store = store;
    this.#dnet = dnet;
    this.#secrets = secrets;
    const keys = store.keySteps(dnet).map((bytes) => readStep(store, bytes));
    this.#epochs = [newestStep(store, dnet, "OP_DNET_CREATE")!, ...keys];
  }

  get #knownEpoch(): number {
    return this.#known?.epoch ?? -1;
  }

  open(): Keyring {
    this.#addAdmission();
    const { networkKey: given, keyPairs } = this.#secrets;
    this.#know(given && this.#isRight(given) ? given : null);
    this.#know(this.#unwrapEpoch(keyPairs));
    this.#unwrapMemberships();
    return { ring: this.#ring, networkKey: this.#known };
  }

  /** With all before it. */
  #know(networkKey: NetworkKey | null): void {
    this.#known = networkKey ?? this.#known;
    for (let known = networkKey; known; known = this.#before(known, "members")) {
      const keys = epochKeys(this.#dnet, known);
      const { body } = this.#ring.get(known.epoch) ?? {};
      if (body && sameBytes(body, keys.body!)) return;
      this.#ring.set(known.epoch, keys);
    }
  }

  /** The newest key, and newer than what is known, that all got who belonged when its epoch began. */
  #unwrapEpoch(keyPairs: readonly KeyPair[]): NetworkKey | null {
    for (let epoch = this.#epochs.length - 1; epoch > this.#knownEpoch; epoch--) {
      const { body } = this.#epochs[epoch]!;
      const wraps = keyPairs.length > 0 && body ? decodeWraps(body.open) : null;
      for (const keyPair of wraps ? keyPairs : []) {
        const key = unwrapMember(wraps!, { dnet: this.#dnet, epoch }, keyPair);
        if (key && this.#isRight({ epoch, key })) return { epoch, key };
      }
    }
    return null;
  }

  /** What one got who was added, or who joined, while the newest key is not known: the newest such step first. */
  #unwrapMemberships(): void {
    const { keyPairs } = this.#secrets;
    const isDone = () => keyPairs.length === 0 || this.#knownEpoch === this.#epochs.length - 1;
    for (const { bytes } of isDone() ? [] : this.#store.slots(this.#dnet).reverse()) {
      const step = readStep(this.#store, bytes);
      if (step.body) this.#unwrapMembership(step, step.body);
      if (isDone()) return;
    }
  }

  #unwrapMembership({ script }: KeptStep, body: Body): void {
    const epoch = body.epoch ?? -1;
    const isJoin = script.op === "OP_DNET_JOIN";
    if (epoch <= this.#knownEpoch && !isJoin) return;
    // Where it can be seen whose it is, others need not try: 45 µs each.
    const publicKey = openPart(body, "admission", this.#dnet, script.op, this.#ring);
    const wrap = decodeKeyForOne(body.open, isJoin);
    for (const keyPair of wrap ? this.#secrets.keyPairs : []) {
      if (publicKey && !sameBytes(publicKey, keyPair.publicKey)) continue;
      const keys = unwrapForOne(wrap!, { dnet: this.#dnet, epoch }, keyPair);
      if (!keys) continue;
      const [key, seed] = [keys.slice(0, NETWORK_KEY_BYTES), keys.slice(NETWORK_KEY_BYTES)];
      // Whoever joins writes what it likes.
      if (epoch > this.#knownEpoch && this.#isRight({ epoch, key })) this.#know({ epoch, key });
      if (isJoin) this.#know(this.#unwrapEpoch([keyPairFromSeed(seed)]));
    }
  }

  /** For each cloud or relay whose key one of the pairs is. */
  #addAdmission(): void {
    const { keyPairs } = this.#secrets;
    for (const { ovx, bytes } of keyPairs.length > 0 ? this.#store.attached(this.#dnet) : []) {
      const { key } = this.#store.view(ovx) ?? { key: null };
      const keyPair = keyPairs.find(({ publicKey }) => key && sameBytes(publicKey, key));
      let known = keyPair ? this.#unwrapAdmission(ovx, bytes, keyPair) : null;
      for (; known; known = this.#before(known, "admission")) {
        this.#ring.set(known.epoch, { admission: known.key, body: null });
      }
    }
  }

  /** Each key since its attachment has a wrap for it, as the attachment has. */
  #unwrapAdmission(ovx: Uint8Array, attachment: Uint8Array, keyPair: KeyPair): NetworkKey | null {
    const { body } = readStep(this.#store, attachment);
    const since = body?.epoch ?? -1;
    for (let epoch = this.#epochs.length - 1; epoch > since; epoch--) {
      const wraps = decodeWraps(this.#epochs[epoch]!.body?.open ?? EMPTY);
      const key = wraps && unwrapOvx(wraps, { dnet: this.#dnet, epoch }, ovx, keyPair);
      if (key) return { epoch, key };
    }
    const wrap = since < this.#epochs.length && body ? decodeKeyForOne(body.open) : null;
    const key = wrap && unwrapForOne(wrap, { dnet: this.#dnet, epoch: since, ovx }, keyPair);
    return key ? { epoch: since, key } : null;
  }

  /** The key of the epoch before, which stands in that part of the body that began this one. The ring has this epoch's. */
  #before({ epoch }: NetworkKey, part: "admission" | "members"): NetworkKey | null {
    const { body } = this.#epochs[epoch]!;
    if (epoch === 0 || body?.epoch !== epoch) return null;
    const key = openPart(body, part, this.#dnet, "OP_DNET_KEY", this.#ring);
    return key?.length === NETWORK_KEY_BYTES ? { epoch: epoch - 1, key } : null;
  }

  /** Whether it opens what began its epoch; where that is not here, it is believed. */
  #isRight(networkKey: NetworkKey): boolean {
    const { epoch } = networkKey;
    const step = this.#epochs[epoch];
    if (!step) return false;
    const { script, body } = step;
    const ring = new Map([[epoch, epochKeys(this.#dnet, networkKey)]]);
    return body === null || (body.epoch === epoch && openPart(body, "members", this.#dnet, script.op, ring) !== null);
  }
}
