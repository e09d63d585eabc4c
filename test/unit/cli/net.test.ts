import { afterAll, expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatId, parseId, recordId } from "../../../src/overlay/dnetdb/ids.ts";
import { FakeTerminal } from "./fake-context.ts";
import { Machines } from "./machine.ts";

const machines = new Machines();
afterAll(() => machines.remove());
let made = 0;
const newMachine = () => machines.make(`net-${++made}`);

test("DN-01 create prints the id of a dnet, lists it by its name, and says that it is pending", async () => {
  const owner = newMachine();
  const { exitCode, stdout, stderr } = await owner.run("net create home --range 10.9.0.0/16");
  expect(exitCode).toBe(0);
  const id = stdout.trim();
  expect(stderr.split("\n")).toEqual([
    "mints the token that the record begins with",
    "creates the private dnet home",
    "its members: dnet member add home KEY, or self for this machine; dnet invite home",
    "pending until 1 cloud has witnessed it, 0 so far; kept here, and dnet db sync carries it on",
    "",
  ]);
  expect(await owner.ok("net list")).toMatch(
    new RegExp(`^NAME  MEMBERS  ID +THIS MACHINE\nhome  0        ${id}  owner$`),
  );
  for (const name of readdirSync(owner.state)) expect(statSync(join(owner.state, name)).mode & 0o077).toBe(0);
  expect(await newMachine().run("net list")).toMatchObject({ exitCode: 0, stdout: "" });
});

test("DN-03 the id is the hash of the transaction before the creation; two are never the same", async () => {
  const owner = newMachine();
  const one = await owner.json("net create one");
  const [mint, creation] = one.steps;
  expect([mint.op, creation.op]).toEqual(["OP_MINT", "OP_DNET_CREATE"]);
  expect(formatId(recordId(parseId(mint.transaction)!))).toBe(one.dnet);
  expect((await owner.json("net create two")).dnet).not.toBe(one.dnet);
});

test("--json has a schema and no secret, whatever was done", async () => {
  const owner = newMachine();
  const outputs = [
    await owner.ok("net create home --json"),
    await owner.ok("member add home self --name laptop --json"),
    await owner.ok("net rekey home --json"),
    await owner.ok("net show home --json"),
    await owner.ok("net list --json"),
    await owner.ok("member list home --json"),
    await owner.ok("net policy home --json"),
    await owner.ok("db log home --json"),
    await owner.ok("wallet show --json"),
  ];
  for (const text of outputs) expect(JSON.parse(text).schema).toMatch(/^dnet\.[a-z-]+\/1$/);
  const { networkKey } = JSON.parse(readFileSync(join(owner.state, "dnets.json"), "utf8")).dnets[0];
  const seeds = ["owner.key", "node.key"].map((name) => readFileSync(join(owner.state, name), "utf8").trim());
  for (const secret of [networkKey.key, ...seeds]) for (const text of outputs) expect(text).not.toContain(secret);
});

test("a name that is taken or none, a range that is none, a dnet that is none: two lines and an exit code", async () => {
  const owner = newMachine();
  const id = await owner.ok("net create home");
  expect(await owner.error("net create home")).toBe(
    `1 error NAME_TAKEN: home is the name of a dnet of this machine already: ${id}\ntry another name\n`,
  );
  expect(await owner.error("net create a/b")).toStartWith('2 error NAME_INVALID: "a/b" is no name\n');
  expect(await owner.error("net create x --range 8.8.8.0/24")).toStartWith(
    "2 error BAD_OPTION: --range is 8.8.8.0/24; ",
  );
  expect(await owner.error("net show hone")).toBe("5 error UNKNOWN_RECORD: no dnet is named hone here\ntry home\n");
  expect(await owner.error("net show abcdefgh")).toContain("try dnet net list\n");
  const elsewhere = await newMachine().ok("net create home");
  expect(await owner.error(`net show ${elsewhere}`)).toStartWith(
    `5 error RECORD_ABSENT: the records of ${elsewhere} are not here\n`,
  );
});

test("a dnet goes by its id, the beginning of it, or its name", async () => {
  const owner = newMachine();
  const id = await owner.ok("net create home");
  for (const text of [id, id.slice(0, 4), "home"]) expect((await owner.json(`net show ${text}`)).dnet).toBe(id);
  const short = await owner.error(`net show ${id.slice(0, 3)}`);
  expect(short).toStartWith("5 error UNKNOWN_RECORD");
  expect(short).toEndWith("try 4 characters of the id, or more\n");
});

test("a dnet goes by the name that net list shows, accepted or not; a drafted or closed one gives the name up to another", async () => {
  const [owner, guest] = [newMachine(), newMachine()];
  const path = machines.path("names");
  await owner.ok("net create home");
  await owner.ok(`member add home ${await guest.key("node")}`);
  await owner.ok(`db export ${path}`);
  await guest.ok(`db import ${path}`);
  expect((await guest.json("net list")).dnets).toMatchObject([{ name: "home", isPending: true }]);
  expect((await guest.json("net show home")).name).toBe("home");
  expect(await guest.error("net forget home")).toContain(
    "try its owner takes it out, by dnet member remove; without dnet accept it takes no part\n",
  );
  expect(await guest.ok("accept home")).toMatch(/^10\./);

  const draft = await owner.json(`net create office --draft ${machines.path("office-draft")}`);
  expect(await owner.error("net show office")).toBe(
    `5 error RECORD_ABSENT: the records of ${draft.dnet} are not here yet\n` +
      "try dnet db sync, with a replica that has them, or dnet db import; of a draft dnet db submit\n",
  );
  const first = await owner.ok("net create office");
  expect((await owner.json("net show office")).dnet).toBe(first);
  await owner.ok(`net forget ${draft.dnet}`);
  await owner.ok("net close office");
  expect((await owner.json("net close office")).steps).toEqual([]);
  const second = await owner.ok("net create office");
  expect((await owner.json("net show office")).dnet).toBe(second);
  const cloud = await owner.ok("ovx create ovc cloud");
  await owner.ok("ovx close cloud");
  expect((await owner.json("ovx show cloud")).ovx).toBe(cloud);
  expect((await owner.json("ovx create ovc cloud")).ovx).toBe((await owner.json("ovx show cloud")).ovx);
});

test("the policy is printed, replaced, checked, and kept when it is the same", async () => {
  const owner = newMachine();
  await owner.ok("net create home");
  expect(JSON.parse(await owner.ok("net policy home"))).toEqual({
    witnesses: 1,
    needConfirmation: true,
    rules: [],
    dns: {},
  });
  const wanted = { witnesses: 0, needConfirmation: false, later: { x: 1 } };
  const path = machines.path("policy.json");
  writeFileSync(path, JSON.stringify(wanted));
  expect((await owner.json(`net policy home ${path}`)).steps).toMatchObject([
    { op: "OP_DNET_POLICY", status: "final" },
  ]);
  expect((await owner.json(`net policy home ${path}`)).steps).toEqual([]);
  expect((await owner.json("net show home")).policy).toEqual({ ...wanted, rules: [], dns: {} });
  expect(await owner.error("net policy home -", { stdin: '{"witnesses":99}' })).toBe(
    "9 error POLICY_INVALID: that is no policy: witnesses is 99; expected a whole number from 0 to 16\n" +
      "try as dnet net policy prints it\n",
  );
  expect(await owner.error("net policy home -", { stdin: "{" })).toContain(
    ": that is no policy: it is no JSON object\n",
  );
  const unknown = await owner.run("net policy home -", { stdin: '{"needConfirmaton":false}' });
  expect(unknown.stderr).toContain("warning: this dnet does not know needConfirmaton; it is kept\n");
});

test("what is so already is done at no cost: transfer, close, detach, policy", async () => {
  const owner = newMachine();
  await owner.ok("net create home");
  const own = await owner.key("owner", "c2pkh");
  expect((await owner.json(`net transfer home ${own}`)).steps).toEqual([]);
  expect((await owner.json("net close home")).steps).toHaveLength(1);
  expect(await owner.run("net close home")).toMatchObject({ exitCode: 0, stderr: "it is closed already\n" });
  expect(await owner.error("member add home self")).toStartWith("1 error RECORD_CLOSED: ");
});

test("DN-45 DN-10 a dnet of two of three owners takes two signatures, gathered one after another", async () => {
  const [first, second, third, other] = [newMachine(), newMachine(), newMachine(), newMachine()];
  const keys = await Promise.all([first, second, third].map((each) => each.key("owner", "c2pkh")));
  const create = `net create firm --public --owners ${keys.join(",")} --needed 2`;
  const alone = await first.error(create);
  expect(alone).toStartWith("4 error UNSIGNED: that takes 2 of ");
  expect(alone).toContain("; this machine's owner key is one of them\n");
  expect(alone).toContain(
    "try --draft FILE, then dnet db sign FILE where an owner's key is, and dnet db submit FILE\n",
  );
  const draft = machines.path("firm.json");
  const made = await first.json(`${create} --draft ${draft}`);
  expect(made).toMatchObject({ owners: [...keys].sort(), needed: 2 });
  expect(made).toMatchObject({ draft, steps: [{ status: "draft" }, { status: "draft" }] });
  expect(statSync(draft).mode & 0o777).toBe(0o600);
  expect(await first.error(`${create} --draft ${draft}`)).toStartWith("9 error FILE_EXISTS: ");
  expect(await other.error(`db sign ${draft}`)).toStartWith("4 error NOT_OWNER: ");
  expect(await first.json(`db sign ${draft}`)).toMatchObject({ signer: keys[0], missing: 1 });
  expect(await other.error(`db submit ${draft}`)).toStartWith("4 error UNSIGNED: 1 signature more to come\n");
  const signed = await second.run(`db sign ${draft}`);
  expect(signed.stderr).toContain("OP_DNET_CREATE ");
  expect(signed.stderr).toContain(`signed as ${keys[1]}; next: dnet db submit ${draft}\n`);
  expect(await other.json(`db submit ${draft}`)).toMatchObject({
    record: made.dnet,
    steps: [{}, { op: "OP_DNET_CREATE" }],
  });
  expect(await other.run(`db submit ${draft}`)).toMatchObject({ exitCode: 0, stderr: "all of that is here already\n" });
  expect(await other.json(`net show ${made.dnet}`)).toMatchObject({
    name: "firm",
    needed: 2,
    owners: [...keys].sort(),
  });
});

test("copies of one draft that different owners have signed are taken together", async () => {
  const [first, second] = [newMachine(), newMachine()];
  const keys = await Promise.all([first, second].map((each) => each.key("owner", "c2pkh")));
  const [one, two] = [machines.path("copy-1"), machines.path("copy-2")];
  const { dnet } = await first.json(`net create pair --owners ${keys.join(",")} --draft ${one}`);
  writeFileSync(two, readFileSync(one), { mode: 0o600 });
  await first.ok(`db sign ${one}`);
  await second.ok(`db sign ${two}`);
  expect(await first.error(`db submit ${one}`)).toStartWith("4 error UNSIGNED");
  expect(await first.json(`db submit ${one} ${two}`)).toMatchObject({ record: dnet });
  expect((await first.json("net show pair")).members).toEqual([]);
  const log = await first.json("db log pair");
  expect(log.steps[1].signers).toEqual([...keys].sort());
});

test("a draft that was tampered with is refused", async () => {
  const owner = newMachine();
  const path = machines.path("tampered");
  await owner.ok(`net create home --public --draft ${path}`);
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.replace(/"script": "OP_DNET_CREATE (\w+) home/, '"script": "OP_DNET_CREATE $1 evil'));
  expect(await owner.error(`db sign ${path}`)).toStartWith(
    `9 error STEPS_MALFORMED: ${path}: these are no steps to sign: step 2 says `,
  );
});

test("--wait final waits for what was so already, too: it may be so since a moment ago", async () => {
  const owner = newMachine();
  await owner.ok("net create home");
  await owner.ok("member add home self");
  const again = await owner.json("member add home self --wait final --timeout 1ms");
  expect(again).toMatchObject({ schema: "dnet.member-add/1", steps: [] });
  expect(await owner.error("member add home self --wait final --timeout 1ms")).toContain("error NOT_FINAL: ");
});

test("--wait final waits no longer than --timeout, and the result is printed whatever comes", async () => {
  const owner = newMachine();
  const { exitCode, stdout, stderr } = await owner.run("net create home --wait final --timeout 300ms");
  expect([exitCode, stdout.length > 40]).toEqual([6, true]);
  expect(stderr).toContain(
    "error NOT_FINAL: done, and after 0.3 s still pending until 1 cloud has witnessed it, 0 so far\n",
  );
  // A script has one object, with what was done and how it stands, and the exit code.
  const waited = await owner.run("net rekey home --wait final --timeout 300ms --json");
  expect([waited.exitCode, waited.stdout.split("\n").length]).toEqual([6, 2]);
  expect(waited.json()).toMatchObject({
    schema: "dnet.net-rekey/1",
    steps: [{ op: "OP_DNET_KEY", status: "pending" }],
  });
  expect(waited.stderr).toContain("error NOT_FINAL: done, and after 0.3 s still pending ");
  const unasked = await owner.json("net policy home - --wait final", { stdin: '{"witnesses":0}' });
  expect(unasked.steps).toMatchObject([{ status: "final", witnesses: 0, needed: 0 }]);
  const { epoch } = await owner.json("net show home");
  expect(await owner.error("net rekey home --wait final --timeout 5x")).toStartWith(
    "2 error BAD_OPTION: --timeout is 5x",
  );
  expect((await owner.json("net show home")).epoch).toBe(epoch);
  for (const words of ["--wait final --offline", "--wait soon", "--wait final --draft x"]) {
    expect(await owner.error(`net rekey home ${words}`)).toStartWith("2 error OPTION_CONFLICT: ");
  }
});

test("a draft or an invitation that was given up is forgotten; what this machine owns or belongs to is not", async () => {
  const [owner, desk] = [newMachine(), newMachine()];
  const draft = machines.path("given-up-2.json");
  for (const name of ["away", "other"]) {
    await desk.ok(`net create ${name} --owners ${await owner.key("owner", "c2pkh")} --draft ${draft}-${name}`);
  }
  expect(await desk.error("net forget awya")).toBe(
    "5 error UNKNOWN_RECORD: no dnet of the list is named awya here\ntry away\n",
  );
  expect(await desk.json("net forget away")).toMatchObject({ schema: "dnet.net-forget/1", name: "away" });
  const [{ dnet }] = (await desk.json("net list")).dnets;
  expect(await desk.run(`net forget ${dnet.slice(0, 6)}`)).toMatchObject({ exitCode: 0, stderr: "forgotten: other\n" });
  expect((await desk.json("net list")).dnets).toEqual([]);
  const id = await owner.ok("net create home");
  expect(await owner.error("net forget home")).toStartWith("1 error STILL_IN_USE: this machine owns home\n");
  const code = await owner.ok("invite home");
  expect(await desk.error("join", { stdin: code })).toStartWith("6 error RECORD_ABSENT: ");
  expect(await desk.run(`net forget ${id}`)).toMatchObject({ exitCode: 0 });
  expect(await desk.error(`net forget ${id}`)).toStartWith("5 error UNKNOWN_RECORD: ");
});

test("net show reads at a glance, and says what is missing", async () => {
  const owner = newMachine();
  await owner.ok("net create home --range 10.9.0.0/16");
  await owner.ok("member add home self --name laptop");
  const shown = await owner.ok("net show home", { terminal: new FakeTerminal({ isScreen: true }) });
  expect(shown).toMatch(
    /^home \(private\)\n {2}id +\w{43,44}\n {2}owner +D\w+ \(this machine's key\)\n {2}addresses +10\.9\.0\.0\/16, fd/,
  );
  expect(shown).toContain("incomplete    no cloud and no relay serves it: dnet ovx list, dnet net attach\n");
  expect(shown).toMatch(/\nMEMBER +ADDRESS +IPV6 +KEY +SINCE\nlaptop \(this machine\) +10\.9\.0\.1 +fd/);
});

test("an owner that has signed once reads a private dnet by its key alone, whoever gave it a new network key", async () => {
  const [first, second, bare] = [newMachine(), newMachine(), newMachine()];
  const [one, two] = [await first.key("owner"), await second.key("owner")];
  const draft = machines.path("both.json");
  const { dnet } = await first.json(`net create both --owners ${one},${two} --needed 1 --draft ${draft}`);
  await first.ok(`db sign ${draft}`);
  await second.ok(`db sign ${draft}`);
  await first.ok(`db submit ${draft}`);
  await first.ok("net rekey both");
  const [records, key] = [machines.path("both.records"), machines.path("both.key")];
  await first.ok(`db export ${records}`);
  await second.ok(`wallet export ${key}`);
  await bare.ok(`wallet import ${key}`);
  await bare.ok(`db import ${records}`);
  expect(await bare.json(`net show ${dnet}`)).toMatchObject({ name: "both", reads: "everything", epoch: 1 });
});

test("what a stranger wrote cannot write to the screen: the note of a draft, a policy", async () => {
  const owner = newMachine();
  const path = machines.path("hostile");
  await owner.ok(`net create home --public --draft ${path}`);
  const evil = "\\u001b[2J\\u009b2J";
  writeFileSync(path, readFileSync(path, "utf8").replace("creates the public", `${evil}creates the public`));
  const { stderr } = await owner.run(`db sign ${path}`);
  expect(stderr).toContain("\\x1b[2J\\x9b2Jcreates the public dnet home\n");
  await owner.ok(`db submit ${path}`);
  await owner.ok("net policy home -", { stdin: `{"x":"${evil}\\ud83d\\ude00"}` });
  const policy = await owner.ok("net policy home");
  expect(policy).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  expect(JSON.parse(policy).x).toBe("\u001b[2J\u009b2J\u{1f600}");
});

test("a machine with neither an owner's key nor a membership drafts, and a draft that is given up costs it nothing", async () => {
  const [desk, vault] = [newMachine(), newMachine()];
  const [created, given, taken] = ["created", "given-up", "taken"].map((name) => machines.path(`desk-${name}`)) as [
    string,
    string,
    string,
  ];
  await desk.ok(`net create home --owners ${await vault.key("owner", "c2pkh")} --draft ${created}`);
  await vault.ok(`db sign ${created}`);
  await desk.ok(`db submit ${created}`);
  expect(await desk.json("net show home")).toMatchObject({ name: "home", reads: "everything", isOwner: false });
  await desk.ok(`net rekey home --draft ${given}`);
  expect(await desk.json("net show home")).toMatchObject({ reads: "everything", epoch: 0 });
  await desk.ok(`net rekey home --draft ${taken}`);
  await vault.ok(`db sign ${taken}`);
  await desk.ok(`db submit ${taken}`);
  expect(await desk.json("net show home")).toMatchObject({ reads: "everything", epoch: 1 });
});
