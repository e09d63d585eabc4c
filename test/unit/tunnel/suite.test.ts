import { expect, test } from "bun:test";
import { SUITE_D, SUITE_W, suiteOf } from "../../../src/tunnel/suite.ts";

test("suite W begins where every WireGuard does", () => {
  expect(SUITE_W.chainingKey.toHex()).toBe("60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36");
  expect(SUITE_W.hash.toHex()).toBe("2211b361081ac566691243db458ad5322d9c6c662293e8b70ee19c65ba079ef3");
});

test("suite D begins elsewhere", () => {
  expect(SUITE_D.chainingKey).not.toEqual(SUITE_W.chainingKey);
  expect(SUITE_D.hash).not.toEqual(SUITE_W.hash);
});

test("the first byte of a message names its suite", () => {
  expect([suiteOf(0), suiteOf(0x80)]).toEqual([SUITE_W, SUITE_D]);
});
