/**
 * Where an owner's steps are composed: each spends the one before it, with its body, who has to sign it and what it does in a
 * line. Nothing is signed here, nor kept: the steps go to whoever has the keys, and then to the store. What the rules would
 * refuse is refused before, in words for a person.
 */
import { DnetError } from "../../base/error.ts";
import { momentText } from "../../base/moment-text.ts";
import { formatPublicKey } from "../../base/public-key.ts";
import type { Random } from "../../base/random.ts";
import { dhPoint } from "../../crypto/ed25519-dh.ts";
import { sha256 } from "../../crypto/sha256.ts";
import { type DnetView, readDnet } from "./dnet-view.ts";
import { formatId, recordId } from "./ids.ts";
import type { Lock } from "./lock.ts";
import type { NetworkKey, Secrets } from "./network-key.ts";
import { isName } from "./operands.ts";
import type { OpName, Script } from "./script.ts";
import type { RecordView } from "./state.ts";
import type { Step } from "./steps.ts";
import type { Store } from "./store.ts";
import { AMOUNT, decodeTransaction, draft, type Transaction } from "./transaction.ts";

export interface Desk {
  readonly store: Store;
  /** Ms since 1970. */
  readonly now: number;
  readonly random: Random;
  readonly secrets: Secrets;
  /** The public keys of owners that this machine knows: they read a private dnet though they are no members. */
  readonly ownerKeys: readonly Uint8Array[];
}

export interface Draft {
  /** In the order in which they are to be accepted. */
  readonly steps: readonly Step[];
  /** The one that the dnet has from now on, to be kept; null when that is as before, or there is none. A secret. */
  readonly networkKey: NetworkKey | null;
}

/** A script without its lock. */
export type Words<Op extends OpName = OpName> = Op extends OpName ? Omit<Script<Op>, "lock"> : never;

/** Steps of one record, one after another. */
export class Composer {
  readonly steps: Step[] = [];
  readonly #now: number;
  #lock: Lock;
  #head: { readonly id: Uint8Array; readonly time: number } | null;

  /** `head`: what the first step spends; null for a mint, which spends nothing. */
  constructor(now: number, lock: Lock, head: { readonly id: Uint8Array; readonly time: number } | null) {
    this.#now = now;
    this.#lock = lock;
    this.#head = head;
  }

  /**
   * `second`: the lock of an invitation's second output. `to`: whose the record is from then on. Returns the transaction's id.
   */
  add(
    words: Words,
    body: Uint8Array | null,
    note: string,
    { second, to = this.#lock }: { readonly second?: Lock; readonly to?: Lock } = {},
  ): Uint8Array {
    const locks = second ? [to, second] : [to];
    const transaction = draft({
      // A clock that went back, or an owner whose clock is ahead, must not stop the next.
      time: Math.max(this.#now, this.#head?.time ?? 0),
      input: this.#head && { transaction: this.#head.id, output: 0 },
      outputs: locks.map((lock) => ({ amount: AMOUNT, script: { ...words, lock } as Script })),
      bodyHash: body && sha256(body),
    });
    this.steps.push({ transaction, body, lock: this.#lock, note });
    this.#head = transaction;
    this.#lock = to;
    return transaction.id;
  }
}

/** A record that does not exist yet, from its mint on; and the id that it will have. */
export function beginRecord(
  { store, now }: Desk,
  lock: Lock,
): { readonly composer: Composer; readonly record: Uint8Array } {
  // Two mints of one owner in the same millisecond would be one and the same.
  for (let time = now; ; time++) {
    const composer = new Composer(time, lock, null);
    const id = composer.add({ op: "OP_MINT" }, null, "mints the token that the record begins with");
    if (!store.transaction(id)) return { composer, record: recordId(id) };
  }
}

/** A record that is here and can go on. Throws DnetError when it cannot. */
export function continueRecord(
  { store, now }: Desk,
  id: Uint8Array,
  kind: "dnet" | "ovx",
): { readonly composer: Composer; readonly record: RecordView } {
  const record = store.view(id);
  const what = kind === "dnet" ? "dnet" : "cloud or relay";
  if (!record || record.isDnet !== (kind === "dnet")) {
    throw new DnetError(kind === "dnet" ? "DNET_UNKNOWN" : "OVX_UNKNOWN", `no ${what} ${formatId(id)} is known here`, {
      hint: "its record comes from a cloud that keeps it, or a file: dnet db sync, dnet db import",
    });
  }
  if (record.isClosed) throw new DnetError("RECORD_CLOSED", `the ${what} ${formatId(id)} is closed`);
  const head = decodeTransaction(store.transaction(record.head)!) as Transaction;
  return { composer: new Composer(now, record.lock, head), record };
}

/** A dnet whose members can be read. Throws DnetError when they cannot. */
export function readableDnet(desk: Desk, dnet: Uint8Array, secrets = desk.secrets): DnetView {
  const view = readDnet(desk.store, dnet, secrets)!;
  if (view.reads === "everything") return view;
  throw new DnetError("DNET_SEALED", `the dnet ${formatId(dnet)} is private, and cannot be read with what is here`, {
    hint: "work on a member's machine, or with the owner's key that it was created by; or bring its record here: dnet db sync",
    failure: "not-authorised",
  });
}

export function checkName(name: string): void {
  if (isName(name)) return;
  throw new DnetError("NAME_INVALID", `${JSON.stringify(name.slice(0, 100))} is no name`, {
    hint: "a letter or digit, then also . _ and -; at most 63 bytes",
    failure: "usage",
  });
}

/** That other nodes can agree on secrets with its owner. */
export function checkKey(publicKey: Uint8Array): void {
  if (dhPoint(publicKey)) return;
  throw new DnetError("KEY_INVALID", `${formatPublicKey(publicKey)} is no public key`, {
    hint: "have it copied again: dnet wallet show",
    failure: "usage",
  });
}

export function checkFuture(moment: number | null, now: number): void {
  if (moment === null || moment > now) return;
  throw new DnetError("ALREADY_OVER", `${momentText(moment)} has passed`, {
    hint: "name a moment to come, or none",
    failure: "usage",
  });
}
