import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { NatClassifier } from "../../../src/dht/nat-classifier.ts";
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
