/** A machine of an owner's: a store, the keys, and what it has learnt; its clock stands still until it is set. */
import { Database } from "bun:sqlite";
import { expect } from "bun:test";
import { DnetError } from "../../src/base/error.ts";
import type { KeyPair } from "../../src/crypto/ed25519.ts";
import type { Desk, Draft } from "../../src/overlay/dnetdb/desk.ts";
import { createDnet } from "../../src/overlay/dnetdb/desk-dnet.ts";
import { createOvx } from "../../src/overlay/dnetdb/desk-ovx.ts";
import { type DnetView, readDnet } from "../../src/overlay/dnetdb/dnet-view.ts";
import type { NetworkKey, Secrets } from "../../src/overlay/dnetdb/network-key.ts";
import { type Step, signSteps } from "../../src/overlay/dnetdb/steps.ts";
import { Store } from "../../src/overlay/dnetdb/store.ts";
import { encodeTransaction } from "../../src/overlay/dnetdb/transaction.ts";
import { anyKeyPair, lockOf } from "./dnetdb.ts";
import { SeededRandom } from "./random.ts";

export class Office implements Desk {
  readonly store = new Store(new Database(":memory:"));
  readonly random: SeededRandom;
  readonly owner: KeyPair;
  readonly ownerKeys: readonly Uint8Array[];
  now = 1_790_000_000_000;
  networkKey: NetworkKey | null = null;

  constructor(seed = 1) {
    this.random = new SeededRandom(seed);
    this.owner = anyKeyPair(this.random);
    this.ownerKeys = [this.owner.publicKey];
  }

  get secrets(): Secrets {
    return { networkKey: this.networkKey, keyPairs: [] };
  }

  /** Signed by the owner, or by others, and accepted. */
  carryOut<Some extends Draft>(draft: Some, signers: readonly KeyPair[] = [this.owner]): Some {
    this.accept(signers.reduce(signSteps, [...draft.steps]));
    this.networkKey = draft.networkKey ?? this.networkKey;
    this.now += 1_000;
    return draft;
  }

  accept(steps: readonly Step[]): void {
    for (const { transaction, body } of steps) {
      expect(this.store.accept(this.now, encodeTransaction(transaction), body)).toMatchObject({ status: "accepted" });
    }
  }

  createDnet(options: Partial<Parameters<typeof createDnet>[1]> = {}): Uint8Array {
    const all = { lock: lockOf(this.owner), name: "home", isPrivate: true, range4: "default", ...options } as const;
    return this.carryOut(createDnet(this, all)).dnet;
  }

  /** A cloud of the same owner's. */
  createOvx(options: Partial<Parameters<typeof createOvx>[1]> = {}): { ovx: Uint8Array; keyPair: KeyPair } {
    const keyPair = anyKeyPair(this.random);
    const fields: Parameters<typeof createOvx>[1] = {
      ...{ lock: lockOf(this.owner), name: "cloud", kind: "ovc", isListed: true, key: keyPair.publicKey },
      addresses: ["cloud.example.org:1776"],
      ...options,
    };
    return { ovx: this.carryOut(createOvx(this, fields)).ovx, keyPair };
  }

  anyMember(): KeyPair {
    return anyKeyPair(this.random);
  }

  read(dnet: Uint8Array, secrets: Secrets = this.secrets): DnetView {
    return readDnet(this.store, dnet, secrets)!;
  }
}

/** The code of the DnetError that it throws; null when it throws none. */
export function refusalOf(work: () => unknown): string | null {
  try {
    work();
    return null;
  } catch (error) {
    if (!(error instanceof DnetError)) throw error;
    return error.code;
  }
}
