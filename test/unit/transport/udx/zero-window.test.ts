import { expect, test } from "bun:test";
import { ZeroWindow } from "../../../../src/transport/udx/zero-window.ts";

test("it asks after one timeout, then after two each, as the reference does", () => {
  const window = new ZeroWindow();
  window.blocked(35, 1_000, false);
  expect(window.dueAt).toBe(1_035);
  window.ask(1_035, 1_000);
  expect(window.dueAt).toBe(3_035);
  window.open();
  window.blocked(8_958, 1_000, true); // a write met the closed window
  expect(window.dueAt).toBe(8_958);
  window.ask(8_958, 1_000);
  expect(window.dueAt).toBe(9_958);
  window.ask(9_958, 1_000);
  expect(window.dueAt).toBe(11_958);
});

test("seven questions without an answer are the last, and any answer counts anew", () => {
  const window = new ZeroWindow();
  window.blocked(0, 1_000, false);
  const ask = () => window.ask(0, 1_000);
  for (let i = 0; i < 6; i++) expect(ask()).toBe(true);
  window.heard();
  for (let i = 0; i < 7; i++) expect(ask()).toBe(true);
  expect(ask()).toBe(false);
});
