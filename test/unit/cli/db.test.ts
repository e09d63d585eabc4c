import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Testnet, testnet } from "../../../src/index.ts";
import { until } from "../../support/until.ts";
import { FakeTerminal } from "./fake-context.ts";
import { type Machine, Machines } from "./machine.ts";

const machines = new Machines();
let network: Testnet;
let bootstrap: string;
beforeAll(async () => {
  network = await testnet(4);
  const [{ host, port }] = network.bootstrap as [{ host: string; port: number }];
  bootstrap = `${host}:${port}`;
});
afterAll(async () => {
  machines.remove();
  await network.destroy();
});
let made = 0;
const newMachine = () => machines.make(`db-${++made}`);
const names = (view: { members: { name: string }[] }) => view.members.map(({ name }) => name);

/** A command that goes on in the background. */
function start(machine: Machine, line: string) {
  const terminal = new FakeTerminal();
  const stop = new AbortController();
  const done = machine.run(line, { terminal, stop: stop.signal });
  const stopped = () => {
    stop.abort();
    return done;
  };
  return { terminal, stopped };
}

test("DN-48 the log has every step in order: when, by whom, what it does, and whether it is final", async () => {
  const owner = newMachine();
  await owner.ok("net create home --range 10.7.0.0/24");
  await owner.ok("member add home self --name laptop");
  await owner.ok("invite home --name phone --expires never");
  await owner.ok("member remove home laptop");
  await owner.ok("net policy home -", { stdin: '{"witnesses":0}' });
  await owner.ok("net close home");
  const { steps } = await owner.json("db log home");
  const effects = steps.map(({ height, effect }: { height: number; effect: string }) => `${height ?? "-"} ${effect}`);
  expect(effects).toEqual([
    "- mints the token that the record begins with",
    "0 creates the dnet home",
    "1 adds laptop at 10.7.0.1",
    "2 invites phone at 10.7.0.2",
    "3 removes laptop at 10.7.0.1",
    "4 gives out network key 1",
    "5 sets the policy",
    "6 closes it for good",
  ]);
  const c2pkh = await owner.key("owner", "c2pkh");
  for (const step of steps) expect([step.signers, step.status]).toEqual([[c2pkh], "final"]);
  const times = steps.map(({ time }: { time: string }) => time);
  expect(times).toEqual([...times].sort());
  const text = await owner.ok("db log home");
  expect(text).toMatch(
    /^STEP +TRANSACTION +TIME +STATUS +SIGNED BY +OP +WHAT IT DOES\n- +\w{11} +2025-03-01 \d\d:\d\d:\d\dZ +final +D/,
  );
});

test("the past is read at any date, by the end of a day, and compared; a later member reads what was before it", async () => {
  const [owner, guest] = [newMachine(), newMachine()];
  machines.now = Date.parse("2025-04-01T10:00:00Z");
  await owner.ok("net create home --range 10.7.0.0/24");
  await owner.ok("member add home self --name laptop");
  await owner.ok(`member add home ${await newMachine().key("node")} --name nas`);
  machines.now = Date.parse("2025-04-02T10:00:00Z");
  await owner.ok("member remove home nas");
  await owner.ok("net policy home -", { stdin: '{"witnesses":2}' });
  machines.now = Date.parse("2025-04-03T10:00:00Z");
  await owner.ok(`member add home ${await guest.key("node")} --name phone`);
  const path = machines.path("past");
  await owner.ok(`db export ${path}`);
  await guest.ok(`db import ${path}`);
  const [{ dnet }] = (await guest.json("net list")).dnets;
  for (const [machine, name] of [
    [owner, "home"],
    [guest, dnet],
  ] as [Machine, string][]) {
    const at = async (date: string) => names(await machine.json(`db at ${date} ${name}`));
    expect(await at("2025-04-01")).toEqual(["laptop", "nas"]);
    expect(await at("2025-04-02")).toEqual(["laptop"]);
    expect(await at("2025-04-02T09:00Z")).toEqual(["laptop", "nas"]);
    expect(await at("2025-04-03")).toEqual(["laptop", "phone"]);
    expect((await machine.json(`db at 2025-04-01 ${name}`)).policy.witnesses).toBe(1);
    expect(await machine.error(`db at 2025-03-31 ${name}`)).toStartWith("5 error NOT_YET: ");
    const changes = (await machine.ok(`db diff 2025-04-01..2025-04-02 ${name}`)).split("\n");
    expect(changes.map((line) => line.split(":")[0])).toEqual(["~ key", "~ policy", "- member nas"]);
    expect((await machine.json(`db diff 2025-04-03.. ${name}`)).changes).toEqual([]);
  }
  expect(await owner.ok("db at 2025-04-02 home")).toContain("as of       2025-04-02 23:59:59Z\n");
  expect(await owner.error("db at yesterday home")).toStartWith("2 error BAD_DATE: yesterday is no date\n");
  expect(await owner.error("db diff 2025-04-01 home")).toStartWith("2 error BAD_RANGE: ");
  expect(await owner.error("db diff 2025-04-02..2025-04-01 home")).toContain("ends before it begins");
});

test("an owner who says two things is shown by both of its replicas alike, once they have met", async () => {
  const [one, two] = [newMachine(), newMachine()];
  await one.ok("net create home --public --range 10.7.0.0/24");
  const key = machines.path("twice.key");
  await one.ok(`wallet export ${key}`);
  await two.ok(`wallet import ${key}`);
  const carry = async (from: Machine, to: Machine) => {
    const path = machines.path(`twice-${++made}`);
    await from.ok(`db export ${path}`);
    await to.ok(`db import ${path}`);
  };
  await carry(one, two);
  const [{ dnet }] = (await two.json("net list")).dnets;
  await one.ok("member add home self --name here");
  await two.ok(`member add ${dnet} self --name there`);
  await carry(one, two);
  await carry(two, one);
  const logs = [await one.json(`db log ${dnet}`), await two.json(`db log ${dnet}`)];
  expect(logs[0]).toEqual(logs[1]);
  const states = logs[0].steps.map(({ status }: { status: string }) => status);
  expect(states).toEqual(["pending", "pending", "pending", "lost"]);
  for (const machine of [one, two]) expect(await machine.run("db verify")).toMatchObject({ exitCode: 0 });
});

test("of steps that spend the same this machine takes one, whichever comes first, and never says two things", async () => {
  const owner = newMachine();
  await owner.ok("net create home --public");
  const drafts = [1, 2].map((i) => machines.path(`rival-${i}`));
  for (const draft of drafts) {
    await owner.ok(`invite home --draft ${draft}`);
    await owner.ok(`db sign ${draft}`);
  }
  await owner.ok(`db submit ${drafts[0]}`);
  const late = await owner.error(`db submit ${drafts[1]}`);
  expect(late).toStartWith("1 error SPENT_INPUT: refused where it invites someone to ");
  expect(late).toEndWith("try have the draft made anew\n");
  expect((await owner.json("db log home")).steps).toHaveLength(3);
});

test("verify checks all from the first step on, and tells of a record that was changed", async () => {
  const owner = newMachine();
  const id = await owner.ok("net create home --public");
  await owner.ok("member add home self --name laptop");
  expect(await owner.run("db verify")).toMatchObject({
    exitCode: 0,
    stderr: "1 record verified from the first step on\n",
  });
  expect(await owner.json("db verify")).toEqual({ schema: "dnet.db-verify/1", records: [id], flaws: [] });
  const database = new Database(join(owner.state, "dnetdb.sqlite"));
  database.run("UPDATE records SET name = 'evil'");
  database.close();
  const { exitCode, stderr } = await owner.run("db verify");
  expect(exitCode).toBe(1);
  expect(stderr).toContain("records: has ");
  expect(stderr).toContain("error STORE_DAMAGED: 1 flaw in ");
});

test("what is no file of records, or was cut short, is refused; what came before stays", async () => {
  const [owner, other] = [newMachine(), newMachine()];
  await owner.ok("net create home --public");
  const path = machines.path("whole");
  await owner.ok(`db export ${path} home`);
  const bytes = readFileSync(path);
  const cut = machines.path("cut");
  writeFileSync(cut, bytes.subarray(0, bytes.length - 1));
  expect(await other.error(`db import ${cut}`)).toContain("is damaged, or cut short, after ");
  writeFileSync(cut, "hello");
  expect(await other.error(`db import ${cut}`)).toContain("is no file of dnet db export\n");
  expect(await other.error(`db import ${machines.path("none")}`)).toStartWith("9 error BAD_RECORD_FILE: ");
  expect(await owner.error(`db export ${path}`)).toStartWith("9 error BAD_RECORD_FILE: ");
  expect(await other.error(`db import ${machines.folder}`)).toStartWith(
    `9 error BAD_RECORD_FILE: ${machines.folder} is a directory\n`,
  );
  expect(await other.json(`db import ${path}`)).toMatchObject({ accepted: 2, known: 0, refused: {} });
  expect(await other.json(`db import ${path}`)).toMatchObject({ accepted: 0, known: 2, refused: {} });
  // A flipped bit is no signature's any more.
  for (let at = 20; at < bytes.length; at += 37) {
    const flipped = Buffer.from(bytes);
    flipped[at]! ^= 1;
    writeFileSync(cut, flipped);
    await newMachine().run(`db import ${cut}`);
  }
});

test("DN-47 collect drops what says nothing any more, and all still verifies", async () => {
  const owner = newMachine();
  await owner.ok("net create home --public");
  await owner.ok("member add home self --name laptop");
  await owner.ok("member remove home laptop");
  expect((await owner.json("db collect")).bodies).toBe(1);
  expect((await owner.json("db collect")).bodies).toBe(0);
  await owner.ok("net create away");
  await owner.ok("member add away self --name laptop");
  await owner.ok("member remove away laptop");
  await owner.ok("db collect");
  expect(await owner.ok("db log away")).toContain("  adds a member, at an unknown address\n");
  expect(await owner.run("db verify")).toMatchObject({ exitCode: 0 });
});

test("DN-26 DN-28 two machines come in step by a socket, given the id alone; an invitation is answered on the way", async () => {
  const [owner, guest, reader] = [newMachine(), newMachine(), newMachine()];
  const id = await owner.ok("net create home --range 10.7.0.0/24");
  await owner.ok("member add home self --name laptop");
  const code = await owner.ok("invite home --name phone");
  const serving = start(owner, "db serve --all");
  const socket = await until("it serves", () => serving.terminal.output.trim());
  expect(await guest.error("join", { stdin: code })).toStartWith("6 error RECORD_ABSENT: ");
  const synced = await guest.run(`db sync ${socket}`);
  expect([synced.exitCode, synced.stderr]).toEqual([
    0,
    "home: joins as phone at 10.7.0.2\nin step; 1 record came or went on here\n",
  ]);
  expect(await until("the owner has it", async () => names(await owner.json("member list home")).length === 2)).toBe(
    true,
  );
  expect((await reader.json(`db sync ${socket} --record ${id}`)).records).toEqual([id]);
  expect((await reader.json(`net show ${id}`)).dnet).toBe(id);
  // Another process of the owner writes, and it goes on.
  await owner.ok("net rekey home");
  await until(
    "it is passed on",
    async () => (await guest.run(`db sync ${socket}`)) && (await guest.json("net show home")).epoch === 1,
  );
  expect(await owner.error("db serve --publish home")).toStartWith(
    "2 error OPTION_CONFLICT: --publish, --bootstrap and --via are of --dht\n",
  );
  expect(await owner.error("db serve")).toStartWith("1 error ALREADY_SERVED: ");
  expect(await serving.stopped()).toMatchObject({ exitCode: 0 });
  expect(serving.terminal.errors).toContain(`others: dnet db sync ${socket}\n`);
  expect(await guest.error(`db sync ${socket}`)).toStartWith("3 error NO_REPLICA: ");
  expect(await guest.error("db sync nonsense")).toStartWith("2 error BAD_ARGUMENT: nonsense is no key, and no path\n");
}, 20_000);

test("DN-50 over the DHT a cloud takes a dnet's steps and witnesses them: pending becomes final", async () => {
  const [provider, owner] = [newMachine(), newMachine()];
  const cloud = await provider.ok("ovx create ovc cloud --public --address 192.0.2.1:1776");
  const serving = start(provider, `db serve --all --dht --bootstrap ${bootstrap}`);
  const key = await until("it serves", () => serving.terminal.output.trim());
  expect(key).toBe(await provider.key("node"));
  const sync = (words = "") => owner.run(`db sync ${key} --bootstrap ${bootstrap}${words}`);
  expect(await sync(` --record ${cloud}`)).toMatchObject({ exitCode: 0 });
  await owner.ok("net create home");
  expect((await owner.json("net attach home cloud")).steps).toMatchObject([
    { status: "pending", witnesses: 0, needed: 1 },
  ]);
  await until(
    "it is final",
    async () => {
      expect(await sync()).toMatchObject({ exitCode: 0 });
      const { steps } = await owner.json("db log home");
      return steps.every(({ status }: { status: string }) => status === "final");
    },
    { withinMs: 10_000 },
  );
  expect((await owner.json("net show home")).lastStep).toEqual({ status: "final", witnesses: 1, needed: 1 });
  expect(await serving.stopped()).toMatchObject({ exitCode: 0 });
  expect(await owner.error("db witness")).toStartWith("4 error NO_CLOUD: ");
}, 30_000);

test("a cloud signs by command too, once for what is new", async () => {
  const provider = newMachine();
  await provider.ok("ovx create ovc cloud --address 192.0.2.1:1776");
  await provider.ok("net create home");
  await provider.ok("net attach home cloud");
  expect((await provider.json("db witness")).blocks).toMatchObject([{ transactions: 5 }]);
  expect(await provider.run("db witness")).toMatchObject({ stderr: "nothing was new\n" });
  expect((await provider.json("net show home")).lastStep.status).toBe("final");
  const waiting = start(provider, "net rekey home --wait final --timeout 10s");
  await until("it is accepted", () => waiting.terminal.errors.includes("gives a new network key"));
  await provider.ok("db witness");
  expect(await until("it is final", () => waiting.terminal.errors.endsWith("\nfinal\n"))).toBe(true);
  expect(await waiting.stopped()).toMatchObject({ exitCode: 0 });
});

test("steps of a clock that is far ahead are refused by name, with what there is to set right", async () => {
  const [ahead, other] = [newMachine(), newMachine()];
  const path = machines.path("ahead");
  const day = 86_400_000;
  machines.now += day;
  await ahead.ok("net create home");
  await ahead.ok(`db export ${path}`);
  machines.now -= day;
  const refused = await other.error(`db import ${path}`);
  expect(refused).toStartWith(
    `1 error RECORDS_REFUSED: nothing of ${path} was accepted, ABSURD_TIME: its time is before that of what it spends, or far ahead`,
  );
  expect(refused).toMatch(/\ntry set the clock right, here or of who signed it; this machine's says \S+ \S+Z\n$/);
  expect(await ahead.error("member add home self")).toContain("try set the clock right, ");
});

test("db sign - takes the draft from standard input and gives it back, signed, to standard output", async () => {
  const owner = newMachine();
  const path = machines.path("piped");
  await owner.ok(`net create home --draft ${path}`);
  const { stdout } = await owner.run("db sign -", { stdin: readFileSync(path, "utf8") });
  expect((await owner.json("db submit -", { stdin: stdout })).steps).toMatchObject([{}, { op: "OP_DNET_CREATE" }]);
});
