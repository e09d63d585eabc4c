/** A store beside a model of plain maps: over random histories, right and wrong steps mixed, the two never disagree. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import type { KeyPair } from "../../../../src/crypto/ed25519.ts";
import { recordId } from "../../../../src/overlay/dnetdb/ids.ts";
import type { Slot } from "../../../../src/overlay/dnetdb/operands.ts";
import { Store } from "../../../../src/overlay/dnetdb/store.ts";
import type { Transaction } from "../../../../src/overlay/dnetdb/transaction.ts";
import { verifyStore } from "../../../../src/overlay/dnetdb/verify.ts";
import { anyKeyPair, lockOf } from "../../../support/dnetdb.ts";
import { invitation, ip, key, membersOf, mint, NOW, owner, step, tell } from "../../../support/dnetdb-steps.ts";
import { SeededRandom } from "../../../support/random.ts";

const SEEDS = Number(process.env["DNET_SEEDS"] ?? 40);
const MOVES = 60;

/** Who has which address by its last byte: a key, or the invitation that reserves it. */
type Holder = { readonly key: string } | { readonly invitation: string };

interface Invitation {
  readonly transaction: Transaction;
  readonly guest: KeyPair;
  readonly last: number;
  readonly expiresAt: number | null;
  isJoined: boolean;
}

class Model {
  readonly holders = new Map<number, Holder>();
  readonly attached = new Set<number>();
  readonly invitations: Invitation[] = [];
  owner: KeyPair = owner;
  epoch = 0;
  height = 0;
  isClosed = false;

  constructor(public head: Transaction) {}

  /** What becomes of a step of the record's: `why` is what is wrong with what it says. */
  judge(signer: KeyPair, why: string | null): string {
    if (this.isClosed) return "CLOSED";
    if (signer !== this.owner) return "WRONG_SIGNER";
    return why ?? "accepted";
  }
}

test("DN-22 a store and a model of plain maps agree on every verdict and on what is so then", () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    const random = new SeededRandom(7_000 + seed);
    const people = Array.from({ length: 4 }, () => anyKeyPair(random));
    const ovxs = [random.bytes(32), random.bytes(32)];
    const database = new Database(":memory:");
    const store = new Store(database);
    const token = mint();
    const dnet = recordId(token.id);
    const create = step(token, { op: "OP_DNET_CREATE", dnet, name: "home" });
    for (const each of [token, create]) expect(tell(store, each)).toBe("accepted");
    const model = new Model(create);
    for (let move = 0; move < MOVES; move++) {
      const { wanted, transaction, apply } = anyMove(random, model, dnet, people, ovxs);
      const found = tell(store, transaction);
      expect([seed, move, transaction.outputs[0]!.script.op, found]).toEqual([
        seed,
        move,
        transaction.outputs[0]!.script.op,
        wanted,
      ]);
      if (found === "accepted") apply();
      expect({ seed, move, ...stateOf(store, dnet, ovxs) }).toEqual({ seed, move, ...stateOfModel(model) });
    }
    expect(verifyStore(database, new Database(":memory:"))).toEqual([]);
  }
});

type Words = { readonly op: string; readonly [operand: string]: unknown };

interface Move {
  readonly transaction: Transaction;
  /** What the model says becomes of it. */
  readonly wanted: string;
  readonly apply: () => void;
}

function anyMove(
  random: SeededRandom,
  model: Model,
  dnet: Uint8Array,
  people: readonly KeyPair[],
  ovxs: readonly Uint8Array[],
): Move {
  const signer = random.chance(0.9) ? model.owner : random.pick(people);
  const who = random.pick(people);
  const last = random.below(7); // 0 is no member's
  const nth = random.below(ovxs.length);
  const options = { lock: lockOf(model.owner), signers: [signer], time: NOW + model.height };
  const ofOwner = (script: Words, why: string | null, change: () => void): Move => {
    const transaction = step(model.head, { dnet, ...script }, options);
    return moved(transaction, why, change);
  };
  const moved = (transaction: Transaction, why: string | null, change: () => void): Move => ({
    transaction,
    wanted: model.judge(signer, why),
    apply() {
      [model.head, model.height] = [transaction, model.height + 1];
      change();
    },
  });
  const slot: Slot = last === 0 ? { kind: "address", ip: Uint8Array.of(11, 0, 0, 1) } : ip(last);
  const taken = last === 0 ? "OUT_OF_RANGE" : model.holders.has(last) ? "ADDRESS_TAKEN" : null;
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2: {
      const script = { op: "OP_DNET_NODE", slot, member: key(who) };
      return ofOwner(script, taken, () => model.holders.set(last, { key: who.publicKey.toHex() }));
    }
    case 3:
    case 4: {
      const unknown = model.holders.has(last) ? null : "ADDRESS_UNKNOWN";
      return ofOwner({ op: "OP_DNET_NODE_REMOVE", slot: ip(last) }, unknown, () => model.holders.delete(last));
    }
    case 5:
    case 6: {
      const guest = anyKeyPair(random);
      const expiresAt = random.chance(0.3) ? NOW + random.below(40) : null;
      const transaction = invitation(model.head, dnet, slot, guest, expiresAt, options);
      return moved(transaction, taken, () => {
        model.holders.set(last, { invitation: transaction.id.toHex() });
        model.invitations.push({ transaction, guest, last, expiresAt, isJoined: false });
      });
    }
    case 7:
    case 8:
      return anyJoin(random, model, dnet, who) ?? ofOwner({ op: "OP_DNET_POLICY" }, null, () => {});
    case 9: {
      const isAttached = model.attached.has(nth);
      return random.chance(0.5)
        ? ofOwner({ op: "OP_DNET_OVX", ovx: ovxs[nth] }, isAttached ? "ATTACHED_TWICE" : null, () =>
            model.attached.add(nth),
          )
        : ofOwner({ op: "OP_DNET_OVX_REMOVE", ovx: ovxs[nth] }, isAttached ? null : "NOT_ATTACHED", () =>
            model.attached.delete(nth),
          );
    }
    case 10: {
      const epoch = model.epoch + random.below(3);
      return ofOwner({ op: "OP_DNET_KEY", epoch }, epoch === model.epoch + 1 ? null : "WRONG_EPOCH", () => {
        model.epoch = epoch;
      });
    }
    default: {
      if (random.chance(0.1)) {
        return ofOwner({ op: "OP_DNET_CLOSE" }, null, () => {
          model.isClosed = true;
        });
      }
      const transaction = step(model.head, { op: "OP_DNET_TRANSFER", dnet }, { ...options, lock: lockOf(who) });
      return moved(transaction, null, () => {
        model.owner = who;
      });
    }
  }
}

/** By an invitation that was made, whatever became of it; null where there is none. */
function anyJoin(random: SeededRandom, model: Model, dnet: Uint8Array, who: KeyPair): Move | null {
  if (model.invitations.length === 0) return null;
  const invited = random.pick(model.invitations);
  const { transaction: invite, guest, last, expiresAt } = invited;
  const signer = random.chance(0.9) ? guest : who;
  const time = Math.max(invite.time, NOW + random.below(80));
  const script = { op: "OP_DNET_JOIN", dnet, slot: ip(last), member: key(who) };
  const transaction = step(invite, script, { lock: lockOf(who), signers: [signer], output: 1, time });
  const isLate = expiresAt !== null && time > expiresAt;
  const wanted = isLate ? "EXPIRED" : signer === guest ? "accepted" : "WRONG_SIGNER";
  if (invited.isJoined) return null; // which of two stands is shown elsewhere
  return {
    transaction,
    wanted,
    apply() {
      invited.isJoined = true;
      const holder = model.holders.get(last);
      const isReserved = holder !== undefined && "invitation" in holder && holder.invitation === invite.id.toHex();
      if (isReserved) model.holders.set(last, { key: who.publicKey.toHex() });
    },
  };
}

function stateOf(store: Store, dnet: Uint8Array, ovxs: readonly Uint8Array[]) {
  const view = store.view(dnet)!;
  const holders = membersOf(store, dnet).map(({ slot, member }) => [
    slot.kind === "address" ? slot.ip.at(-1)! : -1,
    member?.kind === "key" ? member.publicKey.toHex() : null,
  ]);
  return {
    holders: holders.sort(),
    attached: ovxs.map((ovx) => store.isAttached(dnet, ovx)),
    owner: view.lock,
    ...{ epoch: view.epoch, height: view.height, isClosed: view.isClosed, head: view.head },
  };
}

function stateOfModel(model: Model) {
  const holders = [...model.holders].map(([last, holder]) => [last, "key" in holder ? holder.key : null]);
  const { epoch, height, isClosed, head } = model;
  return {
    holders: holders.sort(),
    attached: [0, 1].map((nth) => model.attached.has(nth)),
    owner: lockOf(model.owner),
    ...{ epoch, height, isClosed, head: head.id },
  };
}
