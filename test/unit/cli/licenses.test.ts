import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { dependencies } from "../../../package.json";
import { dnet } from "./fake-context.ts";

type Component = { name: string; version: string; license: string; text: string };

test("every dependency that is bundled is listed with its version and the whole of its licence", async () => {
  const { schema, components } = (await dnet(["licenses", "--json"])).json();
  expect(schema).toBe("dnet.licenses/1");
  const listed = new Map((components as Component[]).map((component) => [component.name, component]));
  expect([...listed.keys()].toSorted()).toEqual([...Object.keys(dependencies), "bun", "dnet"].toSorted());
  for (const [name, version] of Object.entries(dependencies)) {
    const text = readFileSync(join(import.meta.dir, "../../../node_modules", name, "LICENSE"), "utf8");
    expect(listed.get(name)).toMatchObject({ version, text });
  }
  for (const part of ["JavaScriptCore", "boringssl", "LGPL-2"]) expect(listed.get("bun")?.text).toContain(part);
});

test("in text each licence stands under its name", async () => {
  const { stdout } = await dnet(["licenses"]);
  expect(stdout).toContain(`@noble/ciphers ${dependencies["@noble/ciphers"]}: MIT\n`);
  expect(stdout).toContain("Permission is hereby granted");
});
