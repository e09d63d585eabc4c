import { afterAll, expect, test } from "bun:test";
import { type Machine, Machines } from "./machine.ts";

const machines = new Machines();
afterAll(() => machines.remove());
let made = 0;
const newMachine = () => machines.make(`ovx-${++made}`);

async function carry(from: Machine, to: Machine): Promise<void> {
  const path = machines.path(`stick-${++made}`);
  await from.ok(`db export ${path}`);
  await to.ok(`db import ${path}`);
}

test("DN-08 DN-09 a cloud and a relay have a name, an id, addresses of every form, a key, an owner and a kind", async () => {
  const provider = newMachine();
  const addresses = ["192.0.2.1:1776", "cloud.example.org:1776", "home.dyndns.example:50069", "[2001:db8::1]:1776"];
  const id = await provider.ok(`ovx create ovc alpha --public --address ${addresses.join(",")}`);
  await provider.ok("ovx create ovr beta --public --address 192.0.2.2:1776");
  const alpha = await provider.json("ovx show alpha");
  expect(alpha).toMatchObject({
    ovx: id,
    name: "alpha",
    kind: "ovc",
    addresses,
    key: await provider.key("node"),
    authorised: [],
  });
  expect(alpha.owners).toEqual([await provider.key("owner", "c2pkh")]);
  expect((await provider.json("ovx show beta")).kind).toBe("ovr");
  expect(await provider.error("ovx create ovc gamma --address nonsense")).toStartWith(
    '2 error ADDRESS_INVALID: "nonsense" is no address',
  );
  expect(await provider.error("ovx create cloud gamma")).toStartWith("2 error UNKNOWN_WORD: KIND is one of ovc, ovr");
  expect(await provider.error("ovx create ovr alpha")).toStartWith(
    `1 error NAME_TAKEN: alpha is the name of a cloud or relay of these owners already: ${id}\n`,
  );
  const drifted = await provider.json("ovx update alpha --address 192.0.2.9:1776");
  expect(drifted.addresses).toEqual(["192.0.2.9:1776"]);
  expect((await provider.json("ovx update alpha --address 192.0.2.9:1776")).steps).toEqual([]);
  const effects = (await provider.json("db log alpha")).steps.map(({ effect }: { effect: string }) => effect);
  expect(effects.slice(1)).toEqual([
    `registers alpha: public cloud at ${addresses.join(", ")}, key ${alpha.key}`,
    `makes it a public cloud at 192.0.2.9:1776, key ${alpha.key}`,
  ]);
});

test("DN-13 DN-14 the list has the public ones; a private one is in its owner's alone, and serves all the same", async () => {
  const [provider, other] = [newMachine(), newMachine()];
  await provider.ok("ovx create ovc open --public --address 192.0.2.1:1776");
  const hidden = await provider.ok("ovx create ovc hidden --address 192.0.2.2:1776");
  await carry(provider, other);
  const names = async (machine: Machine, words = "") =>
    (await machine.json(`ovx list${words}`)).ovxs.map(({ name }: { name: string }) => name);
  expect([await names(provider), await names(other)]).toEqual([["open"], ["open"]]);
  expect([await names(provider, " --mine"), await names(other, " --mine")]).toEqual([["hidden", "open"], []]);
  await other.ok("net create home");
  await other.ok(`net attach home ${hidden}`);
  expect((await other.json("net show home")).ovxs).toMatchObject([{ ovx: hidden, isListed: false }]);
  await provider.ok("ovx update open --unlisted");
  expect(await names(provider)).toEqual([]);
  await provider.ok("ovx update hidden --public");
  await provider.ok("ovx close hidden");
  expect(await names(provider)).toEqual([]);
  expect((await provider.run("ovx close hidden")).stderr).toBe("it is closed already\n");
});

test("DN-11 DN-12 a dnet names the clouds and relays that it has attached, until they are detached", async () => {
  const owner = newMachine();
  await owner.ok("net create home");
  for (const words of ["ovc one", "ovc two", "ovr three"])
    await owner.ok(`ovx create ${words} --address 192.0.2.1:1776`);
  for (const name of ["one", "two", "three"]) await owner.ok(`net attach home ${name}`);
  const kinds = async () =>
    (await owner.json("net show home")).ovxs.map(({ name, kind }: { name: string; kind: string }) => `${name} ${kind}`);
  expect(await kinds()).toEqual(["one ovc", "two ovc", "three ovr"]);
  expect((await owner.json("net attach home one")).steps).toEqual([]);
  await owner.ok("net detach home two");
  expect(await kinds()).toEqual(["one ovc", "three ovr"]);
  expect(await owner.run("net detach home two")).toMatchObject({ exitCode: 0, stderr: "it is not attached\n" });
});

test("DN-15 DN-18 DN-19 the authorised list has the dnet, until when, and its owner's signature; then it is expired", async () => {
  const [provider, owner] = [newMachine(), newMachine()];
  await provider.ok("ovx create ovr relay --public --address 192.0.2.1:1776");
  await carry(provider, owner);
  const id = await owner.ok("net create home");
  await owner.ok("net attach home relay");
  expect((await owner.json("net show home")).missing).toEqual(["cloud", "relay"]);
  await provider.ok(`ovx authorize relay ${id} --expires 30d --quota 20G`);
  const [entry] = (await provider.json("ovx show relay")).authorised;
  expect(entry).toMatchObject({
    dnet: id,
    quotaBytes: 20e9,
    isExpired: false,
    signers: [await provider.key("owner", "c2pkh")],
  });
  await carry(provider, owner);
  expect((await owner.json("net show home")).missing).toEqual(["cloud"]);
  expect(await owner.ok("net show home")).toContain("relay at 192.0.2.1:1776: authorised until 2025-03-31 ");
  machines.now += 31 * 86_400_000;
  expect((await owner.json("net show home")).missing).toEqual(["cloud", "relay"]);
  expect((await provider.json("ovx show relay")).authorised).toMatchObject([{ isExpired: true }]);
  await provider.ok(`ovx authorize relay ${id}`);
  expect((await provider.json(`ovx authorize relay ${id}`)).steps).toEqual([]);
  await provider.ok(`ovx revoke relay ${id}`);
  expect((await provider.json("ovx show relay")).authorised).toEqual([]);
  expect((await provider.run(`ovx revoke relay ${id}`)).stderr).toBe("it is not authorised\n");
  expect(await provider.error(`ovx authorize relay ${id} --quota lots`)).toStartWith(
    "2 error BAD_OPTION: --quota is lots; ",
  );
});

test("DN-10 nobody but its owner authorises, revokes or changes a cloud", async () => {
  const [provider, thief] = [newMachine(), newMachine()];
  await provider.ok("ovx create ovc cloud --public --address 192.0.2.1:1776");
  await carry(provider, thief);
  const id = await thief.ok("net create mine");
  for (const words of [`ovx authorize cloud ${id}`, "ovx update cloud --unlisted", "ovx close cloud"]) {
    expect(await thief.error(words)).toStartWith("4 error NOT_OWNER: that takes D");
  }
});

test("DN-29 a cloud reads by its own key whom the dnets that it serves admit, and not what they are called", async () => {
  const [provider, owner] = [newMachine(), newMachine()];
  const cloud = await provider.ok("ovx create ovc cloud --public --address 192.0.2.1:1776");
  await carry(provider, owner);
  const id = await owner.ok("net create home");
  await owner.ok("member add home self --name laptop");
  await owner.ok(`net attach home ${cloud}`);
  await carry(owner, provider);
  const seen = await provider.json(`net show ${id}`);
  expect(seen).toMatchObject({
    reads: "keys",
    name: null,
    members: [{ name: null, publicKey: await owner.key("node") }],
  });
  await owner.ok(`member add home ${await newMachine().key("node")}`);
  await carry(owner, provider);
  expect((await provider.json(`net show ${id}`)).members).toHaveLength(2);
});
