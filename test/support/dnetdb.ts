/** Keys, scripts and transactions of DNetDB, by seeds. */
import { type KeyPair, keyPairFromSeed } from "../../src/crypto/ed25519.ts";
import { keyHash } from "../../src/overlay/dnetdb/ids.ts";
import { type Lock, lockTo } from "../../src/overlay/dnetdb/lock.ts";
import type { MemberReference, OperandKind, Slot } from "../../src/overlay/dnetdb/operands.ts";
import { OPS, type OpName, type Script } from "../../src/overlay/dnetdb/script.ts";
import type { SeededRandom } from "./random.ts";

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
