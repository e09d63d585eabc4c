/**
 * `npm test`: installs the programs that the tests run against, builds the executable, runs every test; or those that are named. The tests
 * in namespaces, which mostly wait, run beside all others, which mostly compute: 7 minutes on two cores instead of 12.
 */
import { ensurePrograms } from "./support/packages.ts";

process.chdir(`${import.meta.dir}/..`);
const missing = ensurePrograms();
if (missing.length > 0) console.error(`not here, so what needs them is skipped: ${missing.join(", ")}`);
const run = (args: readonly string[], output: "inherit" | "pipe") =>
  Bun.spawn([process.execPath, ...args], { stdin: "ignore", stdout: output, stderr: output });

const building = await run(["build.ts"], "inherit").exited;
if (building !== 0) process.exit(building);
const named = process.argv.slice(2);
if (named.length > 0) process.exit(await run(["test", ...named], "inherit").exited);

const others = run(["test", "test/unit", "test/sim", "test/interop"], "pipe");
const said = Promise.all([new Response(others.stdout).text(), new Response(others.stderr).text()]);
const inNamespaces = await run(["test", "test/netns"], "inherit").exited;
for (const text of await said) process.stderr.write(text);
process.exit(inNamespaces || (await others.exited));
