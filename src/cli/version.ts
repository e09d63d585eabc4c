import { readFileSync } from "node:fs";
import { version as packageVersion } from "../../package.json";
import { command } from "./command.ts";

/** Set by build.ts: the commit that the executable was built from, null outside a clone. Absent when run from source. */
declare const DNET_COMMIT: string | null | undefined;

export const version = command({
  name: "version",
  summary: "Print the version of dnet and of what it stands on",
  async run({ values }, { terminal }) {
    const facts = versionFacts();
    const { version, commit, bun, platform, arch, libc } = facts;
    const text = `dnet ${version}${commit ? ` (${commit})` : ""}\nbun ${bun}, ${platform} ${arch}${libc ? `, ${libc}` : ""}\n`;
    terminal.stdout.write(values.json ? `${JSON.stringify({ schema: "dnet.version/1", ...facts })}\n` : text);
  },
});

function versionFacts() {
  return {
    version: packageVersion,
    commit: typeof DNET_COMMIT === "undefined" ? null : DNET_COMMIT,
    bun: Bun.version,
    platform: process.platform,
    arch: process.arch,
    libc: loadedLibc(),
  };
}

/** The C library that this very process runs on; null where that cannot be seen. */
function loadedLibc(): "glibc" | "musl" | null {
  try {
    return /\/(ld-musl|libc\.musl)-/.test(readFileSync("/proc/self/maps", "latin1")) ? "musl" : "glibc";
  } catch {
    return null;
  }
}
