/** `npm test`: installs the programs that the tests run against, builds the executable, runs every test. */
import { ensurePrograms } from "./support/packages.ts";

process.chdir(`${import.meta.dir}/..`);
const missing = ensurePrograms();
if (missing.length > 0) console.error(`not here, so what needs them is skipped: ${missing.join(", ")}`);
for (const command of [["build.ts"], ["test", ...process.argv.slice(2)]]) {
  const { exitCode } = Bun.spawnSync([process.execPath, ...command], { stdio: ["ignore", "inherit", "inherit"] });
  if (exitCode !== 0) process.exit(exitCode ?? 1);
}
