import { expect, test } from "bun:test";
import { DnetError } from "../../../src/base/error.ts";
import { command, group } from "../../../src/cli/command.ts";
import { runCommandLine } from "../../../src/cli/run.ts";
import { dnet, FakeTerminal } from "./fake-context.ts";

test("an unknown command is answered with the nearest right one, on stderr, with exit code 2", async () => {
  const { exitCode, stdout, stderr } = await dnet(["tunel", "up"]);
  expect(stderr).toBe('error UNKNOWN_COMMAND: dnet has no command "tunel"\ntry dnet tunnel\n');
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
  expect((await dnet(["tunnel", "shwo"])).stderr).toEndWith("try dnet tunnel show\n");
  expect((await dnet(["vers"])).stderr).toEndWith("try dnet version\n");
});

test("an unknown command that is near to nothing is answered with all commands", async () => {
  const all =
    "net, member, invite, join, accept, ovx, wallet, db, tunnel, gateway, dht, lab, version, licenses, completion, help";
  expect((await dnet(["frobnicate"])).stderr).toEndWith(`try one of: ${all}\n`);
});

test("an unknown flag is answered with the nearest one, and its value is not repeated", async () => {
  const { exitCode, stderr } = await dnet(["tunnel", "up", "a.conf", "--forground=hunter2"]);
  expect(stderr).toBe('error UNKNOWN_OPTION: dnet tunnel up has no option "--forground"\ntry --foreground\n');
  expect(exitCode).toBe(2);
});

test("missing, surplus and impossible arguments are refused, and surplus ones are not repeated", async () => {
  expect((await dnet(["tunnel", "up"])).stderr).toContain("dnet tunnel up needs FILE");
  const surplus = await dnet(["tunnel", "pubkey", "hunter2"]);
  expect(surplus.stderr).toBe(
    "error TOO_MANY_ARGUMENTS: dnet tunnel pubkey takes no arguments, not 1\n" +
      "try dnet tunnel pubkey [--json] < PRIVATE-KEY-FILE\n",
  );
  expect((await dnet(["completion", "fihs"])).stderr).toEndWith("try fish\n");
  expect((await dnet(["version", "--json=yes"])).stderr).toContain("--json takes no value");
  expect((await dnet([])).stderr).toStartWith("error MISSING_COMMAND: dnet needs a command\n");
  expect((await dnet(["tunnel"])).exitCode).toBe(2);
});

test("under --json an error is an object on stdout, wherever the flag stands", async () => {
  const refused = {
    schema: "dnet.error/1",
    code: "UNKNOWN_COMMAND",
    message: 'dnet has no command "tunel"',
    hint: "dnet tunnel",
    exitCode: 2,
  };
  for (const argv of [
    ["tunel", "--json"],
    ["--json", "tunel"],
  ]) {
    const outcome = await dnet(argv);
    expect(outcome.json()).toEqual(refused);
    expect(outcome.stdout).toStartWith('{"schema":');
    expect(outcome.stderr).toBe("");
  }
  expect((await dnet(["help", "--", "--json"])).stderr).toContain("UNKNOWN_TOPIC");
});

test("help says what an option is when it is not given", async () => {
  const { stdout } = await dnet(["invite", "--help"]);
  expect(stdout).toContain("or never; default 7d\n");
  expect(stdout).toContain("how long to wait for that; default 60s\n");
  const { options } = (await dnet(["invite", "--help", "--json"])).json() as { options: object[] };
  expect(options).toContainEqual(expect.objectContaining({ name: "expires", default: "7d" }));
});

test("--help and -h print help on stdout everywhere, and say the same as dnet help", async () => {
  for (const path of [[], ["tunnel"], ["tunnel", "up"], ["version"], ["help"]]) {
    const { exitCode, stdout, stderr } = await dnet([...path, "--help"]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toContain(`usage: ${["dnet", ...path].join(" ")}`);
    expect((await dnet(["-h", ...path])).stdout).toBe(stdout);
    expect((await dnet(["help", ...path])).stdout).toBe(stdout);
  }
});

test("a mistake of ours shows its stack, and is an error like the others", async () => {
  const root = group({
    name: "dnet",
    summary: "",
    subcommands: [
      command({
        name: "break",
        summary: "",
        run: async () => {
          throw new RangeError("oh\nno");
        },
      }),
    ],
  });
  const terminal = new FakeTerminal();
  const context = { terminal } as unknown as Parameters<typeof runCommandLine>[2];
  expect(await runCommandLine(root, ["break"], context)).toBe(1);
  expect(terminal.errors).toContain("run.test.ts");
  expect(terminal.errors).toContain("\nerror INTERNAL: oh no\n");
  expect(await runCommandLine(root, ["break", "--json"], context)).toBe(1);
  expect(JSON.parse(terminal.output)).toMatchObject({ schema: "dnet.error/1", code: "INTERNAL", exitCode: 1 });
});

test("options take a value after a space or an equals sign, have defaults, and may stand anywhere", async () => {
  const seen: unknown[] = [];
  const invite = command({
    name: "invite",
    summary: "",
    arguments: [{ name: "NAME" }, { name: "NOTE", isOptional: true, isRepeated: true }],
    options: {
      expires: { type: "string", description: "", placeholder: "SPAN", default: "24h" },
      quiet: { type: "boolean", description: "", short: "q" },
    },
    run: async ({ positionals, values: { expires, quiet, json } }) => {
      seen.push([...positionals, expires.toUpperCase(), quiet, json]);
    },
  });
  const root = group({ name: "dnet", summary: "", subcommands: [invite] });
  const context = { terminal: { stdout: { write: () => {} }, stderr: { write: () => {} } } } as never;
  const run = (...argv: string[]) => runCommandLine(root, ["invite", ...argv], context);
  expect(await run("ann")).toBe(0);
  expect(await run("--expires", "1h", "ann", "-q")).toBe(0);
  expect(await run("--expires=a=b", "--json", "--", "--ann", "-q", "-")).toBe(0);
  expect(seen).toEqual([
    ["ann", "24H", false, false],
    ["ann", "1H", true, false],
    ["--ann", "-q", "-", "A=B", false, true],
  ]);
  expect(await run("ann", "--expires")).toBe(2);
  expect(await run("ann", "--__proto__=x")).toBe(2);
});

test("an optional value is the next word unless that is an option; a repeated option keeps all its values", async () => {
  const seen: unknown[] = [];
  const node = command({
    name: "node",
    summary: "",
    arguments: [{ name: "NAME", isOptional: true }],
    options: {
      begin: { type: "string", description: "", placeholder: "ADDR", valueIsOptional: true, isRepeated: true },
      via: { type: "string", description: "", placeholder: "ADDR", isRepeated: true },
      log: { type: "string", description: "", valueIsOptional: true },
    },
    run: async ({ positionals, values: { begin, via, log } }) => {
      seen.push([positionals, begin, via, log]);
    },
  });
  const root = group({ name: "dnet", summary: "", subcommands: [node] });
  const terminal = new FakeTerminal();
  const run = (...argv: string[]) => runCommandLine(root, ["node", ...argv], { terminal } as never);
  expect(await run()).toBe(0);
  expect(await run("--begin")).toBe(0);
  expect(await run("--begin", "--log")).toBe(0);
  expect(await run("--begin", "a", "b")).toBe(0);
  expect(await run("--begin=", "--begin=--log", "--begin", "-", "--begin")).toBe(0);
  expect(await run("--begin", "--", "a")).toBe(0);
  expect(await run("--via", "a", "--via=b", "--log=c", "--log")).toBe(0);
  expect(seen).toEqual([
    [[], [], [], undefined],
    [[], [true], [], undefined],
    [[], [true], [], true],
    [["b"], ["a"], [], undefined],
    [[], ["", "--log", "-", true], [], undefined],
    [["a"], [true], [], undefined],
    [[], [], ["a", "b"], true],
  ]);
  expect(await run("--via")).toBe(2);
  expect(await run("--help")).toBe(0);
  expect(terminal.output).toContain("usage: dnet node [NAME] [--begin [ADDR]] [--via ADDR] [--log [VALUE]] [--json]\n");
  expect(terminal.output).toContain("  --begin [ADDR]  ");
  const help = new FakeTerminal();
  expect(await runCommandLine(root, ["node", "--help", "--json"], { terminal: help } as never)).toBe(0);
  expect(JSON.parse(help.output).options[0]).toMatchObject({ name: "begin", valueIsOptional: true, isRepeated: true });
});

test("under --json an error is words when stdout takes nothing", async () => {
  class FullDisk extends FakeTerminal {
    override readonly stdout = {
      write: () => {
        throw new DnetError("OUTPUT_FAILED", "the result cannot be written: ENOSPC");
      },
    };
  }
  const terminal = new FullDisk();
  expect((await dnet(["version", "--json"], { terminal })).exitCode).toBe(1);
  expect(terminal.errors).toBe("error OUTPUT_FAILED: the result cannot be written: ENOSPC\n");
});
