/** Random histories, by seeds: what a dnet's view says, against plain maps that were told the same. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { formatIp, parseIp } from "../../../../src/base/ip.ts";
import type { KeyPair } from "../../../../src/crypto/ed25519.ts";
import { memberIp6 } from "../../../../src/overlay/dnetdb/addresses.ts";
import { attach, detach, rekey, setPolicy } from "../../../../src/overlay/dnetdb/desk-dnet.ts";
import { addMembers, invite, join, removeAddress, removeMembers } from "../../../../src/overlay/dnetdb/desk-members.ts";
import { type DnetView, readDnetAt } from "../../../../src/overlay/dnetdb/dnet-view.ts";
import type { Invitation } from "../../../../src/overlay/dnetdb/invitation.ts";
import { Office } from "../../../support/dnetdb-office.ts";

interface Model {
  /** By public keys, in the order in which they came. */
  readonly members: Map<string, { keyPair: KeyPair; name: string | null; addresses: string[] }>;
  /** By addresses. */
  readonly invitations: Map<string, { name: string | null; invitation: Invitation }>;
  readonly attached: Set<string>;
  policy: number;
}

/** What the view shows of what the model has; order of members aside. */
function summary({ members, invitations, ovxs, policy }: DnetView) {
  return {
    members: new Map(
      members.map(({ publicKey, name, addresses }) => [publicKey.toHex(), [name, addresses.map(formatIp).sort()]]),
    ),
    invitations: new Map(invitations.map(({ address, name }) => [formatIp(address), name])),
    attached: new Set(ovxs.map(({ id }) => id.toHex())),
    policy: policy?.["n"] ?? 0,
  };
}

function expected(dnet: Uint8Array, { members, invitations, attached, policy }: Model): ReturnType<typeof summary> {
  return {
    members: new Map(
      [...members].map(([hex, { name, addresses, keyPair }]) => {
        const all = new Set([...addresses, formatIp(memberIp6(dnet, keyPair.publicKey))]);
        return [hex, [name, [...all].sort()]];
      }),
    ),
    invitations: new Map([...invitations].map(([address, { name }]) => [address, name])),
    attached: new Set(attached),
    policy,
  };
}

function play(seed: number, isPrivate: boolean, steps: number): void {
  const office = new Office(seed);
  const { random } = office;
  const dnet = office.createDnet({ isPrivate });
  const ovxs = [office.createOvx(), office.createOvx()];
  const model: Model = { members: new Map(), invitations: new Map(), attached: new Set(), policy: 0 };
  const past: { at: number; was: ReturnType<typeof summary> }[] = [];
  const removed: KeyPair[] = [];
  let names = 0;
  const name = () => (random.chance(0.7) ? `n${names++}` : null);
  const anyOf = <Key, Value>(map: Map<Key, Value>) => (map.size > 0 ? random.pick([...map]) : null);
  const address = () =>
    random.chance(0.5) ? null : Uint8Array.of(10, dnet[0]!, 100 + random.below(50), 1 + random.below(200));
  const forget = (hex: string) => {
    removed.push(model.members.get(hex)!.keyPair);
    model.members.delete(hex);
  };

  const moves: readonly (() => void)[] = [
    () => {
      const [keyPair, called, given] = [office.anyMember(), name(), address()];
      const draft = addMembers(office, dnet, [{ publicKey: keyPair.publicKey, name: called, address: given }]);
      const [ip] = office.carryOut(draft).addresses;
      model.members.set(keyPair.publicKey.toHex(), { keyPair, name: called, addresses: [formatIp(ip!)] });
    },
    () => {
      const [, member] = anyOf(model.members) ?? [];
      if (!member) return;
      const { publicKey } = member.keyPair;
      const given = random.chance(0.3)
        ? memberIp6(dnet, publicKey)
        : Uint8Array.of(10, dnet[0]!, 200, 1 + random.below(200));
      if (isTaken(formatIp(given))) return;
      office.carryOut(addMembers(office, dnet, [{ publicKey, name: null, address: given }]));
      member.addresses.push(formatIp(given));
    },
    () => {
      const [called, given] = [name(), address()];
      const expiresAt = random.chance(0.3) ? office.now + 20_000 : null;
      const draft = office.carryOut(invite(office, dnet, { name: called, address: given, expiresAt }));
      model.invitations.set(formatIp(draft.address), { name: called, invitation: draft.invitation });
    },
    () => {
      const [ip, invited] = anyOf(model.invitations) ?? [];
      if (!ip) return;
      const nodeKey = office.anyMember();
      let draft: ReturnType<typeof join>;
      try {
        draft = join(office, invited!.invitation, { nodeKey, name: null });
      } catch {
        return; // over, or without the newest key, as it was over when that was made
      }
      office.accept(draft.steps);
      office.now += 1_000;
      model.invitations.delete(ip);
      model.members.set(nodeKey.publicKey.toHex(), { keyPair: nodeKey, name: invited!.name, addresses: [ip] });
    },
    () => {
      const [hex, member] = anyOf(model.members) ?? [];
      if (!hex) return;
      office.carryOut(removeMembers(office, dnet, [member!.keyPair.publicKey]));
      forget(hex);
    },
    () => {
      const all = [...model.invitations.keys(), ...[...model.members.values()].flatMap(({ addresses }) => addresses)];
      if (all.length === 0) return;
      const ip = random.pick(all);
      office.carryOut(removeAddress(office, dnet, parseIp(ip)!));
      model.invitations.delete(ip);
      for (const [hex, member] of model.members) {
        member.addresses = member.addresses.filter((each) => each !== ip);
        if (member.addresses.length === 0) forget(hex);
      }
    },
    () => {
      const { ovx } = random.pick(ovxs);
      const isAttached = model.attached.has(ovx.toHex());
      office.carryOut(isAttached ? detach(office, dnet, ovx) : attach(office, dnet, ovx));
      if (!model.attached.delete(ovx.toHex())) model.attached.add(ovx.toHex());
    },
    () => {
      office.carryOut(setPolicy(office, dnet, `{"n":${++model.policy}}`));
    },
    () => {
      if (isPrivate) office.carryOut(rekey(office, dnet));
    },
  ];
  const isTaken = (ip: string) =>
    model.invitations.has(ip) || [...model.members.values()].some(({ addresses }) => addresses.includes(ip));

  for (let i = 0; i < steps; i++) {
    random.pick(moves)();
    const view = office.read(dnet);
    expect([seed, i, summary(view), view.flaws, view.sealed]).toEqual([seed, i, expected(dnet, model), [], 0]);
    past.push({ at: office.now - 1, was: summary(view) });
  }
  const now = office.read(dnet);
  for (const { keyPair } of model.members.values()) {
    expect(office.read(dnet, { networkKey: null, keyPairs: [keyPair] })).toEqual(now);
  }
  for (const { ovx, keyPair } of isPrivate ? ovxs : []) {
    const view = office.read(dnet, { networkKey: null, keyPairs: [keyPair] });
    if (!model.attached.has(ovx.toHex())) expect(["nothing", "past"]).toContain(view.reads);
    else expect(new Set(view.members.map(({ publicKey }) => publicKey.toHex()))).toEqual(new Set(model.members.keys()));
    expect(view.members.every(({ name: called }) => called === null)).toBe(true);
  }
  for (const keyPair of isPrivate ? removed : []) {
    const { reads, networkKey } = office.read(dnet, { networkKey: null, keyPairs: [keyPair] });
    expect(["nothing", "past"]).toContain(reads);
    expect((networkKey?.epoch ?? -1) < now.epoch).toBe(true);
  }
  for (let i = 0; i < 5; i++) {
    const { at, was } = random.pick(past);
    const then = readDnetAt(office.store, dnet, at, office.secrets, new Database(":memory:"))!;
    expect([seed, at, summary(then)]).toEqual([seed, at, was]);
  }
}

for (const isPrivate of [true, false]) {
  test(`DN-20 DN-22 DN-54 random histories of a ${isPrivate ? "private" : "public"} dnet read as they were made, by everyone who may, now and then`, () => {
    for (let seed = 1; seed <= 20; seed++) play(seed, isPrivate, 40);
  }, 60_000);
}
