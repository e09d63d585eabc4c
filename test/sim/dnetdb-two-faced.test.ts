/** Many replicas of DNetDB, in simulated time, among owners, clouds and peers who say two things or lie: what they end with all the same. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { compareBytes, sameBytes } from "../../src/base/bytes.ts";
import { decodeSyncMessage, encodeSyncMessage, type Interests } from "../../src/overlay/dnetdb/sync-messages.ts";
import { decodeTransaction, encodeTransaction } from "../../src/overlay/dnetdb/transaction.ts";
import { verifyStore } from "../../src/overlay/dnetdb/verify.ts";
import { BODY } from "../support/dnetdb-steps.ts";
import { SeededRandom } from "../support/random.ts";
import { Cloud, Owner, Replicas, type Signed, START, type Tamper } from "../support/replicas.ts";
import { twoFaced } from "../support/two-faced.ts";

const SEEDS = Number(Bun.env["DNET_SEEDS"] ?? 1);
const COUNT = 50;

/** Garbage, flipped bits, steps that are held back: every frame may be one of them. */
function liar(random: SeededRandom): Tamper {
  return (frame) => {
    const message = decodeSyncMessage(frame);
    if (random.chance(0.6) || message?.type === "hello") return frame;
    if (random.chance(0.1)) return random.bytes(1 + random.below(200));
    if (random.chance(0.3)) return frame.with(random.below(frame.length), random.below(256));
    if (message?.type === "items") {
      const few = message.items.slice(0, random.below(message.items.length + 1));
      const items = few.map((item) =>
        item.kind === "transaction" && random.chance(0.5)
          ? { ...item, bytes: item.bytes.with(random.below(item.bytes.length), random.below(256)) }
          : item,
      );
      return encodeSyncMessage({ ...message, items });
    }
    if (message?.type === "heads") {
      const heads = message.heads.map((head) => ({ ...head, head: random.bytes(32), height: random.below(1_000) }));
      return encodeSyncMessage({ ...message, heads });
    }
    return random.chance(0.5) ? null : frame;
  };
}

test.each(Array.from({ length: SEEDS }, (_, i) => i + 1))(
  "replicas that were parted, restarted and lied to end in the same state, a two-faced owner and a two-faced cloud included (seed %i)",
  (seed) => {
    const random = new SeededRandom(seed);
    const net = new Replicas();
    while (net.stores.length < COUNT) net.add();
    const LIAR = COUNT - 1;
    net.tampers.set(LIAR, liar(random));
    net.link(random, 4);
    const owners = Array.from({ length: 6 }, (_, i) => new Owner(seed * 100 + i));
    const honest = () => random.below(LIAR);
    const cloud = new Cloud(seed);
    // Two machines have its key, and each seals what it has heard.
    const twoFacedCloud = new Cloud(seed + 500);
    net.submit(0, ...cloud.first);
    for (const at of [1, 2]) net.submit(at, ...twoFacedCloud.first);
    // Where each owner's machine is; the last owner says one thing here and another there.
    const twoFaced = owners.at(-1)!;
    const homes = owners.map((_, i) => (i === 1 || i === 2 ? i : honest()));
    const written = new Map<Owner, Signed[]>(owners.map((owner) => [owner, [...owner.first]]));
    const write = (owner: Owner, home: number, ...steps: Signed[]) => {
      written.get(owner)!.push(...steps);
      net.submit(home, ...steps);
    };
    for (const [i, owner] of owners.entries()) {
      net.submit(homes[i]!, ...owner.first);
      write(owner, homes[i]!, owner.attach(cloud.record), owner.attach(twoFacedCloud.record));
    }
    for (const at of [1, 2]) {
      net.stores[at]!.seal(START + net.now, twoFacedCloud.record, twoFacedCloud.keyPair);
      net.changed(at);
    }
    for (let round = 0; round < 40; round++) {
      for (let i = 0; i < 3; i++) {
        const at = random.below(owners.length - 1);
        const [owner, home] = [owners[at]!, homes[at]!];
        if (random.chance(0.3)) {
          const { invitation, join } = owner.invite();
          write(owner, home, invitation);
          // Whoever was invited may join anywhere where the invitation has come.
          const place = random.chance(0.5) ? honest() : home;
          const isThere = net.stores[place]!.transaction(invitation.id) !== null;
          write(owner, isThere ? place : home, join);
        } else write(owner, home, owner.add());
      }
      if (random.chance(0.3)) {
        const before = twoFaced.head;
        const sides = [honest(), honest()].filter((at) => net.stores[at]!.transaction(before.id));
        for (const side of sides) {
          twoFaced.head = before;
          for (let i = 0; i <= random.below(3); i++) write(twoFaced, side, twoFaced.add());
        }
      }
      if (random.chance(0.3)) {
        net.stores[0]!.seal(START + net.now, cloud.record, cloud.keyPair);
        net.changed(0);
      }
      if (random.chance(0.5)) net.restart(honest());
      if (random.chance(0.5)) net.cut(honest());
      if (random.chance(0.4)) net.link(random, 2);
      net.run(net.now + random.below(400));
    }
    net.link(random, 4);
    net.run(net.now + 10_000);
    net.link(random, 4);
    net.run(net.now + 600_000);
    const states = Array.from({ length: LIAR }, (_, at) => net.state(at));
    expect(new Set(states).size).toBe(1);
    for (const owner of owners) {
      for (const { id } of written.get(owner)!) {
        if (!net.stores[0]!.transaction(id)) throw new Error(`seed ${seed}: a step of ${owner.record.toHex()} is lost`);
      }
      if (owner !== twoFaced) expect(net.stores[7]!.headOf(owner.record)!.head).toEqual(owner.head.id);
    }
    expect(net.stores[3]!.evidence(twoFaced.record).length).toBeGreaterThan(0);
    const hasProof = ({ witnesses }: (typeof net.stores)[number]) => witnesses.fork(twoFacedCloud.record) !== null;
    expect(net.stores.slice(0, LIAR).every(hasProof)).toBe(true);
    expect(verifyStore(net.databases[3]!, new Database(":memory:"))).toEqual([]);
    const dropped = net.outputs.flatMap(({ at, of, output }) =>
      output.type === "dropped" && output.reason ? [{ at, of, why: output.reason }] : [],
    );
    // Whoever told the liar off was right, and nobody told off anyone else.
    expect(dropped.filter(({ at, of }) => at !== LIAR && of !== LIAR)).toEqual([]);
    expect(dropped.filter(({ of }) => of === LIAR).length).toBeGreaterThan(0);
  },
  120_000,
);

test.each(Array.from({ length: 12 * SEEDS }, (_, i) => i + 1))(
  "replicas end in the same state where everyone is two-faced: owners, joiners, clouds and their providers (seed %i)",
  (seed) => {
    const chance = new SeededRandom(70_000 + seed);
    const net = new Replicas();
    while (net.stores.length < 6) net.add();
    const { clouds, dnet, said } = twoFaced(chance);
    const link = (degree: number) => {
      for (let at = 0; at < 6; at++)
        for (let i = 0; i < degree; i++) {
          const to = i === 0 ? (at + 1) % 6 : chance.below(6);
          // One of them follows the dnet and what is around it.
          if (to !== at && !net.isLinked(at, to))
            net.connect(at, to, [at, to].map((each) => (each === 5 ? [dnet] : "all")) as [Interests, Interests]);
        }
    };
    link(1);
    for (const each of said) {
      const bytes = encodeTransaction(each);
      const body = each.bodyHash && BODY;
      for (let i = 0; i <= chance.below(2); i++) {
        const at = chance.below(5);
        net.replicas[at]!.submit(net.now, START + net.now, bytes, body);
        net.changed(at);
      }
      if (chance.chance(0.4)) {
        const [{ ovx, keys }, at] = [chance.pick(clouds), chance.below(5)];
        try {
          if (net.stores[at]!.view(ovx)) net.stores[at]!.seal(START + net.now, ovx, chance.pick(keys));
        } catch {} // another machine has signed its last block
        net.changed(at);
      }
      if (chance.chance(0.2)) net.restart(chance.below(6));
      if (chance.chance(0.3)) net.cut(chance.below(6));
      if (chance.chance(0.5)) link(1);
      net.run(net.now + chance.below(200));
    }
    // What was refused anywhere, as what it spends had not come.
    for (const each of said)
      net.replicas[0]!.submit(net.now, START + net.now, encodeTransaction(each), each.bodyHash && BODY);
    net.changed(0);
    link(3);
    net.run(net.now + 3_600_000);
    const records = [dnet, ...clouds.map(({ ovx }) => ovx)];
    const stateOf = (at: number) => {
      const store = net.stores[at]!;
      return (at === 5 ? [dnet] : records).map((record) => ({
        head: { ...store.headOf(record)!, changed: 0 },
        stands: store.transactionsOf(record).map((bytes) => decodeTransaction(bytes)!.id.toHex()),
        lost: store.evidence(record).map(({ id }) => id.toHex()),
        final: store.transactionsOf(record).map((bytes) => store.witnesses.of(decodeTransaction(bytes)!.id).length),
      }));
    };
    for (let at = 1; at < 6; at++)
      expect({ seed, at, state: stateOf(at) }).toEqual({ seed, at, state: stateOf(0).slice(0, stateOf(at).length) });
    const [mark, dropped] = [net.sent.length, net.outputs.filter(({ output }) => output.type === "dropped")];
    net.run(net.now + 3_600_000);
    expect([net.sent.length - mark, dropped]).toEqual([0, []]);
  },
  60_000,
);

test.each(Array.from({ length: 12 * SEEDS }, (_, i) => i + 1))(
  "an owner who says more than replicas keep, with a cloud or without, does not make them part, nor talk without end (seed %i)",
  (seed) => {
    const random = new SeededRandom(80_000 + seed);
    const net = new Replicas();
    while (net.stores.length < 4) net.add();
    const [owner, cloud] = [new Owner(seed + 900), new Cloud(seed + 700)];
    const common = [...cloud.first, ...owner.first, owner.attach(cloud.record)];
    for (let at = 0; at < 4; at++) net.submit(at, ...common);
    // Some thirty that spend each of a few outputs; a fifth of them break a rule.
    const spent = [owner.head];
    for (let i = 0; i < 120; i++) {
      owner.head = random.pick(spent);
      const wrong = { op: "OP_DNET_KEY", dnet: owner.record, epoch: 5 } as const;
      const said = random.chance(0.2) ? owner.sign(owner.head, wrong, new Uint8Array(3)) : owner.add(20);
      if (spent.length < 5) spent.push(said);
      for (const at of [random.below(4), random.below(4)]) {
        net.replicas[at]!.submit(net.now, START + net.now, said.bytes, said.body);
      }
      if (random.chance(0.05)) net.stores[0]!.seal(START + net.now, cloud.record, cloud.keyPair);
    }
    for (let a = 0; a < 4; a++) for (let b = a + 1; b < 4; b++) net.connect(a, b);
    net.run(net.now + 3_600_000);
    const mark = net.sent.length;
    net.run(net.now + 3_600_000);
    expect(net.sent.length - mark).toBe(0);
    expect(new Set(net.stores.map((store) => store.headOf(owner.record)!.head.toHex())).size).toBe(1);
  },
  20_000,
);

test.each(Array.from({ length: SEEDS }, (_, i) => i + 1))(
  "what clouds bear witness to reaches everyone, and of two branches the witnessed one stands everywhere (seed %i)",
  (seed) => {
    const random = new SeededRandom(seed);
    const net = new Replicas();
    while (net.stores.length < 12) net.add();
    const cloud = new Cloud(seed + 40);
    const owner = new Owner(seed + 60);
    net.submit(0, ...cloud.first);
    net.submit(1, ...owner.first, owner.attach(cloud.record));
    net.link(random, 4);
    net.run(net.now + 5_000);
    const seal = () => {
      net.stores[0]!.seal(START + net.now, cloud.record, cloud.keyPair);
      net.changed(0);
      net.run(net.now + 5_000);
    };
    seal();
    for (const store of net.stores) expect(store.witnesses.of(owner.head.id)).toEqual([cloud.record]);

    // The cloud and half of the others hear one thing, the rest another; both are longer than one step.
    const before = owner.head;
    for (let at = 0; at < 6; at++) for (let to = 6; to < 12; to++) net.cut(at, to);
    const [low, high] = [5, 6];
    const branches = [low, high].map((at) => {
      owner.head = before;
      const branch = [owner.add(), owner.add(), owner.add()];
      net.submit(at, ...branch);
      return branch;
    });
    net.run(net.now + 5_000);
    seal();
    for (let i = 0; i < 20; i++) {
      const [a, b] = [random.below(6), 6 + random.below(6)];
      if (!net.isLinked(a, b)) net.connect(a, b);
    }
    net.run(net.now + 60_000);
    net.link(random, 4);
    net.run(net.now + 600_000);
    expect(new Set(net.stores.map((_, at) => net.state(at))).size).toBe(1);
    const witnessed = branches[0]!.at(-1)!;
    const isHeard = net.stores[0]!.witnesses.of(witnessed.id).length > 0;
    expect(isHeard).toBe(true);
    for (const store of net.stores) {
      expect(store.headOf(owner.record)!.head).toEqual(witnessed.id);
      expect(store.evidence(owner.record).length).toBe(3);
    }
  },
  30_000,
);

test("replicas end alike where a step came that breaks the rules, to the one before what it loses to and to the other after", () => {
  const net = new Replicas();
  const [one, other] = [net.add(), net.add()];
  const dnet = new Owner(21);
  const before = dnet.head;
  const policies = Array.from({ length: 8 }, () => {
    dnet.head = before;
    return dnet.policy(new Uint8Array(9));
  }).sort((a, b) => compareBytes(a.id, b.id));
  const [low, high] = [policies[0]!, policies.at(-1)!];
  const wrong = Array.from({ length: 64 }, () =>
    dnet.sign(before, { op: "OP_DNET_KEY", dnet: dnet.record, epoch: 7 }, new Uint8Array(9)),
  ).find(({ id }) => compareBytes(low.id, id) < 0 && compareBytes(id, high.id) < 0)!;
  net.submit(one, ...dnet.first, high);
  net.submit(other, ...dnet.first, low, wrong);
  // What loses to `low` comes first, and would stand.
  let isLowHeld = true;
  net.tampers.set(other, (frame) => {
    const message = decodeSyncMessage(frame);
    if (message?.type !== "items" || !isLowHeld) return frame;
    const items = message.items.filter((each) => each.kind !== "transaction" || !sameBytes(each.bytes, low.bytes));
    return encodeSyncMessage({ ...message, items });
  });
  net.connect(other, one);
  net.run();
  isLowHeld = false;
  net.run(net.now + 10 * 60_000);
  expect(net.state(one)).toBe(net.state(other));
  expect(net.stores[one]!.evidence(dnet.record).map(({ id }) => id)).toContainEqual(wrong.id);
});

test.each([1, 1_100])(
  "a replica that was told many other steps first comes to what the clouds have witnessed: %i steps",
  (count) => {
    const net = new Replicas();
    const [home, fooled] = [net.add(), net.add()];
    const [dnet, cloud] = [new Owner(31), new Cloud(32)];
    const common = [...cloud.first, ...dnet.first, dnet.attach(cloud.record)];
    for (const at of [home, fooled]) net.submit(at, ...common);
    const before = dnet.head;
    const rivals = Array.from({ length: 20 }, () =>
      dnet.sign(before, { op: "OP_DNET_CLOSE", dnet: dnet.record }, null),
    );
    const firsts = Array.from({ length: 20 }, () => {
      dnet.head = before;
      return dnet.policy(new Uint8Array(9));
    });
    const honest = firsts.sort((a, b) => compareBytes(b.id, a.id)).slice(0, 1);
    dnet.head = honest[0]!;
    while (honest.length < count) honest.push(dnet.add(60));
    const lower = rivals.filter(({ id }) => compareBytes(id, honest[0]!.id) < 0);
    net.submit(home, ...honest);
    net.stores[home]!.seal(START, cloud.record, cloud.keyPair);
    for (const { bytes, body } of lower) net.replicas[fooled]!.submit(net.now, START, bytes, body);
    expect(net.stores[fooled]!.view(dnet.record)!.isClosed).toBe(true);
    expect(lower.length).toBeGreaterThan(10); // more than are kept
    net.connect(home, fooled);
    net.run(net.now + 60 * 60_000);
    for (const at of [home, fooled]) {
      expect(net.stores[at]!.headOf(dnet.record)!.head).toEqual(honest.at(-1)!.id);
      expect(net.stores[at]!.missingBodies(dnet.record, 1)).toEqual([]);
    }
    expect(net.state(fooled)).toBe(net.state(home));
  },
  20_000,
);

test("what breaks a rule in one branch parts no two replicas of which the one has another branch", () => {
  const net = new Replicas();
  const [home, fooled] = [net.add(), net.add()];
  const [dnet, cloud, other] = [new Owner(41), new Cloud(42), new Owner(43)];
  const common = [...cloud.first, ...dnet.first, dnet.attach(cloud.record)];
  for (const at of [home, fooled]) net.submit(at, ...common);
  const before = dnet.head;
  const firsts = Array.from({ length: 8 }, () => {
    dnet.head = before;
    return dnet.policy(new Uint8Array(9));
  }).sort((a, b) => compareBytes(a.id, b.id));
  const [low, high] = [firsts[0]!, firsts.at(-1)!];
  // What nobody would let stand: in a private dnet no key stands in clear.
  dnet.head = low;
  const invitations: Signed[] = [];
  const wrong: Signed[] = [];
  for (let i = 0; i < 5; i++) {
    const place = { dnet: dnet.record, slot: { kind: "tag", tag: new Uint8Array(16).fill(i) } } as const;
    const script = { op: "OP_DNET_INVITE", ...place, expiresAt: null } as const;
    dnet.head = dnet.sign(dnet.head, script, new Uint8Array(9), { guest: dnet.keyPair });
    invitations.push(dnet.head);
    const join = { op: "OP_DNET_JOIN", ...place, member: { kind: "key", publicKey: dnet.keyPair.publicKey } } as const;
    for (let at = 0; at < 8; at++) wrong.push(dnet.sign(dnet.head, join, new Uint8Array(9), { output: 1 }));
  }
  net.submit(home, high);
  net.stores[home]!.seal(START, cloud.record, cloud.keyPair);
  net.submit(home, low, ...invitations, ...wrong, ...other.first);
  // What the cloud says of its branch comes after all that, as it is said anew of a further step.
  dnet.head = high;
  net.submit(home, dnet.add());
  net.stores[home]!.seal(START, cloud.record, cloud.keyPair);
  net.submit(fooled, low, ...invitations);
  net.connect(home, fooled);
  net.run(net.now + 60 * 60_000);
  expect(net.outputs.filter(({ output }) => output.type === "dropped")).toEqual([]);
  expect(net.stores[fooled]!.headOf(dnet.record)!.head).toEqual(dnet.head.id);
  expect(net.state(fooled)).toBe(net.state(home));
});
