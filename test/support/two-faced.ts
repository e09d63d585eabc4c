/** An owner, clouds and their providers that say two things and more: a tree of steps, not a chain. */
import type { KeyPair } from "../../src/crypto/ed25519.ts";
import { sha256 } from "../../src/crypto/sha256.ts";
import { recordId } from "../../src/overlay/dnetdb/ids.ts";
import { inclusionPath, leafHash, treeRoot } from "../../src/overlay/dnetdb/merkle.ts";
import type { Transaction } from "../../src/overlay/dnetdb/transaction.ts";
import { encodeStatement, signBlock } from "../../src/overlay/dnetdb/witness.ts";
import { anyKeyPair, lockOf } from "./dnetdb.ts";
import { invitation, ip, join, key, mint, NOW, step } from "./dnetdb-steps.ts";
import type { SeededRandom } from "./random.ts";

export interface Cloud {
  readonly ovx: Uint8Array;
  readonly provider: KeyPair;
  readonly keys: KeyPair[];
  readonly steps: Transaction[];
}

export function cloud(chance: SeededRandom): Cloud {
  const [provider, keys] = [anyKeyPair(chance), anyKeyPair(chance)];
  const token = mint(lockOf(provider), [provider]);
  const ovx = recordId(token.id);
  const script = { op: "OP_OVX_CREATE", ovx, name: "cloud", key: keys.publicKey };
  const creation = step(token, script, { lock: lockOf(provider), signers: [provider] });
  return { ovx, provider, keys: [keys], steps: [token, creation] };
}

export interface TwoFaced {
  readonly clouds: readonly Cloud[];
  readonly dnet: Uint8Array;
  /** All steps, each after what it spends. */
  readonly said: readonly Transaction[];
}

/** Most follow one that was said lately; some break the rules. Clouds change their keys, and whom they serve, in several ways at once. */
export function twoFaced(chance: SeededRandom): TwoFaced {
  const clouds = Array.from({ length: 1 + chance.below(3) }, () => cloud(chance));
  const [alice, bob] = [anyKeyPair(chance), anyKeyPair(chance)];
  const token = mint();
  const dnet = recordId(token.id);
  const creations = ["home", "other"].map((name) => step(token, { op: "OP_DNET_CREATE", dnet, name }));
  const said: Transaction[] = [token, ...creations.slice(chance.below(2)), ...clouds.flatMap(({ steps }) => steps)];
  const first = said.find(({ outputs }) => outputs[0]!.script.op === "OP_DNET_CREATE")!;
  const ends = [first];
  const owners = new Map<Transaction, KeyPair>();
  for (let i = 0; i < 20; i++) {
    const from = chance.pick(ends.slice(-4));
    const signer = owners.get(from) ?? null;
    const by = signer ? { lock: lockOf(signer), signers: [signer] } : {};
    const { ovx } = chance.pick(clouds);
    const last = 2 + chance.below(4);
    const time = NOW + i;
    const scripts = [
      { op: "OP_DNET_NODE", dnet, slot: ip(last), member: key(chance.pick([alice, bob])) },
      { op: "OP_DNET_NODE_REMOVE", dnet, slot: ip(last) },
      { op: "OP_DNET_POLICY", dnet },
      { op: "OP_DNET_OVX", dnet, ovx },
      { op: "OP_DNET_OVX", dnet, ovx },
      { op: "OP_DNET_OVX_REMOVE", dnet, ovx },
      { op: "OP_DNET_KEY", dnet, epoch: 1 + chance.below(2) },
    ];
    if (chance.chance(0.15)) {
      const guest = anyKeyPair(chance);
      const invite = invitation(from, dnet, ip(last), guest, null, by);
      said.push(invite);
      for (const who of [alice, bob]) if (chance.chance(0.6)) said.push(join(invite, dnet, ip(last), guest, who));
      ends.push(invite);
      if (signer) owners.set(invite, signer);
      continue;
    }
    const isTransfer = chance.chance(0.1);
    const to = isTransfer ? chance.pick([alice, bob]) : signer;
    const next = isTransfer
      ? step(from, { op: "OP_DNET_TRANSFER", dnet }, { ...by, lock: lockOf(to!), time })
      : step(from, chance.chance(0.03) ? { op: "OP_DNET_CLOSE", dnet } : chance.pick(scripts), { ...by, time });
    said.push(next);
    ends.push(next);
    if (to) owners.set(next, to);
  }
  for (const { ovx, provider, keys, steps } of clouds) {
    const ends = [steps[1]!];
    for (let i = 0; i < chance.below(9); i++) {
      const pair = chance.chance(0.5) ? anyKeyPair(chance) : keys[0]!;
      const by = { lock: lockOf(provider), signers: [provider], time: NOW + i };
      const update = { op: "OP_OVX_UPDATE", ovx, key: pair.publicKey };
      const authorise = { op: "OP_OVX_AUTH", ovx, dnet, expiresAt: null, quotaBytes: 1 + chance.below(3) };
      const scripts = [update, authorise, authorise, { op: "OP_OVX_REVOKE", ovx, dnet }];
      const script = chance.chance(0.05) ? { op: "OP_OVX_CLOSE", ovx } : chance.pick(scripts);
      if (script === update) keys.push(pair);
      const next = step(chance.pick(ends.slice(-3)), script, by);
      said.push(next);
      ends.push(next);
    }
  }
  return { clouds, dnet, said };
}

/** By a cloud that says what it likes: a block with that transaction after `before` others. */
export function lie(ovx: Uint8Array, keys: KeyPair, about: Transaction, before = 0, height = before): Uint8Array {
  const subtrees = (level: number, position: number): Uint8Array =>
    level > 0
      ? sha256(Uint8Array.of(1), subtrees(level - 1, 2 * position), subtrees(level - 1, 2 * position + 1))
      : leafHash(position === before ? about.id : Uint8Array.of(position));
  const size = before + 1;
  const fields = { ovx, height, previous: new Uint8Array(32), size, root: treeRoot(size, subtrees), time: NOW };
  const block = signBlock({ ...fields, key: keys.publicKey }, keys);
  return encodeStatement({
    block,
    transaction: about.id,
    position: before,
    path: inclusionPath(before, size, subtrees),
  });
}
