import { afterAll, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Machine, Machines } from "./machine.ts";

const machines = new Machines();
afterAll(() => machines.remove());
let made = 0;
const newMachine = () => machines.make(`join-${++made}`);

async function carry(from: Machine, to: Machine): Promise<void> {
  const path = machines.path(`stick-${++made}`);
  await from.ok(`db export ${path}`);
  await to.ok(`db import ${path}`);
}

/** An owner with a dnet, and a machine that has its records. */
async function pair(create: string): Promise<[Machine, Machine]> {
  const [owner, guest] = [newMachine(), newMachine()];
  await owner.ok(`net create ${create} --range 10.7.0.0/24`);
  await owner.ok("member add home self --name laptop");
  return [owner, guest];
}

test("DN-26 an invitation is one word; who has it joins, once, and lists the dnet", async () => {
  for (const kind of ["", " --public"]) {
    const [owner, guest] = await pair(`home${kind}`);
    const code = await owner.ok("invite home --name phone");
    expect(code).toMatch(/^dnet1:[a-z0-9]+$/);
    await carry(owner, guest);
    const joined = await guest.run("join", { stdin: `  ${code}\n` });
    expect(joined).toMatchObject({ exitCode: 0, stdout: "10.7.0.2\n" });
    expect(joined.stderr).toStartWith("joins as phone at 10.7.0.2\n");
    expect((await guest.json("net list")).dnets).toMatchObject([
      { name: "home", isMember: true, takesPart: true, isJoining: false },
    ]);
    expect(await guest.run("join", { stdin: code })).toMatchObject({
      exitCode: 0,
      stderr: "this machine is a member already\n",
    });
    await carry(guest, owner);
    const { members, invitations } = await owner.json("member list home");
    expect([members[1].name, members[1].how, members[1].publicKey, invitations]).toEqual([
      "phone",
      "joined",
      await guest.key("node"),
      [],
    ]);
    const late = newMachine();
    await carry(owner, late);
    expect(await late.error("join", { stdin: code })).toStartWith("4 error INVITATION_USED: ");
    expect((await late.json("net list")).dnets).toEqual([]);
  }
});

test("an invitation is no argument; it comes by a file too; what is none is not repeated", async () => {
  const [owner, guest] = await pair("home");
  const code = await owner.ok("invite home");
  const typed = await guest.error(`join ${code}`);
  expect(typed).toStartWith("2 error SECRET_AS_ARGUMENT: ");
  expect(typed).not.toContain(code);
  const path = machines.path("code");
  writeFileSync(path, `${code}\n`);
  await carry(owner, guest);
  expect(await guest.ok(`join ${path} --name tablet`)).toBe("10.7.0.2");
  const typo = await guest.error("join", { stdin: code.slice(0, -1) });
  expect(typo).toStartWith("9 error BAD_INVITATION: expected an invitation, and got ");
  expect(typo).not.toContain(code.slice(10, 60));
  expect(await guest.error("join")).toContain("got nothing\n");
});

test("an invitation ends with its time, and when it is withdrawn", async () => {
  const [owner, guest] = await pair("home");
  const [soon, withdrawn] = [
    await owner.ok("invite home --expires 30m"),
    await owner.ok("invite home --name gone --expires never"),
  ];
  await owner.ok("member remove home gone");
  await carry(owner, guest);
  machines.now += 3_600_000;
  expect(await guest.error("join", { stdin: soon })).toStartWith(
    "4 error INVITATION_EXPIRED: this invitation was good until 2025-03-01 ",
  );
  expect(await guest.error("join", { stdin: withdrawn })).toStartWith("4 error INVITATION_WITHDRAWN: ");
  expect((await owner.json("member list home")).invitations).toMatchObject([{ isExpired: true }]);
  expect(await owner.error("invite home --expires 2020-01-01")).toStartWith(
    "2 error BAD_OPTION: --expires is 2020-01-01; ",
  );
});

test("DN-27 who is named a member is asked first, and takes part by accept; by policy it is not asked", async () => {
  for (const kind of ["", " --public"]) {
    const [owner, guest] = await pair(`home${kind}`);
    await owner.ok(`member add home ${await guest.key("node")} --name phone`);
    await carry(owner, guest);
    const [pending] = (await guest.json("net list")).dnets;
    expect(pending).toMatchObject({ name: "home", isMember: true, isPending: true, takesPart: false });
    expect(await guest.ok("net list")).toContain("pending: dnet accept");
    const accepted = await guest.run(`accept ${pending.dnet}`);
    expect(accepted).toMatchObject({ exitCode: 0, stdout: "10.7.0.2\n", stderr: "this machine takes part in home\n" });
    expect((await guest.json("net list")).dnets).toMatchObject([{ isPending: false, takesPart: true }]);
    expect((await guest.run("accept home")).stderr).toBe("this machine took part already\n");
    // The owner's own machine was named by its person.
    expect((await owner.json("net list")).dnets).toMatchObject([{ takesPart: true }]);
    const other = newMachine();
    await carry(owner, other);
    expect(await other.error(`accept ${pending.dnet}`)).toStartWith("4 error NOT_A_MEMBER: this machine, ");
    await owner.ok(`member add home ${await other.key("node")}`);
    await owner.ok("net policy home -", { stdin: '{"needConfirmation":false}' });
    await carry(owner, other);
    expect((await other.json("net list")).dnets).toMatchObject([{ isPending: false, takesPart: true }]);
  }
});

test("DN-55 with the records and the node's key alone a member reads its private dnet again", async () => {
  const [owner, guest] = await pair("home");
  const code = await owner.ok("invite home --name phone");
  await carry(owner, guest);
  await guest.ok("join", { stdin: code });
  await carry(guest, owner);
  await owner.ok("net rekey home");
  const bare = newMachine();
  const key = machines.path("phone.key");
  await guest.ok(`wallet export ${key} --node`);
  await bare.ok(`wallet import ${key} --node`);
  await carry(owner, bare);
  const [found] = (await bare.json("net list")).dnets;
  expect(await bare.json(`net show ${found.dnet}`)).toMatchObject({ name: "home", reads: "everything", epoch: 1 });
});

test("DN-55 so does who joined before a new network key that the owner made without having heard of it", async () => {
  const [owner, guest] = await pair("home");
  const code = await owner.ok("invite home --name phone");
  await carry(owner, guest);
  await guest.ok("join", { stdin: code });
  const rekeyed = await owner.run("net rekey home");
  expect(rekeyed.stderr).toStartWith("gives a new network key to 1 member and 1 who is invited\n");
  await carry(guest, owner);
  const bare = newMachine();
  const key = machines.path("late.key");
  await guest.ok(`wallet export ${key} --node`);
  await bare.ok(`wallet import ${key} --node`);
  await carry(owner, bare);
  const [found] = (await bare.json("net list")).dnets;
  expect(await bare.json(`net show ${found.dnet}`)).toMatchObject({ name: "home", reads: "everything", epoch: 1 });
});

test("the name that is asked for is kept with an invitation that waits for records", async () => {
  const [owner, guest] = await pair("home");
  const code = await owner.ok("invite home");
  expect(await guest.error("join --name a/b", { stdin: code })).toStartWith("2 error NAME_INVALID: ");
  expect((await guest.json("net list")).dnets).toEqual([]);
  expect(await guest.error("join --name tablet", { stdin: code })).toStartWith("6 error RECORD_ABSENT: ");
  await carry(owner, guest);
  expect((await guest.json("member list home")).members[1]).toMatchObject({ name: "tablet" });
});

test("on a terminal an invitation is asked for, and read by the line", async () => {
  const [owner, guest] = await pair("home");
  const code = await owner.ok("invite home --name phone");
  await carry(owner, guest);
  const joined = await guest.run("join", { typed: [code] });
  expect([joined.stdout, joined.stderr.split("\n")[0]]).toEqual(["10.7.0.2\n", "invitation: "]);
});

test("the list keeps a network key, which no output has", async () => {
  const [owner, guest] = await pair("home");
  const code = await owner.ok("invite home");
  await carry(owner, guest);
  const outputs = [
    await guest.ok("join --json", { stdin: code }),
    await guest.ok("net list --json"),
    await guest.ok("net show home --json"),
  ];
  const [kept] = JSON.parse(readFileSync(join(guest.state, "dnets.json"), "utf8")).dnets;
  expect(kept).toMatchObject({ name: "home", isAccepted: true, networkKey: { epoch: 0 } });
  for (const text of outputs) {
    expect(text).not.toContain(kept.networkKey.key);
    expect(text).not.toContain(code);
  }
});
