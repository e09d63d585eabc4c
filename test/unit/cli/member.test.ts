import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { type Machine, Machines } from "./machine.ts";

const machines = new Machines();
afterAll(() => machines.remove());
let made = 0;
const newMachine = () => machines.make(`member-${++made}`);

async function ownerOf(create: string): Promise<Machine> {
  const owner = newMachine();
  await owner.ok(`net create ${create}`);
  return owner;
}
const anyKey = () => newMachine().key("node");

test("DN-20 without an address the lowest free one is taken, and printed; without a range it is of IPv6", async () => {
  const owner = await ownerOf("home --range 10.7.0.0/29");
  expect(await owner.ok(`member add home ${await anyKey()} --ip 10.7.0.2`)).toBe("10.7.0.2");
  expect(await owner.ok(`member add home ${await anyKey()} ${await anyKey()}`)).toBe("10.7.0.1\n10.7.0.3");
  for (let i = 4; i <= 6; i++) expect(await owner.ok(`member add home ${await anyKey()}`)).toBe(`10.7.0.${i}`);
  expect(await owner.error(`member add home ${await anyKey()}`)).toStartWith("1 error RANGE_FULL: ");
  const six = await ownerOf("six --range none");
  const { range6 } = await six.json("net show six");
  expect(await six.ok("member add six self")).toStartWith(range6.replace("::/48", ":"));
});

test("DN-21 a chosen address is used exactly, of IPv4 and of IPv6; what is out of range is refused", async () => {
  for (const kind of ["", " --public"]) {
    const owner = await ownerOf(`home --range 172.16.5.0/24${kind}`);
    const { range6 } = await owner.json("net show home");
    const ip6 = `${range6.replace("::/48", "")}:1::99`;
    expect(await owner.ok(`member add home ${await anyKey()} --name a --ip 172.16.5.200`)).toBe("172.16.5.200");
    expect(await owner.ok(`member add home ${await anyKey()} --name b --ip ${ip6}`)).toBe(ip6);
    for (const ip of ["172.16.6.1", "172.16.5.0", "172.16.5.255", "fd00::1", "8.8.8.8"]) {
      expect(await owner.error(`member add home ${await anyKey()} --ip ${ip}`)).toStartWith("2 error OUT_OF_RANGE: ");
    }
    expect(await owner.error(`member add home ${await anyKey()} --ip 172.16.5.255`)).toContain(
      "172.16.5.255 is the first or last address of 172.16.5.0/24, which are nobody's\n",
    );
    expect(await owner.error(`member add home ${await anyKey()} --ip fd00::1`)).toContain(
      `fd00::1 is not in the range ${range6} of this dnet\n`,
    );
    expect(await owner.error(`member add home ${await anyKey()} --ip nonsense`)).toStartWith(
      "2 error BAD_OPTION: --ip is nonsense",
    );
  }
});

test("DN-22 an address that a member or an invitation has is refused, and is free in another dnet", async () => {
  for (const kind of ["", " --public"]) {
    const owner = await ownerOf(`one --range 10.7.0.0/24${kind}`);
    await owner.ok(`net create two --range 10.7.0.0/24${kind}`);
    await owner.ok(`member add one ${await anyKey()} --name a --ip 10.7.0.9`);
    await owner.ok("invite one --ip 10.7.0.10 --name b");
    expect(await owner.error(`member add one ${await anyKey()} --ip 10.7.0.9`)).toContain(
      "10.7.0.9 is taken: it belongs to a\n",
    );
    expect(await owner.error(`member add one ${await anyKey()} --ip 10.7.0.10`)).toContain(
      "belongs to b, who is invited\n",
    );
    expect(await owner.ok(`member add two ${await anyKey()} --ip 10.7.0.9`)).toBe("10.7.0.9");
  }
});

test("adding and removing what is so already changes nothing", async () => {
  const owner = await ownerOf("home --range 10.7.0.0/24");
  const key = await anyKey();
  await owner.ok(`member add home ${key} --name nas`);
  const again = await owner.run(`member add home ${key} --name nas`);
  expect(again).toMatchObject({ exitCode: 0, stdout: "10.7.0.1\n", stderr: `${key} is a member already\n` });
  expect((await owner.json(`member add home ${key} --ip 10.7.0.1`)).steps).toEqual([]);
  expect((await owner.json(`member remove home ${key}`)).steps).toHaveLength(2);
  expect(await owner.run(`member remove home ${key}`)).toMatchObject({
    exitCode: 0,
    stderr: `${key} is nobody's in that dnet\n`,
  });
  expect((await owner.json("member remove home 10.7.0.77")).steps).toEqual([]);
});

test("DN-23 a member goes by name, key, C2PKH or address; its address is free again; others by a typo are not", async () => {
  const owner = await ownerOf("home --range 10.7.0.0/24");
  const guest = newMachine();
  const [key, c2pkh] = [await guest.key("node"), await guest.key("node", "c2pkh")];
  for (const word of ["phone", key, c2pkh, "10.7.0.1"]) {
    expect(await owner.ok(`member add home ${key} --name phone`)).toBe("10.7.0.1");
    expect((await owner.json(`member remove home ${word}`)).steps[0].note).toBe("removes phone from 10.7.0.1");
    expect((await owner.json("member list home")).members).toEqual([]);
  }
  await owner.ok(`member add home ${key} --name phone`);
  expect(await owner.error("member remove home phome")).toBe(
    "5 error UNKNOWN_MEMBER: nobody in that dnet is named phome\ntry phone\n",
  );
});

test("this machine is self when it is removed, too", async () => {
  const owner = await ownerOf("home --range 10.7.0.0/24");
  await owner.ok("member add home self --name laptop");
  expect((await owner.run("member remove home self")).stderr).toStartWith("removes laptop from 10.7.0.1\n");
  expect(await owner.run("member remove home self")).toMatchObject({
    exitCode: 0,
    stderr: "self is nobody's in that dnet\n",
  });
});

test("one address of several is taken back alone, and the member stays; an invitation by its name", async () => {
  const owner = await ownerOf("home --range 10.7.0.0/24");
  const key = await anyKey();
  await owner.ok(`member add home ${key} --name nas`);
  await owner.ok(`member add home ${key} --ip 10.7.0.50`);
  await owner.ok("member remove home 10.7.0.1");
  const [nas] = (await owner.json("member list home")).members;
  expect(nas.addresses[0]).toBe("10.7.0.50");
  await owner.ok("invite home --name phone");
  expect((await owner.json("member list home")).invitations).toMatchObject([{ name: "phone", address: "10.7.0.1" }]);
  await owner.ok("member remove home phone");
  expect((await owner.json("member list home")).invitations).toEqual([]);
});

test("a stranger's machine adds nobody: it may not sign, and of a private dnet it sees nothing", async () => {
  const owner = await ownerOf("home");
  await owner.ok("net create plaza --public");
  const stranger = newMachine();
  const path = machines.path("for-a-stranger");
  await owner.ok(`db export ${path}`);
  await stranger.ok(`db import ${path}`);
  const [home, plaza] = (await owner.json("net list")).dnets.map(({ dnet }: { dnet: string }) => dnet);
  expect(await stranger.error(`member add ${home} self`)).toStartWith("4 error DNET_SEALED: ");
  expect(await stranger.error(`member add ${plaza} self`)).toStartWith("4 error NOT_OWNER: that takes D");
  expect(await stranger.ok(`net show ${home}`)).toStartWith("(sealed) (private)\n");
});

test("keys are hex or z-base-32, and a typo is told", async () => {
  const owner = await ownerOf("home");
  expect(await owner.error("member add home nonsense")).toStartWith("2 error BAD_KEY: nonsense is no public key\n");
  expect(await owner.error(`member add home self ${await anyKey()} --name x`)).toStartWith("2 error OPTION_CONFLICT: ");
});

test("a key that stands twice in a list is added once; a member that has another name keeps it, and that is told", async () => {
  const owner = await ownerOf("home --range 10.9.0.0/24");
  const [one, two] = [await anyKey(), await anyKey()];
  expect(await owner.ok(`member add home ${one} ${two} ${one}`)).toBe("10.9.0.1\n10.9.0.2");
  const [nas] = [await anyKey()];
  await owner.ok(`member add home ${nas} --name nas`);
  expect(await owner.error(`member add home ${nas} --name phone`)).toBe(
    "1 error ALREADY_NAMED: the member that shall be called phone is called nas\n" +
      "try to give it another name, remove it and add it again\n",
  );
  expect(await owner.error(`member add home ${one} --name phone`)).toStartWith("1 error ALREADY_A_MEMBER: ");
});

test("two commands at once come one after the other, and both are done", async () => {
  const owner = machines.make("at-once");
  const id = await owner.ok("net create home");
  const keys = await Promise.all([1, 2, 3, 4].map((n) => machines.make(`at-once-${n}`).key("node")));
  const main = join(import.meta.dir, "../../../src/main.ts");
  const all = keys.map((key) =>
    Bun.spawn([process.execPath, main, "member", "add", id, key, "--state", owner.state], {
      stdout: "pipe",
      stderr: "pipe",
    }),
  );
  expect(await Promise.all(all.map(({ exited }) => exited))).toEqual([0, 0, 0, 0]);
  expect((await owner.json("member list home")).members).toHaveLength(4);
});
