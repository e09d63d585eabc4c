/**
 * The newest wireguard-go of Debian's archive, testing and unstable included, unpacked for the benchmark alone: apt works with
 * lists and a cache of its own, so nothing is installed and the machine's own apt knows nothing of it. The mirror is the one
 * that the machine's sources name.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Program {
  readonly path: string;
  readonly version: string;
}

const CACHE = join(import.meta.dir, "../../node_modules/.cache/dnet-bench");
const UNPACKED = join(CACHE, "wireguard-go");
const KEEP_MS = 7 * 86_400_000;
/** What Debian signs its archive with, where its package is installed. */
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** Fetches it at most once a week. Throws an error that says why it cannot be had. */
export function newestWireGuardGo(): Program {
  const kept = unpacked();
  if (kept && Date.now() - statSync(UNPACKED).mtimeMs < KEEP_MS) return kept;
  try {
    fetchNewest();
  } catch (error) {
    if (kept) return kept;
    throw error;
  }
  return unpacked()!;
}

/** `wireguard-go/VERSION/usr/bin/wireguard-go`, as `fetchNewest` leaves it. */
function unpacked(): Program | null {
  const [version] = existsSync(UNPACKED) ? readdirSync(UNPACKED) : [];
  return version ? { path: join(UNPACKED, version, "usr/bin/wireguard-go"), version } : null;
}

function fetchNewest(): void {
  const mirror = debianMirror();
  const work = join(CACHE, "apt");
  rmSync(work, { recursive: true, force: true }); // what a run left that was interrupted here
  mkdirSync(work, { recursive: true });
  try {
    const options = ownApt(work, mirror);
    run(["apt-get", ...options, "update"], work);
    run(["apt-get", ...options, "download", "wireguard-go"], work);
    const file = readdirSync(work).find((name) => name.endsWith(".deb"));
    const [, version] = /^wireguard-go_(.+)_[^_]+\.deb$/.exec(file ?? "") ?? [];
    if (!file || !version) throw new Error("apt-get downloaded no package");
    rmSync(UNPACKED, { recursive: true, force: true });
    mkdirSync(UNPACKED);
    run(["dpkg", "-x", file, join(UNPACKED, version)], work);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Options that keep apt inside `work`. */
function ownApt(work: string, mirror: string): string[] {
  for (const folder of ["lists/partial", "cache/archives/partial"]) mkdirSync(join(work, folder), { recursive: true });
  const signed = existsSync(KEYRING) ? `[signed-by=${KEYRING}] ` : "";
  const suites = ["testing", "unstable"].map((suite) => `deb ${signed}${mirror} ${suite} main\n`);
  writeFileSync(join(work, "sources.list"), suites.join(""));
  const settings = [
    `Dir::Etc::SourceList=${join(work, "sources.list")}`,
    "Dir::Etc::SourceParts=-",
    `Dir::State::Lists=${join(work, "lists")}`,
    `Dir::Cache=${join(work, "cache")}`,
    "APT::Sandbox::User=root",
    "Acquire::Languages=none",
  ];
  return ["-q", ...settings.flatMap((setting) => ["-o", setting])];
}

/** The address of Debian's archive in the machine's own sources. */
function debianMirror(): string {
  if (!Bun.which("apt-get")) throw new Error("there is no apt-get here");
  const sites = run(["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]).split("\n");
  const mirror = sites.find((site) => /\/debian\/?$/.test(site));
  if (!mirror) throw new Error("the machine's apt sources name no mirror of Debian");
  return mirror;
}

function run(command: string[], cwd = "."): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd, env: { ...process.env, LC_ALL: "C" } });
  const [reason = `exit ${exitCode}`] = /^E: .*$/m.exec(stderr.toString()) ?? [];
  if (exitCode !== 0) throw new Error(`${command[0]} ${command.at(-1)}: ${reason}`);
  return stdout.toString();
}
