/** Steps of records, signed by an owner whose key is always the same, for tests that tell stores what happened. */
import type { KeyPair } from "../../src/crypto/ed25519.ts";
import { sha256 } from "../../src/crypto/sha256.ts";
import type { Lock } from "../../src/overlay/dnetdb/lock.ts";
import type { Slot } from "../../src/overlay/dnetdb/operands.ts";
import type { Store } from "../../src/overlay/dnetdb/store.ts";
import {
  AMOUNT,
  draft,
  encodeTransaction,
  signTransaction,
  type Transaction,
  type Unsigned,
} from "../../src/overlay/dnetdb/transaction.ts";
import { anyKeyPair, CREATION_BODY, lockOf } from "./dnetdb.ts";
import { SeededRandom } from "./random.ts";

export const NOW = 1_790_000_000_000;
export const owner = anyKeyPair(new SeededRandom(100));
/** Every step that has a body has this one. */
export const BODY = CREATION_BODY;

export const ip = (last: number): Slot => ({ kind: "address", ip: Uint8Array.of(10, 0, 0, last) });
export const key = ({ publicKey }: KeyPair) => ({ kind: "key", publicKey }) as const;

export interface StepOptions extends Partial<Unsigned> {
  readonly lock?: Lock;
  readonly signers?: readonly KeyPair[];
  readonly output?: number;
}

/** `script` without its lock, which is the owner's unless another is given. */
export function step(
  spent: Transaction | null,
  script: { readonly op: string; readonly [operand: string]: unknown },
  options: StepOptions = {},
): Transaction {
  const { lock = lockOf(owner), signers = [owner], output = 0, ...fields } = options;
  const withoutBody = /MINT|REMOVE|TRANSFER|CLOSE|AUTH|REVOKE/.test(script.op);
  const unsigned = draft({
    time: NOW,
    input: spent && { transaction: spent.id, output },
    outputs: [{ amount: AMOUNT, script: { ...script, lock } as never }],
    bodyHash: withoutBody ? null : sha256(BODY),
    ...fields,
  });
  return signers.reduce(signTransaction, unsigned);
}

let mints = 0;
/** Each another. */
export const mint = (lock = lockOf(owner), signers = [owner]): Transaction =>
  step(null, { op: "OP_MINT" }, { lock, signers, time: NOW - 1_000_000 + mints++ });

export function invitation(
  spent: Transaction,
  dnet: Uint8Array,
  slot: Slot,
  guest: KeyPair,
  expiresAt: number | null = null,
  options: StepOptions = {},
): Transaction {
  const script = { op: "OP_DNET_INVITE", dnet, slot, expiresAt } as const;
  const locks = [options.lock ?? lockOf(owner), lockOf(guest)];
  return step(spent, script, {
    ...options,
    outputs: locks.map((lock) => ({ amount: AMOUNT, script: { ...script, lock } })),
  });
}

export function join(
  invite: Transaction,
  dnet: Uint8Array,
  slot: Slot,
  guest: KeyPair,
  who: KeyPair,
  options: StepOptions = {},
) {
  const script = { op: "OP_DNET_JOIN", dnet, slot, member: key(who) };
  return step(invite, script, { lock: lockOf(who), signers: [guest], output: 1, ...options });
}

/** What became of it: the status, or the name of the refusal. */
export function tell(
  db: Store,
  transaction: Transaction,
  body: Uint8Array | null = transaction.bodyHash && BODY,
): string {
  const verdict = db.accept(NOW, encodeTransaction(transaction), body);
  return verdict.status === "refused" ? verdict.why : verdict.status;
}

/** Who has which address, or whom it is kept for. */
export const membersOf = (db: Store, dnet: Uint8Array) => db.slots(dnet).map(({ slot, member }) => ({ slot, member }));
