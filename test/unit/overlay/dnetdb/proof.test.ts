import { expect, test } from "bun:test";
import { sameBytes } from "../../../../src/base/bytes.ts";
import { DnetError } from "../../../../src/base/error.ts";
import { attach } from "../../../../src/overlay/dnetdb/desk-dnet.ts";
import { addMembers, invite, join } from "../../../../src/overlay/dnetdb/desk-members.ts";
import { decodeProof, encodeProof, prove, proveSince } from "../../../../src/overlay/dnetdb/proof.ts";
import type { Script } from "../../../../src/overlay/dnetdb/script.ts";
import { decodeTransaction, encodeTransaction, type Transaction } from "../../../../src/overlay/dnetdb/transaction.ts";
import { signBlock } from "../../../../src/overlay/dnetdb/witness.ts";
import { Office } from "../../../support/dnetdb-office.ts";

/** A public dnet with a cloud, whose block has all; a replica that has but what the cloud has told of it. */
function witnessed() {
  const [office, replica] = [new Office(), new Office(2)];
  const dnet = office.createDnet({ isPrivate: false });
  const { ovx, keyPair } = office.createOvx();
  office.carryOut(attach(office, dnet, ovx));
  const alice = office.anyMember();
  const named = office.carryOut(
    addMembers(office, dnet, [{ publicKey: alice.publicKey, name: "alice", address: null }]),
  );
  const { invitation } = office.carryOut(invite(office, dnet, { name: "bob", address: null, expiresAt: null }));
  const joined = join(office, invitation, { nodeKey: office.anyMember(), name: null });
  office.accept(joined.steps);
  office.carryOut(addMembers(office, dnet, [{ publicKey: keyPair.publicKey, name: "carol", address: null }]));
  office.store.seal(office.now, ovx, keyPair);
  for (const record of [ovx, dnet]) {
    for (const bytes of office.store.transactionsOf(record)) {
      const { bodyHash } = decode(bytes);
      replica.store.accept(office.now, bytes, bodyHash && office.store.body(record, bodyHash));
    }
    for (const { bytes } of office.store.statementsOf(record, 0)) replica.store.acceptStatement(office.now, bytes);
  }
  return { office, replica, dnet, ovx, keyPair, alice, ids: { named: named.steps[0]!, joined: joined.steps[0]! } };
}

test("DN-46 of each step of a record a proof is made, by the cloud and by whoever has heard it, and read without any store", () => {
  const { office, replica, dnet, ovx, keyPair, alice, ids } = witnessed();
  for (const { store } of [office, replica]) {
    for (const bytes of store.transactionsOf(dnet)) {
      const { id } = decode(bytes);
      const proof = prove(store, dnet, id, ovx)!;
      const { statement, transactions } = decodeProof(encodeProof(proof));
      expect(transactions[0]!.id).toEqual(id);
      expect(statement.block).toMatchObject({ ovx, key: keyPair.publicKey, time: office.now });
    }
    expect(prove(store, dnet, office.random.bytes(32), null)).toBeNull();
    expect(prove(store, dnet, ids.named.transaction.id, dnet)).toBeNull();
  }
  // The cloud itself shows the very step; others what follows from it, and that it does.
  const steps = [office, replica].map(({ store }) => prove(store, dnet, ids.named.transaction.id, null)!.transactions);
  expect(steps.map(({ length }) => length)).toEqual([1, 3]);
  const { member } = steps[0]![0]!.outputs[0]!.script as Script<"OP_DNET_NODE">;
  expect(member).toEqual({ kind: "key", publicKey: alice.publicKey });
  expect(prove(replica.store, dnet, ids.joined.transaction.id, null)!.transactions).toHaveLength(1);
});

test("DN-46 whatever one byte of a proof is made, it is refused with a reason", () => {
  const { replica, dnet, ids } = witnessed();
  const text = encodeProof(prove(replica.store, dnet, ids.named.transaction.id, null)!);
  const bytes = new TextEncoder().encode(text);
  const reasons = new Set<string>();
  for (let at = 0; at < bytes.length; at++) {
    const flipped = bytes.slice();
    flipped[at]! ^= 1 << (at % 8);
    reasons.add(reasonOf(new TextDecoder().decode(flipped)));
    // A digit that is another digit is still JSON, and hex.
    const other = text[at] === "0" ? "1" : "0";
    if (/[0-9a-f]/.test(text[at]!)) reasons.add(reasonOf(`${text.slice(0, at)}${other}${text.slice(at + 1)}`));
  }
  expect(reasons.size).toBeGreaterThan(6);
  expect(decodeProof(text.trimEnd())).toEqual(decodeProof(text));
});

test("what is no proof is refused: other steps, none, too many, unsigned, another form", () => {
  const { replica, dnet, ids } = witnessed();
  const proof = prove(replica.store, dnet, ids.named.transaction.id, null)!;
  const [first, ...rest] = proof.transactions;
  const joined = prove(replica.store, dnet, ids.joined.transaction.id, null)!;
  const text = encodeProof(proof);
  const document = JSON.parse(text);
  const unsigned = { ...first!, signatures: [] };
  expect(sameBytes(encodeTransaction(unsigned), encodeTransaction(first!))).toBe(false);
  const wrong: [string, string][] = [
    ["", "none of the schema"],
    ["null", "none of the schema"],
    [JSON.stringify({ ...document, schema: "dnet.proof/2" }), "none of the schema"],
    [JSON.stringify({ ...document, statement: 7 }), "statement is not in hex"],
    [JSON.stringify({ ...document, transactions: [] }), "no list of 1 to"],
    [JSON.stringify({ ...document, transactions: new Array(4_097).fill("00") }), "no list of 1 to"],
    [JSON.stringify({ ...document, transactions: ["00"] }), "transaction 1 is not in the form"],
    [JSON.stringify({ ...document, more: 1 }), "written in another form"],
    [JSON.stringify(document, null, 1), "written in another form"],
    [encodeProof({ ...proof, transactions: [unsigned, ...rest] }), "nobody has signed transaction 1"],
    [encodeProof({ ...proof, transactions: rest.slice(0, 1) }), "about another transaction"],
    [encodeProof({ ...proof, transactions: [first!, rest.at(-1)!] }), "transaction 2 does not follow"],
    [encodeProof({ ...proof, statement: joined.statement }), "about another transaction"],
    [" ".repeat(1 << 27), "none of the schema"],
  ];
  for (const [given, why] of wrong) expect(reasonOf(given)).toContain(why);
});

test("a cloud shows that it has taken nothing back since an earlier proof, and nobody can show it for another log", () => {
  const { office, replica, dnet, ovx, keyPair, ids } = witnessed();
  const about = ids.named.transaction.id;
  const old = prove(office.store, dnet, about, ovx)!.statement.block;
  const proofs = [0, 1, 2, 3].map((minute) => {
    if (minute > 0) {
      office.now += 60_000;
      office.carryOut(addMembers(office, dnet, [{ ...office.anyMember(), name: `m${minute}`, address: null }]));
      office.store.seal(office.now, ovx, keyPair);
    }
    return proveSince(office.store, prove(office.store, dnet, about, ovx)!, old);
  });
  for (const [later, proof] of proofs.entries()) {
    const { earlier, statement } = decodeProof(encodeProof(proof));
    expect([earlier!.block, statement.block.height]).toEqual([old, old.height + later]);
  }
  const proof = proofs.at(-1)!;
  const { block, path } = proof.earlier!;
  const forged = signBlock({ ...block, root: office.random.bytes(32) }, keyPair);
  const foreign = signBlock({ ...block, ovx: dnet }, keyPair);
  const wrong: [NonNullable<typeof proof.earlier>, string][] = [
    [{ block: forged, path }, "does not begin as in the earlier block"],
    [{ block: foreign, path }, "does not begin as in the earlier block"],
    [{ block, path: path.slice(1) }, "does not begin as in the earlier block"],
    [{ block, path: [path[0]!.slice(1), ...path.slice(1)] }, "has what is no hash"],
    [{ block, path: new Array(107).fill(path[0]) }, "not in hex"],
    [{ block: { ...block, signature: new Uint8Array(64) }, path }, "its key has not signed it"],
    [{ block: proofs[3]!.statement.block, path: [] }, "does not begin as in the earlier block"],
  ];
  const shortest = { ...prove(office.store, dnet, about, ovx)!, statement: proofs[1]!.statement };
  for (const [earlier, why] of wrong) {
    const from = earlier.block === proofs[3]!.statement.block ? shortest : proof;
    expect(reasonOf(encodeProof({ ...from, earlier }))).toContain(why);
  }
  const text = encodeProof(proof).replace('"path":["', '"path":[7,"');
  expect(reasonOf(text)).toContain("not in hex");
  expect(() => proveSince(replica.store, prove(replica.store, dnet, about, ovx)!, old)).toThrow("is not here");
  expect(() => proveSince(office.store, proof, forged)).toThrow("does not begin as in block 0");
  expect(() => proveSince(office.store, proof, foreign)).toThrow("the earlier proof is of the cloud");
  expect(() => proveSince(office.store, shortest, proofs[3]!.statement.block)).toThrow("of a later block");
});

function decode(bytes: Uint8Array): Transaction {
  return decodeTransaction(bytes) as Transaction;
}

function reasonOf(text: string): string {
  try {
    decodeProof(text);
  } catch (error) {
    if (error instanceof DnetError && error.code === "PROOF_REFUSED") return error.message;
    throw error;
  }
  throw new Error(`accepted: ${text.slice(0, 200)}`);
}
