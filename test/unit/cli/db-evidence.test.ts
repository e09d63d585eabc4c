import { afterAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { type Machine, Machines } from "./machine.ts";

const machines = new Machines();
afterAll(() => machines.remove());
let made = 0;
const newMachine = () => machines.make(`evidence-${++made}`);

async function carry(from: Machine, to: Machine): Promise<void> {
  const path = machines.path(`stick-${++made}`);
  await from.ok(`db export ${path}`);
  await to.ok(`db import ${path}`);
}

async function giveKey(from: Machine, to: Machine, which = ""): Promise<void> {
  const path = machines.path(`key-${++made}`);
  await from.ok(`wallet export ${path}${which}`);
  await to.ok(`wallet import ${path}${which} --replace`);
}

test("an owner who has signed two steps that spend the same is shown: which lost, which stands, who, when", async () => {
  for (const kind of ["", " --public"]) {
    const [one, two] = [newMachine(), newMachine()];
    await one.ok(`net create home --range 10.7.0.0/24${kind}`);
    await giveKey(one, two);
    await carry(one, two);
    const [{ dnet }] = (await two.json("net list")).dnets;
    expect(await one.run("db evidence")).toMatchObject({
      exitCode: 0,
      stdout: "",
      stderr: "nobody has said two things\n",
    });
    await one.ok("member add home self --name here");
    await two.ok(`member add ${dnet} self --name there`);
    await two.ok(`member remove ${dnet} there`);
    await carry(two, one);
    await carry(one, two);
    const owner = await one.key("owner", "c2pkh");
    const found = [await one.json("db evidence"), await two.json("db evidence"), await one.json(`db evidence ${dnet}`)];
    expect(found.map(({ records }) => records[0].conflicts)).toEqual(new Array(3).fill(found[0].records[0].conflicts));
    const [record] = found[0].records;
    expect([found[0].schema, record.record, record.kind, record.blocks]).toEqual([
      "dnet.db-evidence/1",
      dnet,
      "dnet",
      null,
    ]);
    const [first, ...later] = record.conflicts;
    expect(first.signedBoth).toEqual([owner]);
    expect([first.lost.op, first.stands.op, first.lost.signers]).toEqual(["OP_DNET_NODE", "OP_DNET_NODE", [owner]]);
    expect([first.lost.effect, first.stands.effect].sort()).toEqual([
      "adds here at 10.7.0.1",
      "adds there at 10.7.0.1",
    ]);
    for (const { stands, signedBoth } of later) expect([stands, signedBoth]).toEqual([null, []]);
    const line = /\d steps? lost to others that spend the same: dnet db evidence\n/;
    expect(await one.ok("net show home")).toMatch(line);
    expect((await one.run("db log home")).stderr).toMatch(line);
    expect((await one.json("net show home")).evidence).toEqual({ lost: record.conflicts.length, forkedClouds: [] });
    const text = await one.ok("db evidence home");
    expect(text).toMatch(
      /^home \(dnet \w+\)\n {2}lost +2025-03-01 .*adds (t?here) at 10\.7\.0\.1 {2}\(\w+, by D\w+\)\n/,
    );
    expect(text).toContain(`; both signed by ${owner}`);
  }
});

test("a cloud that has signed two blocks is shown, with both, by all who serve or use it", async () => {
  const [one, two] = [newMachine(), newMachine()];
  const ovx = await one.ok("ovx create ovc cloud --address 192.0.2.1:1776");
  await one.ok("net create home --public");
  await one.ok("net attach home cloud");
  await giveKey(one, two);
  await giveKey(one, two, " --node");
  await carry(one, two);
  expect((await one.json("ovx show cloud")).evidence).toEqual({ lost: 0, forkedClouds: [] });
  await one.ok("db witness");
  await two.ok("net create other --public");
  await two.ok("db witness");
  await carry(two, one);
  const { records } = await one.json(`db evidence ${ovx}`);
  expect(records).toMatchObject([{ record: ovx, kind: "ovx", name: "cloud", conflicts: [] }]);
  const key = await one.key("node");
  expect(records[0].blocks).toMatchObject([
    { height: 0, key },
    { height: 0, key },
  ]);
  expect(records[0].blocks[0].block).not.toBe(records[0].blocks[1].block);
  const line = `${ovx} has signed two blocks, and has no word any more: dnet db evidence`;
  for (const words of ["net show home", "ovx show cloud"]) expect(await one.ok(words)).toContain(line);
  expect((await one.json("net show home")).evidence).toEqual({ lost: 0, forkedClouds: [ovx] });
  expect(await one.ok("db evidence")).toMatch(
    /^cloud \(cloud or relay \w+\), has signed two blocks .*\n {2}signed .*block 0/,
  );
});

test("DN-46 a proof of a member's step is checked with the cloud's key alone; a changed one is refused", async () => {
  const [provider, reader, bare] = [newMachine(), newMachine(), newMachine()];
  const cloud = await provider.ok("ovx create ovc cloud --address 192.0.2.1:1776");
  await provider.ok("net create home --public --range 10.7.0.0/24");
  await provider.ok("net attach home cloud");
  await provider.ok("member add home self --name laptop");
  const { steps } = await provider.json("db log home");
  const { transaction } = steps.at(-1);
  expect(await provider.error(`db prove ${transaction}`)).toStartWith("6 error NO_STATEMENT: ");
  await provider.ok("db witness");
  await provider.ok("net policy home -", { stdin: "{}" });
  await provider.ok("db witness");
  await carry(provider, reader);
  const key = await provider.key("node");
  for (const [machine, words] of [
    [provider, `db prove ${transaction} --cloud cloud`],
    [provider, `db prove ${transaction.slice(0, 11)}`],
    [reader, `db prove ${transaction} --json`],
  ] as [Machine, string][]) {
    const text = await machine.ok(words);
    expect(JSON.parse(text)).toMatchObject({ schema: "dnet.proof/1", key });
    const path = machines.path(`proof-${++made}`);
    writeFileSync(path, text);
    const checked = await bare.json(`db check-proof ${path} --key ${key}`);
    expect(checked).toMatchObject({
      ...{ schema: "dnet.db-check-proof/1", transaction, op: "OP_DNET_NODE", member: key, address: "10.7.0.1" },
      ...{ cloud, key, signers: [await provider.key("owner", "c2pkh")] },
    });
    expect(checked.acceptedAt).toStartWith("2025-03-01T");
    expect(await bare.run(`db check-proof - --key ${key}`, { stdin: text })).toMatchObject({ exitCode: 0 });
    expect(await reader.ok(`db check-proof ${path}`)).toContain(`  accepted by  the cloud ${cloud}, key ${key}\n`);
    expect(await bare.error(`db check-proof ${path}`)).toContain("no cloud that is known here has the key");
    expect(await bare.error(`db check-proof ${path} --key ${await bare.key("node")}`)).toStartWith(
      `1 error PROOF_REFUSED: this proves nothing: ${key} has signed it\n`,
    );
    const flipped = text.replace(/[01]/, (digit) => (digit === "0" ? "1" : "0"));
    expect(await bare.error(`db check-proof - --key ${key}`, { stdin: flipped })).toStartWith(
      "1 error PROOF_REFUSED: ",
    );
  }
  expect(await bare.error("db check-proof - --key x")).toStartWith("2 error BAD_OPTION: ");
  expect(await reader.error(`db prove ${transaction.slice(0, 3)}`)).toStartWith(
    "5 error UNKNOWN_RECORD: no transaction ",
  );
  expect(await bare.error(`db prove ${transaction}`)).toStartWith("5 error RECORD_ABSENT: the transaction ");
});

test("DN-46 with an earlier proof a cloud shows that it has taken nothing back since", async () => {
  const [provider, bare] = [newMachine(), newMachine()];
  await provider.ok("ovx create ovc cloud --address 192.0.2.1:1776");
  await provider.ok("net create home --public --range 10.7.0.0/24");
  await provider.ok("net attach home cloud");
  await provider.ok("db witness");
  const { transaction } = (await provider.json("db log home")).steps.at(-1);
  const key = await provider.key("node");
  const prove = async (words: string) => {
    const path = machines.path(`proof-${++made}`);
    writeFileSync(path, await provider.ok(`db prove ${transaction} --cloud cloud${words}`));
    return path;
  };
  const first = await prove("");
  await provider.ok("member add home self --name laptop");
  await provider.ok("db witness");
  const second = await prove(` --since ${first}`);
  expect(await bare.ok(`db check-proof ${second} --key ${key} --since ${first}`)).toMatch(
    / {2}the log +begins as in block 0, 2025-/,
  );
  const { earlier } = await bare.json(`db check-proof ${second} --key ${key}`);
  expect(earlier).toMatchObject({ height: 0 });
  expect((await bare.json(`db check-proof ${first} --key ${key}`)).earlier).toBeNull();
  for (const path of [first, await prove(` --since ${second}`)]) {
    expect(await bare.error(`db check-proof ${path} --key ${key} --since ${first}`)).toStartWith(
      "1 error PROOF_REFUSED: this proves nothing: it does not say that the cloud's log begins as in block 0",
    );
  }
});
