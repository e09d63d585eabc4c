/**
 * The vectors of `test/vectors/dnetdb/`, made anew from seeds: `bun test/support/dnetdb-vectors.ts` writes them. The README there says
 * what each has.
 */
import { Database } from "bun:sqlite";
import { join as joinPath } from "node:path";
import { formatIp } from "../../src/base/ip.ts";
import { formatPublicKey } from "../../src/base/public-key.ts";
import type { KeyPair } from "../../src/crypto/ed25519.ts";
import { sha256 } from "../../src/crypto/sha256.ts";
import { defaultRange4, memberIp6, ula48 } from "../../src/overlay/dnetdb/addresses.ts";
import { EMPTY } from "../../src/overlay/dnetdb/contents.ts";
import { attach, rekey, setPolicy, transfer } from "../../src/overlay/dnetdb/desk-dnet.ts";
import { addMembers, invite, join, removeMembers } from "../../src/overlay/dnetdb/desk-members.ts";
import { authorise } from "../../src/overlay/dnetdb/desk-ovx.ts";
import { formatC2pkh, formatId, keyHash, recordId } from "../../src/overlay/dnetdb/ids.ts";
import { formatInvitation } from "../../src/overlay/dnetdb/invitation.ts";
import { formatLock } from "../../src/overlay/dnetdb/lock.ts";
import { consistencyPath, inclusionPath, leafHash, type Subtrees, treeRoot } from "../../src/overlay/dnetdb/merkle.ts";
import { deriveKey, type Purpose } from "../../src/overlay/dnetdb/network-key.ts";
import { encodeScript, formatScript, OPS, type OpName } from "../../src/overlay/dnetdb/script.ts";
import { memberTag, sealBody, slotTag, wrapForOne } from "../../src/overlay/dnetdb/sealing.ts";
import { Store } from "../../src/overlay/dnetdb/store.ts";
import { AMOUNT, draft, encodeTransaction, signTransaction } from "../../src/overlay/dnetdb/transaction.ts";
import { encodeBlock, encodeStatement } from "../../src/overlay/dnetdb/witness.ts";
import { anyKeyPair, anyLock, anyScript, lockOf } from "./dnetdb.ts";
import { Office } from "./dnetdb-office.ts";
import { SeededRandom } from "./random.ts";

export const VECTORS = joinPath(import.meta.dir, "../vectors/dnetdb");
const hex = (bytes: Uint8Array): string => bytes.toHex();
const seedOf = ({ secretKey }: KeyPair): string => hex(secretKey.slice(0, 32));

export function makeVectors(): { readonly [file: string]: unknown } {
  return { "formats.json": formats(), "sealing.json": sealing(), "tree.json": tree(), "history.json": history() };
}

/** Names, scripts and transactions: each both ways. */
function formats() {
  const random = new SeededRandom(1);
  const [owner, other] = [anyKeyPair(random), anyKeyPair(random)];
  const spent = sha256(Uint8Array.of(1));
  const transactions = (Object.keys(OPS) as OpName[]).map((op) => {
    const script = anyScript(random, op, lockOf(owner));
    const count = op === "OP_DNET_INVITE" ? 2 : 1;
    const unsigned = draft({
      time: 1_790_000_000_000,
      input: op === "OP_MINT" ? null : { transaction: spent, output: op === "OP_DNET_JOIN" ? 1 : 0 },
      outputs: Array.from({ length: count }, () => ({ amount: AMOUNT, script })),
      bodyHash: op.startsWith("OP_DNET_NODE") ? sha256(EMPTY) : null,
    });
    const signed = [owner, other].reduce(signTransaction, unsigned);
    return { op, script: formatScript(script), bytes: hex(encodeTransaction(signed)), id: formatId(signed.id) };
  });
  return {
    keys: [owner, other].map((pair) => ({
      seed: seedOf(pair),
      publicKey: hex(pair.publicKey),
      text: formatPublicKey(pair.publicKey),
      c2pkh: formatC2pkh(keyHash(pair.publicKey)),
    })),
    recordId: { spent: hex(spent), id: hex(recordId(spent)), text: formatId(recordId(spent)) },
    locks: Array.from({ length: 4 }, () => formatLock(anyLock(random))),
    scripts: (Object.keys(OPS) as OpName[]).flatMap((op) =>
      Array.from({ length: 2 }, () => {
        const script = anyScript(random, op);
        return { text: formatScript(script), bytes: hex(encodeScript(script)) };
      }),
    ),
    transactions,
  };
}

/** Keys that follow from others, tags, addresses, a body that is sealed, a key that is wrapped. */
function sealing() {
  const random = new SeededRandom(2);
  const [dnet, key, slotKey] = [random.bytes(32), random.bytes(32), random.bytes(32)];
  const reader = anyKeyPair(random);
  const purposes: Purpose[] = ["body", "admission", "topic", "gossip", "beacon", "tunnel"];
  const ip = Uint8Array.of(10, 7, 0, 2);
  const parts = { open: EMPTY, admission: reader.publicKey, members: new TextEncoder().encode("members read this") };
  const wrap = wrapForOne(random, { dnet, epoch: 3 }, reader.publicKey, key)!;
  return {
    dnet: hex(dnet),
    networkKey: { epoch: 3, key: hex(key) },
    slotKey: hex(slotKey),
    derived: Object.fromEntries(purposes.map((purpose) => [purpose, hex(deriveKey(dnet, key, purpose))])),
    reader: { seed: seedOf(reader), publicKey: hex(reader.publicKey) },
    addresses: {
      ula48: hex(ula48(dnet).bytes),
      member: formatIp(memberIp6(dnet, reader.publicKey)),
      range4: hex(defaultRange4(dnet).bytes),
    },
    tags: {
      slot: hex(slotTag(slotKey, ip).tag),
      of: "10.7.0.2",
      member: hex(memberTag(slotKey, reader.publicKey).tag),
    },
    body: {
      op: "OP_DNET_NODE",
      admission: hex(parts.admission),
      members: hex(parts.members),
      sealed: hex(sealBody(random, dnet, "OP_DNET_NODE", { epoch: 3, key }, parts)),
    },
    wrap: { ephemeral: hex(wrap.ephemeral), wrapped: hex(wrap.wrapped) },
    invitation: {
      seed: hex(slotKey),
      transaction: hex(dnet),
      clouds: [{ address: "cloud.example.org:1776", key: hex(reader.publicKey) }],
      text: formatInvitation({
        dnet,
        transaction: dnet,
        seed: slotKey,
        networkKey: { epoch: 3, key },
        clouds: [{ address: "cloud.example.org:1776", key: reader.publicKey }],
      }),
    },
  };
}

/** Roots and proofs of trees of the hashes of 0, 1, 2 ... */
function tree() {
  const ids = Array.from({ length: 12 }, (_, i) => sha256(Uint8Array.of(i)));
  const at = (from: number, count: number): Uint8Array =>
    count === 1 ? leafHash(ids[from]!) : sha256(Uint8Array.of(1), at(from, count / 2), at(from + count / 2, count / 2));
  const subtrees: Subtrees = (level, position) => at(position * 2 ** level, 2 ** level);
  const sizes = [0, 1, 2, 3, 7, 8, 12];
  return {
    roots: sizes.map((size) => ({ size, root: hex(treeRoot(size, subtrees)) })),
    inclusion: [
      [0, 1],
      [4, 7],
      [6, 7],
      [11, 12],
    ].map(([position, size]) => ({ position, size, path: inclusionPath(position!, size!, subtrees).map(hex) })),
    consistency: [
      [1, 2],
      [3, 7],
      [7, 12],
      [8, 12],
    ].map(([from, size]) => ({ from, size, path: consistencyPath(from!, size!, subtrees).map(hex) })),
  };
}

/** A private dnet's life, with what replicas refuse on the way, and what is so in the end. */
function history() {
  const office = new Office(3);
  const steps: { bytes: string; body: string | null; note: string; verdict: string }[] = [];
  const judge = new Store(new Database(":memory:"));
  const told = (bytes: Uint8Array, body: Uint8Array | null, note: string) => {
    const verdict = judge.accept(office.now, bytes, body);
    const words = verdict.status === "refused" ? verdict.why : verdict.status;
    steps.push({ bytes: hex(bytes), body: body && hex(body), note, verdict: words });
  };
  const taken = office.accept.bind(office);
  office.accept = (all) => {
    for (const { transaction, body, note } of all) told(encodeTransaction(transaction), body, note);
    taken(all);
  };
  const { ovx, keyPair } = office.createOvx();
  const dnet = office.createDnet();
  office.carryOut(authorise(office, ovx, { dnet, expiresAt: null, quotaBytes: 1e9 }));
  office.carryOut(attach(office, dnet, ovx));
  const [alice, bob, eve] = [office.anyMember(), office.anyMember(), office.anyMember()];
  const add = (pair: KeyPair, name: string, address: Uint8Array | null) => ({
    publicKey: pair.publicKey,
    name,
    address,
  });
  office.carryOut(addMembers(office, dnet, [add(alice, "alice", null), add(bob, "bob", null)]));
  const stranger = addMembers(office, dnet, [add(eve, "eve", null)]).steps[0]!;
  told(encodeTransaction(stranger.transaction), stranger.body, "adds eve, unsigned");
  told(encodeTransaction(signTransaction(stranger.transaction, eve)), stranger.body, "adds eve, signed by eve");
  const { invitation } = office.carryOut(invite(office, dnet, { name: "carol", address: null, expiresAt: null }));
  const carol = office.anyMember();
  office.accept(join(office, invitation, { nodeKey: carol, name: null }).steps);
  office.carryOut(removeMembers(office, dnet, [bob.publicKey]));
  office.carryOut(setPolicy(office, dnet, '{"witnesses":1}'));
  office.carryOut(rekey(office, dnet));
  const block = judge.seal(office.now, ovx, keyPair)!;
  office.carryOut(transfer(office, dnet, lockOf(eve)));
  const view = office.read(dnet);
  return {
    now: office.now,
    steps,
    block: hex(encodeBlock(block)),
    statements: judge.statementsOf(dnet, 0).map(({ bytes }) => hex(bytes)),
    proof: hex(encodeStatement(judge.log.prove(ovx, view.members[0]!.transaction, block)!)),
    invitation: formatInvitation(invitation),
    networkKey: { epoch: office.networkKey!.epoch, key: hex(office.networkKey!.key) },
    end: {
      dnet: formatId(dnet),
      name: view.name,
      height: view.height,
      head: formatId(view.head),
      lock: formatLock(view.lock),
      members: view.members.map(({ publicKey, name, addresses }) => ({
        publicKey: formatPublicKey(publicKey),
        name,
        addresses: addresses.map(formatIp),
      })),
    },
  };
}

if (import.meta.main) {
  for (const [file, content] of Object.entries(makeVectors())) {
    await Bun.write(joinPath(VECTORS, file), `${JSON.stringify(content, null, 1)}\n`);
  }
}
