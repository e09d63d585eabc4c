/**
 * What two threads share while one judges transactions and the other verifies their signatures: which were found good, and
 * how far each of the two has come. Nobody waits for the other.
 *   state    i32 × 3      batch: what is judged now, 0 for nothing ‖ judged: how many of it ‖ begun: the last that was looked at
 *   batches  i32 × SLOTS  of which batch the signature in the slot is
 *   slots    128 × SLOTS  transaction id 32 ‖ public key 32 ‖ signature 64, found good
 * Only the verifying thread writes slots, each before its batch; so whoever sees the batch sees all of the slot.
 */
import { sameBytes } from "../../base/bytes.ts";
import type { Signature } from "../../overlay/dnetdb/transaction.ts";

/** More than a file has at once, or any honest frame of a sync. Full: those that are left over are verified by whoever judges them. */
const SLOTS = 4_096;
/** Where a signature may stand: so many slots from the one that its first bytes name. */
const PROBES = 8;
const ID_BYTES = 32;
const PUBLIC_KEY_BYTES = 32;
const SLOT_BYTES = 128;
const STATE = { batch: 0, judged: 1, begun: 2 } as const;
const STATE_FIELDS = 3;

export class VerifiedTable {
  readonly shared: SharedArrayBuffer;
  readonly #state: Int32Array;
  readonly #batches: Int32Array;
  readonly #slots: Uint8Array;

  /** `shared`: of the other thread's. */
  constructor(shared = new SharedArrayBuffer(4 * STATE_FIELDS + (4 + SLOT_BYTES) * SLOTS)) {
    this.shared = shared;
    this.#state = new Int32Array(shared, 0, STATE_FIELDS);
    this.#batches = new Int32Array(shared, 4 * STATE_FIELDS, SLOTS);
    this.#slots = new Uint8Array(shared, 4 * (STATE_FIELDS + SLOTS));
  }

  /** What is judged now; 0 for nothing. */
  get batch(): number {
    return Atomics.load(this.#state, STATE.batch);
  }

  set batch(batch: number) {
    Atomics.store(this.#state, STATE.judged, 0);
    Atomics.store(this.#state, STATE.batch, batch);
  }

  /** How many of the batch were judged, or are. */
  get judged(): number {
    return Atomics.load(this.#state, STATE.judged);
  }

  countJudged(): void {
    Atomics.add(this.#state, STATE.judged, 1);
  }

  /** The last batch that the verifying thread has begun with. */
  get begun(): number {
    return Atomics.load(this.#state, STATE.begun);
  }

  set begun(batch: number) {
    Atomics.store(this.#state, STATE.begun, batch);
  }

  put(batch: number, id: Uint8Array, { publicKey, bytes }: Signature): void {
    for (let probe = 0; probe < PROBES; probe++) {
      const slot = slotOf(bytes, probe);
      if (Atomics.load(this.#batches, slot) === batch) continue;
      const at = SLOT_BYTES * slot;
      this.#slots.set(id, at);
      this.#slots.set(publicKey, at + ID_BYTES);
      this.#slots.set(bytes, at + ID_BYTES + PUBLIC_KEY_BYTES);
      return void Atomics.store(this.#batches, slot, batch);
    }
  }

  has(batch: number, id: Uint8Array, { publicKey, bytes }: Signature): boolean {
    for (let probe = 0; probe < PROBES; probe++) {
      const slot = slotOf(bytes, probe);
      if (Atomics.load(this.#batches, slot) !== batch) return false;
      const [ofId, ofKey] = [SLOT_BYTES * slot, SLOT_BYTES * slot + ID_BYTES];
      const ofSignature = ofKey + PUBLIC_KEY_BYTES;
      const isSame =
        sameBytes(this.#slots.subarray(ofSignature, ofId + SLOT_BYTES), bytes) &&
        sameBytes(this.#slots.subarray(ofKey, ofSignature), publicKey) &&
        sameBytes(this.#slots.subarray(ofId, ofKey), id);
      if (isSame) return true;
    }
    return false;
  }
}

function slotOf(signature: Uint8Array, probe: number): number {
  return ((signature[0]! | (signature[1]! << 8)) + probe) % SLOTS;
}
