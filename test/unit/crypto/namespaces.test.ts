import { expect, test } from "bun:test";
import * as namespaces from "../../../src/crypto/namespaces.ts";
import { vectors } from "../../support/vectors.ts";

type Group = { [name: string]: { ids: { [key: string]: number }; ns: { [key: string]: string } } };

test("namespaces are the reference's, by name and index and as constants", () => {
  const constants: { [name: string]: unknown } = { ...namespaces };
  const seen: string[] = [];
  for (const [name, { ids, ns }] of Object.entries(vectors<Group>("namespaces"))) {
    for (const [key, value] of Object.entries(ns)) {
      expect(namespaces.namespace(name, ids[key]!).toHex()).toBe(value);
      expect(constants[`NS_${key}`]).toEqual(Uint8Array.fromHex(value));
      seen.push(`NS_${key}`);
    }
  }
  const ours = ["NS_PATH", "NS_PROXY"]; // HyperDHT has no such things
  expect(
    Object.keys(constants)
      .filter((name) => name.startsWith("NS_"))
      .toSorted(),
  ).toEqual([...seen, ...ours].toSorted());
});
