import { expect, test } from "bun:test";
import { DnetError, type Failure } from "../../../src/base/error.ts";
import { command, group } from "../../../src/cli/command.ts";
import { exitCodeOf, exitCodes, failureOf } from "../../../src/cli/exit-codes.ts";
import { runCommandLine } from "../../../src/cli/run.ts";
import { dnet } from "./fake-context.ts";

const promised: { readonly [failure in Failure]: number } = {
  failure: 1,
  usage: 2,
  "not-running": 3,
  "not-authorised": 4,
  "unknown-peer": 5,
  unreachable: 6,
  permission: 8,
  configuration: 9,
  degraded: 10,
};

test("every failure ends with the exit code that was promised, and back", async () => {
  for (const [failure, code] of Object.entries(promised) as [Failure, number][]) {
    const fail = command({
      name: "fail",
      summary: "",
      run: async () => {
        throw new DnetError("X", "x", { failure });
      },
    });
    const context = { terminal: { stderr: { write: () => {} } } } as never;
    expect(await runCommandLine(group({ name: "dnet", summary: "", subcommands: [fail] }), ["fail"], context)).toBe(
      code,
    );
    expect(exitCodeOf(failure)).toBe(code);
    expect(failureOf(code)).toBe(failure);
  }
  expect(failureOf(77)).toBe("failure");
});

test("dnet help exit-codes prints the table", async () => {
  const { stdout } = await dnet(["help", "exit-codes"]);
  for (const { code, meaning } of exitCodes) expect(stdout).toContain(`${String(code).padStart(4)}  ${meaning}\n`);
  expect((await dnet(["help", "exit-codes", "--json"])).json()).toMatchObject({ schema: "dnet.exit-codes/1" });
});
