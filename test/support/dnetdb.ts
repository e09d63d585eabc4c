/** Keys, scripts and transactions of DNetDB, by seeds. */
import { type KeyPair, keyPairFromSeed } from "../../src/crypto/ed25519.ts";
import { sha256 } from "../../src/crypto/sha256.ts";
import { EMPTY, encodeBody, encodeCreate } from "../../src/overlay/dnetdb/contents.ts";
import { keyHash, recordId } from "../../src/overlay/dnetdb/ids.ts";
import { type Lock, lockTo } from "../../src/overlay/dnetdb/lock.ts";
import type { MemberReference, OperandKind, Slot } from "../../src/overlay/dnetdb/operands.ts";
import { OPS, type OpName, type Script } from "../../src/overlay/dnetdb/script.ts";
import { AMOUNT, draft, signTransaction, type Transaction } from "../../src/overlay/dnetdb/transaction.ts";
import { SeededRandom } from "./random.ts";

export const anyKeyPair = (random: SeededRandom): KeyPair => keyPairFromSeed(random.bytes(32));

export const lockOf = (...keyPairs: readonly KeyPair[]): Lock =>
  lockTo(keyPairs.map(({ publicKey }) => keyHash(publicKey)))!;

export function anyLock(random: SeededRandom): Lock {
  const count = random.chance(0.5) ? 1 : 2 + random.below(15);
  const hashes = Array.from({ length: count }, () => random.bytes(20));
  return lockTo(hashes, 1 + random.below(count))!;
}

const NAMES = ["home", "a", "Büro-2", "x.y_z", "網", "9".repeat(63), null];

export function anyOperand(random: SeededRandom, kind: OperandKind): unknown {
  const tag = () => ({ kind: "tag" as const, tag: random.bytes(16) });
  switch (kind) {
    case "id":
      return random.bytes(32);
    case "name":
      return random.pick(NAMES);
    case "slot": {
      const address: Slot = { kind: "address", ip: random.bytes(random.chance(0.5) ? 4 : 16) };
      return random.chance(0.3) ? tag() : address;
    }
    case "member": {
      const key: MemberReference = { kind: "key", publicKey: random.bytes(32) };
      return random.chance(0.3) ? tag() : key;
    }
    case "key":
      return random.bytes(32);
    case "epoch":
      return random.below(2 ** 32);
    default:
      return random.chance(0.3) ? null : 1 + random.below(2 ** 50);
  }
}

export function anyScript(random: SeededRandom, op: OpName, lock = anyLock(random)): Script {
  const operands = Object.entries(OPS[op].operands).map(([name, kind]) => [
    name,
    anyOperand(random, kind as OperandKind),
  ]);
  return { op, lock, ...Object.fromEntries(operands) } as Script;
}

/** Of a public dnet's creation, with the range 10.0.0.0/8. */
export const CREATION_BODY = encodeBody({
  epoch: null,
  open: EMPTY,
  admission: EMPTY,
  members: encodeCreate({ name: "home", range4: { bits: 8, bytes: Uint8Array.of(10, 0, 0, 0) }, slotKey: null }),
});

export interface Step {
  readonly transaction: Transaction;
  readonly body: Uint8Array | null;
}

/** A record without end: a mint, the creation, and members that come and go, always the same for a seed. */
export function* stepsOf(seed: number): Generator<Step> {
  const random = new SeededRandom(seed);
  const owner = anyKeyPair(random);
  const lock = lockOf(owner);
  const body = random.bytes(300);
  let time = 1_790_000_000_000;
  let spent: Transaction | null = null;
  const step = (script: { readonly op: OpName }, own: Uint8Array | null): Step => {
    const unsigned = draft({
      time: time++,
      input: spent && { transaction: spent.id, output: 0 },
      outputs: [{ amount: AMOUNT, script: { ...script, lock } as Script }],
      bodyHash: own && sha256(own),
    });
    spent = signTransaction(unsigned, owner);
    return { transaction: spent, body: own };
  };
  yield step({ op: "OP_MINT" }, null);
  const dnet = recordId(spent!.id);
  yield step({ op: "OP_DNET_CREATE", dnet, name: "home" } as { op: OpName }, CREATION_BODY);
  for (let i = 1; ; i++) {
    const slot: Slot = { kind: "address", ip: Uint8Array.of(10, i >> 16, i >> 8, i) };
    const member: MemberReference = { kind: "key", publicKey: random.bytes(32) };
    yield step({ op: "OP_DNET_NODE", dnet, slot, member } as { op: OpName }, body);
    if (i % 3 === 2) yield step({ op: "OP_DNET_NODE_REMOVE", dnet, slot } as { op: OpName }, null);
  }
}
