import { afterAll, expect, test } from "bun:test";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Machines } from "./machine.ts";

const machines = new Machines();
afterAll(() => machines.remove());
let made = 0;
const newMachine = () => machines.make(`wallet-${++made}`);

test("DN-24 show prints both keys and the hashes that others name them by", async () => {
  const machine = newMachine();
  const { owner, node } = await machine.json("wallet show");
  for (const { publicKey, c2pkh } of [owner, node])
    expect([publicKey.length, /^D\w{33}$/.test(c2pkh)]).toEqual([52, true]);
  expect(owner.isLocked).toBe(false);
  expect(await machine.ok("wallet show")).toMatch(
    /^owner\n {2}key +\w{52}\n {2}C2PKH +D\w+\n {2}file +\S+owner\.key\nnode\n/,
  );
});

test("a locked wallet signs with its passphrase alone, which comes from a file or from standard input", async () => {
  const machine = newMachine();
  const locked = await machine.run("wallet passphrase", { stdin: "correct horse\n" });
  expect(locked).toMatchObject({ exitCode: 0, stdout: "", stderr: "the owner's key is locked\n" });
  const without = await machine.error("net create home");
  expect(without).toStartWith(`4 error WALLET_LOCKED: ${join(machine.state, "owner.key")} is locked by a passphrase\n`);
  expect(without).toEndWith("try --passphrase-file FILE, or --passphrase-file - for standard input\n");
  expect((await machine.json("net list")).dnets).toEqual([]);
  const path = machines.path("passphrase");
  writeFileSync(path, "wrong horse\n");
  const wrong = await machine.error(`net create home --passphrase-file ${path}`);
  expect(wrong).toStartWith("4 error WRONG_PASSPHRASE: ");
  expect(wrong).not.toContain("horse");
  writeFileSync(path, "correct horse\r\nanother line\n");
  expect(await machine.run(`net create home --passphrase-file ${path}`)).toMatchObject({ exitCode: 0 });
  expect(await machine.run("net rekey home --passphrase-file -", { stdin: "correct horse" })).toMatchObject({
    exitCode: 0,
  });
  expect(await machine.error("net rekey home --passphrase-file -")).toStartWith("9 error NO_PASSPHRASE: ");
}, 20_000);

test("who is stopped between a new network key and its step reads on by the one before, without a passphrase", async () => {
  const [machine, phone] = [newMachine(), newMachine()];
  await machine.ok("wallet passphrase", { stdin: "p" });
  await machine.ok("net create home --passphrase-file -", { stdin: "p" });
  await machine.ok(`member add home ${await phone.key("node")} --name phone --passphrase-file -`, { stdin: "p" });
  const read = async () => (await machine.json("net show home")).members.map(({ name }: { name: string }) => name);
  expect(await read()).toEqual(["phone"]);
  const store = join(machine.state, "dnetdb.sqlite");
  const before = readFileSync(store);
  await machine.ok("net rekey home --passphrase-file -", { stdin: "p" });
  expect(await read()).toEqual(["phone"]);
  writeFileSync(store, before);
  expect(await read()).toEqual(["phone"]);
}, 20_000);

test("a draft takes no passphrase, and signing it does", async () => {
  const machine = newMachine();
  const passphrase = machines.path("p");
  writeFileSync(passphrase, "p");
  await machine.ok("net create home");
  await machine.ok(`wallet passphrase --new-file ${passphrase}`);
  const draft = machines.path("rekey.json");
  await machine.ok(`net rekey home --draft ${draft}`);
  expect(await machine.error(`db sign ${draft}`)).toStartWith("4 error WALLET_LOCKED: ");
  expect((await machine.json(`db sign ${draft} --passphrase-file ${passphrase}`)).missing).toBe(0);
  expect((await machine.json(`db submit ${draft}`)).steps).toMatchObject([{ op: "OP_DNET_KEY" }]);
  expect((await machine.json("net show home")).epoch).toBe(1);
}, 20_000);

test("where someone can type, a locked key is asked for once it is needed, and before a new passphrase", async () => {
  const machine = newMachine();
  await machine.ok("wallet passphrase", { stdin: "p" });
  expect(await machine.run("net list", { typed: [] })).toMatchObject({ exitCode: 0 });
  expect(await machine.run("net create a/b", { typed: [] })).toMatchObject({ exitCode: 2 });
  expect((await machine.run("net create home", { typed: ["p"] })).stderr).toStartWith("passphrase: \n");
  expect(await machine.error("net rekey home", { typed: ["q"] })).toContain("error WRONG_PASSPHRASE: ");
  const draft = machines.path("typed.json");
  await machine.ok(`net rekey home --draft ${draft}`, { typed: [] });
  expect((await machine.run(`db sign ${draft}`, { typed: ["p"] })).stderr).toStartWith("passphrase: \n");
  const change = await machine.run("wallet passphrase", { typed: ["p", "new", "new"] });
  expect(change.stderr).toBe("passphrase: \nnew passphrase: \nthe same again: \nthe owner's key is locked\n");
  expect(await machine.error("wallet passphrase --none", { typed: ["p"] })).toContain("error WRONG_PASSPHRASE: ");
  expect((await machine.run("wallet passphrase --none", { typed: ["new"] })).exitCode).toBe(0);
}, 20_000);

test("export and import carry a key from one machine to another, and no key is overwritten", async () => {
  const [one, two] = [newMachine(), newMachine()];
  const path = machines.path("owner-copy.key");
  const exported = await one.run(`wallet export ${path}`);
  expect(exported.stdout.trim()).toBe(await one.key("owner"));
  expect(exported.stderr).toContain("it is not locked");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(await one.error(`wallet export ${path}`)).toStartWith("9 error FILE_EXISTS: ");
  const before = await two.key("owner");
  expect(await two.error(`wallet import ${path}`)).toStartWith("9 error KEY_EXISTS: ");
  expect(await two.ok(`wallet import ${path} --replace`)).toBe(await one.key("owner"));
  expect((await two.run(`wallet import ${path}`)).stderr).toBe("it is here already\n");
  expect(before).not.toBe(await two.key("owner"));
  expect((await one.run("wallet export -")).stdout).toBe(readFileSync(path, "utf8"));
  expect(await one.run("wallet export - --json")).toMatchObject({ exitCode: 2 });
  expect(await two.run("wallet import - --node --replace", { stdin: readFileSync(path, "utf8") })).toMatchObject({
    exitCode: 0,
  });
  expect(await two.error("wallet import -", { stdin: "hunter2" })).not.toContain("hunter2");
});

test("keys that others can read are refused with the command that mends it", async () => {
  const machine = newMachine();
  await machine.ok("wallet show");
  const path = join(machine.state, "owner.key");
  chmodSync(path, 0o644);
  expect(await machine.error("net create home")).toBe(
    `8 error BAD_PRIVATE_FILE: ${path} is open to others (mode 644)\ntry chmod 600 ${path}\n`,
  );
});
