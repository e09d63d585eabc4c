/**
 * `npm test`: installs the programs that the tests run against, builds the executable, runs every test; or those that are named. The tests
 * in namespaces, which mostly wait, run beside all others, which mostly compute: 7 minutes on two cores instead of 12.
 */
import { ensurePrograms } from "./support/packages.ts";

process.chdir(`${import.meta.dir}/..`);
const missing = ensurePrograms();
if (missing.length > 0) console.error(`not here, so what needs them is skipped: ${missing.join(", ")}`);
const run = (args: readonly string[], output: "inherit" | "pipe" = "inherit") =>
  Bun.spawn([process.execPath, ...args], { stdin: "ignore", stdout: output, stderr: output });
/** Each test has 20 s, where it does not ask for more: some compute for five, alone on the machine. */
const runTests = (names: readonly string[], output?: "inherit" | "pipe") =>
  run(["test", "--timeout", "20000", ...names], output);

const building = await run(["build.ts"]).exited;
if (building !== 0) process.exit(building);
const named = process.argv.slice(2);
if (named.length > 0) process.exit(await runTests(named).exited);

const others = runTests(["test/unit", "test/sim", "test/interop"], "pipe");
const said = Promise.all([new Response(others.stdout).text(), new Response(others.stderr).text()]);
const inNamespaces = await runTests(["test/netns"]).exited;
for (const text of await said) process.stderr.write(text);
process.exit(inNamespaces || (await others.exited));
