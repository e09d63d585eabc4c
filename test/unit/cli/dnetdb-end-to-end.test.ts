import { afterAll, expect, test } from "bun:test";
import { Machines } from "./machine.ts";

const machines = new Machines();
afterAll(() => machines.remove());

/** Carries all records of one machine to another, as a file on a stick. */
let carried = 0;
async function carry(from: ReturnType<Machines["make"]>, to: ReturnType<Machines["make"]>): Promise<string> {
  const path = machines.path(`stick-${++carried}`);
  await from.ok(`db export ${path}`);
  const { stderr } = await to.run(`db import ${path}`);
  return stderr;
}

test("a private dnet's whole life on two machines: made, filled, joined, rekeyed, handed over, verified, read back", async () => {
  const [owner, guest] = [machines.make("owner"), machines.make("guest")];
  const id = await owner.ok("net create home --range 10.7.0.0/24");
  expect(id).toMatch(/^[1-9A-HJ-NP-Za-km-z]{43,44}$/);
  expect((await owner.json("net list")).dnets).toMatchObject([
    { dnet: id, name: "home", isOwner: true, isMember: false },
  ]);

  // Members with addresses of both families, chosen and found.
  expect(await owner.ok("member add home self --name laptop")).toBe("10.7.0.1");
  const nas = await machines.make("nas").key("node");
  expect(await owner.ok(`member add home ${nas} --name nas --ip 10.7.0.77`)).toBe("10.7.0.77");
  const { range6 } = await owner.json("net show home");
  const chosen = `${range6.replace("::/48", "")}::5`;
  expect(await owner.ok(`member add home ${nas} --ip ${chosen}`)).toBe(chosen);
  const [laptop, second] = (await owner.json("member list home")).members;
  expect(laptop.addresses).toHaveLength(2);
  expect(laptop.addresses[1]).toStartWith(range6.replace("::/48", ""));
  expect(second.addresses.slice(0, 2)).toEqual(["10.7.0.77", chosen]);
  const taken = await owner.error(`member add home ${await machines.make("x").key("node")} --ip 10.7.0.77`);
  expect(taken).toBe(
    "1 error ADDRESS_TAKEN: 10.7.0.77 is taken: it belongs to nas\ntry name another address, or none: a free one is taken\n",
  );
  const beforeGuest = new Date(machines.now).toISOString();

  // DN-26: with the invitation and a way to a replica the guest joins.
  const code = await owner.ok("invite home --name phone");
  const early = await guest.error("join", { stdin: code });
  expect(early).toStartWith(`6 error RECORD_ABSENT: the records of ${id} are not here yet; the invitation is kept\n`);
  expect(await carry(owner, guest)).toContain("home: joins as phone at 10.7.0.2\n");
  expect((await guest.json("net list")).dnets).toMatchObject([
    { dnet: id, name: "home", isMember: true, takesPart: true },
  ]);
  await carry(guest, owner);
  expect((await owner.json("member list home")).members).toHaveLength(3);
  const withGuest = new Date(machines.now).toISOString();

  // Removed: the address is free again, and there is a new network key that the guest does not have.
  expect((await owner.run("member remove home phone")).stderr).toContain("gives a new network key to 2 members");
  await carry(owner, guest);
  expect(await guest.json("net show home")).toMatchObject({ reads: "past", isMember: false, epoch: 1 });
  expect(await guest.ok("member list home")).toEndWith(
    "does not have the newest network key: who came with it is sealed",
  );
  await owner.ok("net rekey home");
  expect((await owner.json("net show home")).epoch).toBe(2);

  // Handed over to the guest, who then owns it, and cannot be undone by the first owner.
  await owner.ok(`net transfer home ${await guest.key("owner", "c2pkh")}`);
  await carry(owner, guest);
  expect(await owner.error("net close home")).toStartWith("4 error NOT_OWNER: that takes ");
  expect((await guest.json("net list")).dnets).toMatchObject([{ name: "home", isOwner: true }]);

  // The past, as far back as one likes, and all of it checked again.
  for (const machine of [owner, guest]) expect(await machine.ok("db verify")).toBe("");
  const then = await owner.json(`db at ${beforeGuest} home`);
  expect(then.members.map((member: { name: string }) => member.name)).toEqual(["laptop", "nas"]);
  const later = await owner.json(`db at ${withGuest} home`);
  expect(later.members.map((member: { name: string }) => member.name)).toEqual(["laptop", "nas", "phone"]);
  const changes = await owner.ok(`db diff ${withGuest}.. home`);
  expect(changes).toContain("- member phone: 10.7.0.2, ");
  expect(changes).toContain("~ key: network key 0 -> network key 2");
  expect(changes).toContain("~ owner: ");
  const ops = (await owner.json("db log home")).steps.map(({ op }: { op: string }) => op.replace("OP_DNET_", ""));
  expect(ops.join(" ")).toBe("OP_MINT CREATE NODE NODE NODE INVITE JOIN NODE_REMOVE KEY KEY TRANSFER");
});

test("a public dnet shows all to a machine that was told nothing", async () => {
  const [owner, stranger] = [machines.make("owner-2"), machines.make("stranger")];
  const id = await owner.ok("net create plaza --public --range none");
  const ip = await owner.ok("member add plaza self --name fountain");
  expect(ip).toStartWith("fd");
  await carry(owner, stranger);
  const shown = await stranger.json(`net show ${id.slice(0, 6)}`);
  expect(shown).toMatchObject({
    name: "plaza",
    isPrivate: false,
    range4: null,
    members: [{ name: "fountain", addresses: [ip] }],
  });
});
