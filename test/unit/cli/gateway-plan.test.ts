import { expect, test } from "bun:test";
import { DnetError } from "../../../src/base/error.ts";
import type { GatewayValues } from "../../../src/cli/gateway.ts";
import { type GatewayPlan, planGateways } from "../../../src/cli/gateway-plan.ts";
import { parseCommandLine } from "../../../src/cli/parse.ts";
import { root } from "../../../src/cli/root.ts";
import { DEFAULT_PORT, PUBLIC_BOOTSTRAP } from "../../../src/io/gateway/options.ts";

/** What `dnet gateway WORDS` would do. */
function plan(words: string): GatewayPlan {
  const { invocation } = parseCommandLine(root, ["gateway", ...words.split(" ").filter((word) => word !== "")]);
  return planGateways(invocation.values as unknown as GatewayValues);
}

/** The error of a command line that is refused. */
function refusal(words: string): DnetError {
  try {
    plan(words);
  } catch (error) {
    if (error instanceof DnetError) return error;
    throw error;
  }
  throw new Error(`accepted: ${words}`);
}

test("OM-27 one node without --nodes, as many as it says, and --nodes with --port is refused", () => {
  expect(plan("").count).toBe(1);
  expect(plan("--nodes 5").count).toBe(5);
  const refused = refusal("--nodes 5 --port 1776");
  expect(refused).toMatchObject({ code: "OPTION_CONFLICT", failure: "usage" });
  expect(refused.message).toBe("--port is 1776 and --nodes is 5: a port is for one node");
  expect(plan("--nodes 1 --port 1776")).toMatchObject({ count: 1, options: { port: 1776 } });
  for (const text of ["0", "257", "-1", "1.5", "five", "0x5", "5e0"]) {
    expect(refusal(`--nodes ${text}`).message).toBe(`--nodes is ${text}; expected a number from 1 to 256`);
  }
});

test("OM-28 --bootstrap alone with --host begins a network on 1776, or on the port that is given", () => {
  const address = { host: "127.0.0.1", port: DEFAULT_PORT };
  expect(plan("--bootstrap --host 127.0.0.1")).toMatchObject({ publicAddress: address, count: 1, bootstrap: [] });
  expect(plan("--host 127.0.0.1 --bootstrap --json").publicAddress).toEqual(address);
  expect(plan("--bootstrap --host 127.0.0.1 --port 49737").publicAddress).toEqual({ ...address, port: 49_737 });
  expect(plan("--bootstrap --host 127.0.0.1").words).toContain("--bootstrap 127.0.0.1:1776");
});

test("OM-28 --bootstrap without --host, or with one that nobody could reach, is refused with an explanation", () => {
  const refused = refusal("--bootstrap");
  expect(refused.failure).toBe("usage");
  expect(refused.message).toContain("--bootstrap alone begins a network, and needs --host IP");
  for (const host of ["0.0.0.0", "::", "::1", "example.org", "1.2.3", "01.2.3.4"]) {
    expect(refusal(`--bootstrap --host ${host}`).message).toBe(
      `--host is ${host}; expected the IPv4 address at which others reach this machine, not 0.0.0.0 or ::`,
    );
  }
  expect(refusal("--bootstrap --host= --json").message).toStartWith("--host is empty; expected ");
  expect(refusal("--bootstrap --host 127.0.0.1 --port 0").message).toContain("expected a port from 1 to 65535");
});

test("OM-28 --bootstrap HOST:PORT joins a network, with --host too", () => {
  const joined = plan("--bootstrap 192.0.2.1:1776 --host 127.0.0.1");
  expect(joined.publicAddress).toBeNull();
  expect(joined.options).toEqual({ bootstrap: ["192.0.2.1:1776"], host: "127.0.0.1" });
  const several = plan("--bootstrap=192.0.2.1:1776,node.example:49737 --bootstrap 192.0.2.2:1");
  expect(several.bootstrap).toEqual(["192.0.2.1:1776", "node.example:49737", "192.0.2.2:1"]);
});

test("an address that is none is quoted, with what was expected; an empty one begins no network", () => {
  for (const text of ["192.0.2.1", "192.0.2.1:0", "[::1]:1776", "1776", "a b:1", "192.0.2.1:1776,", "-"]) {
    const refused = refusal(`--bootstrap=${text}`.replace(" ", "\t"));
    expect(refused).toMatchObject({ code: "BAD_OPTION", failure: "usage" });
    expect(refused.message).toContain("; expected HOST:PORT with an IPv4 address or a name");
  }
  expect(refusal("--bootstrap= --host 127.0.0.1").message).toStartWith("--bootstrap is empty; expected HOST:PORT");
  expect(refusal(`--bootstrap ${Array(65).fill("192.0.2.1:1").join(",")}`).message).toContain("expected at most 64");
  expect(refusal("--bootstrap \x1b[31m:1").message).not.toContain("\x1b");
});

test("OM-29 --port is that port and no other; without it the gateway's own order holds", () => {
  expect(plan("").options).not.toHaveProperty("port");
  expect(plan("--port 49737").options).toMatchObject({ port: 49_737, anyPort: false });
  expect(plan("--port 0").options).toMatchObject({ port: 0 });
  for (const text of ["65536", "-1", "http", "1776.0", "99999999999999999999"]) {
    expect(refusal(`--port ${text}`).message).toBe(`--port is ${text}; expected a port from 0 to 65535`);
  }
});

test("OM-44 with no option it is the public network, named in words; --no-bootstrap is nobody", () => {
  const public_ = plan("");
  expect(public_.bootstrap).toEqual(PUBLIC_BOOTSTRAP);
  expect(public_.options.bootstrap).toEqual(PUBLIC_BOOTSTRAP);
  for (const node of PUBLIC_BOOTSTRAP) expect(public_.words).toContain(node);
  expect(plan("--no-bootstrap")).toMatchObject({ bootstrap: [], options: { bootstrap: [] } });
});

test("networks are told apart by their bootstrap nodes, in whatever order; nothing is saved without any", () => {
  const network = (words: string) => plan(words).network;
  expect(network("")).toBe("public");
  expect(network("--no-bootstrap")).toBeNull();
  expect(network("--bootstrap 192.0.2.1:1,B.example:2")).toBe("192.0.2.1:1,b.example:2");
  expect(network("--bootstrap b.example:2 --bootstrap 192.0.2.1:1,192.0.2.1:1")).toBe("192.0.2.1:1,b.example:2");
  expect(network("--bootstrap 192.0.2.1:1")).not.toBe(network("--bootstrap 192.0.2.1:2"));
  expect(network("--bootstrap --host 192.0.2.1")).not.toBe(network("--bootstrap 192.0.2.1:1776"));
});

test("persistence is left to the node unless it is said", () => {
  expect(plan("").options).not.toHaveProperty("ephemeral");
  expect(plan("--persistent").options.ephemeral).toBe(false);
  expect(plan("--ephemeral").options.ephemeral).toBe(true);
});

test("a bootstrap node binds to its own address where this machine has it, else to all, or as --bind says", () => {
  const bound = (words: string) => plan(`--bootstrap ${words}`).options.host;
  expect(bound("--host 127.0.0.1")).toBe("127.0.0.1");
  expect(bound("--host 192.0.2.1")).toBe("0.0.0.0");
  expect(bound("--host 192.0.2.1 --bind 127.0.0.1")).toBe("127.0.0.1");
  expect(refusal("--bootstrap --host 192.0.2.1 --bind ::").message).toStartWith(
    "--bind is ::; expected an IPv4 address",
  );
  expect(refusal("--host ::1").message).toStartWith("--host is ::1; expected an IPv4 address of this machine");
});

test("options that make no sense together are refused, with what to do instead", () => {
  const conflicts = [
    "--bootstrap --bootstrap 192.0.2.1:1776 --host 127.0.0.1",
    "--bootstrap 192.0.2.1:1776 --no-bootstrap",
    "--bootstrap --host 127.0.0.1 --no-bootstrap",
    "--ephemeral --persistent",
    "--bootstrap --host 127.0.0.1 --ephemeral",
    "--bootstrap --host 127.0.0.1 --nodes 2",
    "--no-bootstrap --persistent",
    "--bind 127.0.0.1",
    "--bootstrap 192.0.2.1:1776 --bind 127.0.0.1",
  ];
  for (const words of conflicts) {
    expect(refusal(words)).toMatchObject({ code: "OPTION_CONFLICT", failure: "usage" });
    expect(refusal(words).hint).not.toBeNull();
  }
});

test("the router is left alone when it is to be, and otherwise asked where that makes sense", () => {
  expect(plan("").options.portMapping).toBeUndefined();
  expect(plan("--no-port-mapping").options.portMapping).toBe(false);
});
