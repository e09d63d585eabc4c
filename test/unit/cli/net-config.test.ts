/** What an application is told of a dnet, and when. */
import { afterAll, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { Machines } from "./machine.ts";

const machines = new Machines();
afterAll(() => machines.remove());

test("DN-43 a member more is in the configuration without a restart, and what is unchanged is not written again", async () => {
  const machine = machines.make("rendering");
  const other = machines.make("other");
  await machine.ok("net create home");
  await machine.ok("member add home self --name admin");
  const file = machines.path("home.json");
  const read = () => Bun.file(file).json();
  const out = `net config home --out ${file}`;
  expect((await machine.run(out)).stderr).toBe(`wrote ${file}\n`);
  expect(await read()).toMatchObject({ schema: "dnet.configuration/1", self: { name: "admin" }, peers: [] });
  const { ino } = statSync(file);
  expect((await machine.run(out)).stderr).toBe("");
  expect(statSync(file).ino).toBe(ino);
  await machine.ok(`member add home ${await other.key("node")} --name box`);
  expect((await machine.run(out)).stderr).toBe(`wrote ${file}\n`);
  const address = (await machine.json("member list home")).members[1].addresses[0];
  expect(await read()).toMatchObject({ peers: [{ name: "box", addresses: [address, expect.any(String)] }] });
  expect(await machine.ok("net config home")).toBe((await Bun.file(file).text()).trimEnd());
});

test("--watch needs a file; who cannot read the dnet is told so", async () => {
  const machine = machines.make("watching");
  await machine.ok("net create home");
  expect(await machine.error("net config home --watch")).toContain("OPTION_CONFLICT");
  expect(await machine.error("net config work")).toContain("UNKNOWN_RECORD");
});
