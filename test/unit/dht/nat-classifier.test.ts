import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { NatClassifier } from "../../../src/dht/nat-classifier.ts";
import { FIREWALL } from "../../../src/wire/noise-payload.ts";
import { vectors } from "../../support/vectors.ts";

interface Vector {
  readonly name: string;
  readonly firewalled?: boolean;
  readonly steps: readonly (Address & { readonly firewall: number; readonly addresses: readonly Address[] | null })[];
}

for (const { name, steps } of vectors<Vector[]>("natClassifier")) {
  test(`a NAT is classified as the reference does: ${name}`, () => {
    const nat = new NatClassifier(false);
    for (const [i, { host, port, firewall, addresses }] of steps.entries()) {
      nat.add({ host, port }, { host: "192.0.2.1", port: i + 1 });
      expect({ i, firewall: nat.firewall, addresses: nat.addresses }).toEqual({ i, firewall, addresses });
    }
  });
}

test("where nobody is left to ask, one sample or two are enough: steady if they agree", () => {
  const at = (port: number) => ({ host: "198.51.100.7", port });
  const nodes = [1, 2, 3].map((port) => ({ host: "192.0.2.1", port }));
  const told = (...ports: number[]) => {
    const nat = new NatClassifier(false);
    for (const [i, port] of ports.entries()) nat.add(at(port), nodes[i]!);
    nat.presume();
    return [nat.firewall, nat.addresses];
  };
  expect(told()).toEqual([FIREWALL.unknown, null]);
  expect(told(5)).toEqual([FIREWALL.consistent, [at(5)]]);
  expect(told(5, 5)).toEqual([FIREWALL.consistent, [at(5)]]);
  expect(told(5, 9)).toEqual([FIREWALL.random, [at(0)]]);
  expect(told(5, 9, 9)).toEqual([FIREWALL.unknown, null]); // as the reference: more are wanted
});
