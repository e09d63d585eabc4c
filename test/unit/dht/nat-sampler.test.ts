import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { NatSampler } from "../../../src/dht/nat-sampler.ts";
import { vectors } from "../../support/vectors.ts";

const at = (host: string, port: number): Address => ({ host, port });

test("OM-31 after every sample the address is the reference's", () => {
  type Row = Address & { resultHost: string | null; resultPort: number };
  for (const { samples } of vectors<{ samples: Row[] }[]>("natSampler")) {
    const sampler = new NatSampler();
    for (const { host, port, resultHost, resultPort } of samples) {
      sampler.add({ host, port });
      expect([sampler.host, sampler.port]).toEqual([resultHost, resultPort]);
    }
  }
});

test("a sample tells whether it changed what is known", () => {
  const sampler = new NatSampler();
  expect([sampler.host, sampler.port, sampler.size]).toEqual([null, 0, 0]);
  const changes = [at("1.1.1.1", 10), at("1.1.1.1", 10), at("1.1.1.1", 11), at("1.1.1.1", 12), at("2.2.2.2", 10)];
  expect(changes.map((address) => sampler.add(address))).toEqual([true, false, true, false, false]);
});

test("up to three samples must agree, later one, two and three may not", () => {
  for (const [samples, mayDiffer] of [
    [3, 0],
    [4, 1],
    [8, 2],
    [12, 3],
    [16, 3],
  ] as const) {
    for (const differing of [mayDiffer, mayDiffer + 1]) {
      const sampler = new NatSampler();
      // The differing ones first, each from elsewhere.
      for (let i = 0; i < differing; i++) sampler.add(at(`9.9.9.${i}`, 1));
      for (let i = differing; i < samples; i++) sampler.add(at("1.1.1.1", 10));
      expect([samples, differing, sampler.host]).toEqual([
        samples,
        differing,
        differing === mayDiffer ? "1.1.1.1" : null,
      ]);
    }
  }
});

test("only the last sixteen samples count", () => {
  const sampler = new NatSampler();
  for (let i = 0; i < 1_000; i++) sampler.add(at("1.1.1.1", 10));
  expect(sampler.size).toBe(16);
  for (let i = 0; i < 13; i++) sampler.add(at("2.2.2.2", 20));
  expect([sampler.host, sampler.port]).toEqual(["2.2.2.2", 20]);
});
