import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DnetError } from "../../../src/base/error.ts";
import { startInBackground } from "../../../src/cli/background.ts";
import { tunnelLogPath } from "../../../src/io/paths.ts";
import { emptyView } from "./fake-context.ts";

const folder = mkdtempSync(join(tmpdir(), "dnet-background-"));
const before = process.env["DNET_RUN_DIR"];
process.env["DNET_RUN_DIR"] = join(folder, "run");
afterAll(() => {
  if (before === undefined) delete process.env["DNET_RUN_DIR"];
  else process.env["DNET_RUN_DIR"] = before;
  rmSync(folder, { recursive: true });
});

/** Starts a shell script in the place of dnet. */
function start(script: string, withinMs = 10_000) {
  const path = join(folder, "program.sh");
  writeFileSync(path, script);
  return startInBackground("wg0", "/etc/wireguard/wg0.conf", { program: ["sh", path], withinMs });
}

async function failure(start: Promise<unknown>): Promise<DnetError> {
  try {
    await start;
  } catch (error) {
    if (error instanceof DnetError) return error;
    throw error;
  }
  throw new Error("it started");
}

test("the tunnel comes back as soon as its line is there, and its process lives on in a session of its own", async () => {
  const [head, tail] = JSON.stringify({ ...emptyView, pid: "PID" }).split('"PID"');
  const view = await start(`echo "$@" >&2; printf '%s%d%s\\n' '${head}' $$ '${tail}'; exec sleep 60`);
  try {
    expect(view).toMatchObject({ schema: "dnet.tunnel/1", name: "wg0" });
    // Fields 5 and 6 of /proc/PID/stat, after the name in brackets: process group and session.
    const [, , group, session] = readFileSync(`/proc/${view.pid}/stat`, "latin1").split(") ")[1]!.split(" ");
    expect([group, session]).toEqual([String(view.pid), String(view.pid)]);
  } finally {
    process.kill(view.pid);
  }
  expect(readFileSync(tunnelLogPath("wg0"), "utf8")).toBe("tunnel up --foreground --json -- /etc/wireguard/wg0.conf\n");
  expect(statSync(tunnelLogPath("wg0")).mode & 0o777).toBe(0o600);
});

test("an error of the background process is thrown as if it had happened here", async () => {
  const error = { schema: "dnet.error/1", code: "TUN_DENIED", message: "no", hint: "as root", exitCode: 8 };
  const thrown = await failure(start(`echo '${JSON.stringify(error)}'; exit 8`));
  expect(thrown).toMatchObject({ code: "TUN_DENIED", message: "no", hint: "as root", failure: "permission" });
  const plain = await failure(start(`echo '${JSON.stringify({ ...error, hint: null, exitCode: 1 })}'; exit 1`));
  expect(plain).toMatchObject({ hint: null, failure: "failure" });
});

test("a process that ends without a word is an error that names the log", async () => {
  const thrown = await failure(start("echo oh dear >&2; exit 0"));
  expect(thrown).toMatchObject({ code: "TUNNEL_NOT_STARTED", failure: "failure" });
  expect(thrown.hint).toBe(`read its log: ${tunnelLogPath("wg0")}`);
  expect(readFileSync(tunnelLogPath("wg0"), "utf8")).toBe("oh dear\n");
});

test("a process that takes too long is stopped, and that is a timeout", async () => {
  const thrown = await failure(start("exec sleep 60", 20));
  expect(thrown).toMatchObject({ code: "TUNNEL_NOT_STARTED", failure: "unreachable" });
  expect(thrown.message).toContain("too slow");
});
