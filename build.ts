/**
 * `bun build.ts`         dist/dnet for this machine
 * `bun build.ts --all`   dist/dnet-linux-x64, -arm64, -x64-musl and -arm64-musl, and dist/SHA256SUMS
 *
 * The same source, Bun and commit give the same bytes, wherever the clone lies. Bun for other targets comes from the
 * npm registry, once, at the version that runs this file.
 *
 * The datapath's Worker is an entry point of its own. Inside the executable all code lies in one folder, `/$bunfs/root`,
 * except for further entry points: these keep their path relative to `root`. With `root` at the Worker's own folder,
 * `new Worker(new URL("./worker.ts", import.meta.url))` in a module of that folder finds it from source, under
 * `bun test` and compiled alike (Bun 1.4.5; compiled, `./worker.ts` stands for `./worker.js`).
 */
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

const MAIN = "src/main.ts";
const WORKER = "src/io/datapath/worker.ts";
const TARGETS = ["linux-x64", "linux-arm64", "linux-x64-musl", "linux-arm64-musl"] as const;

process.chdir(import.meta.dir);
const words = process.argv.slice(2);
if (words.some((word) => word !== "--all")) {
  console.error("error USAGE: build.ts takes --all or nothing\ntry bun build.ts --all");
  process.exit(2);
}
mkdirSync("dist", { recursive: true });
const commit = commitOf(".");
if (words.includes("--all")) {
  const sums: string[] = [];
  for (const target of TARGETS) {
    const name = `dnet-${target}`;
    await build(name, `bun-${target}`);
    sums.push(`${new Bun.CryptoHasher("sha256").update(readFileSync(join("dist", name))).digest("hex")}  ${name}`);
  }
  await Bun.write("dist/SHA256SUMS", `${sums.join("\n")}\n`);
  console.error("wrote dist/SHA256SUMS");
} else {
  await build("dnet");
}

/** Builds dist/NAME: by the Bun that runs this, or with another target's Bun. */
async function build(name: string, target?: Bun.Build.CompileTarget): Promise<void> {
  const outfile = join("dist", name);
  console.error(`building ${outfile} ...`);
  const startedAt = performance.now();
  await Bun.build({
    entrypoints: [MAIN, WORKER].filter((path) => existsSync(path)),
    root: "src/io/datapath",
    target: "bun",
    format: "esm",
    splitting: true,
    minify: true,
    bytecode: true,
    define: { DNET_COMMIT: JSON.stringify(commit) },
    compile: {
      outfile,
      ...(target ? { target } : {}),
      // What lies in the current directory, perhaps someone else's, must not steer a program that may run as root.
      autoloadDotenv: false,
      autoloadBunfig: false,
    },
  });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.error(`built ${outfile}: ${(statSync(outfile).size / 2 ** 20).toFixed(0)} MiB in ${seconds} s`);
}

/** The commit that is checked out, with `+changes` when files differ from it; null outside a clone, or without git. */
function commitOf(directory: string): string | null {
  const git = (...words: string[]) => {
    try {
      const { success, stdout } = Bun.spawnSync(["git", "-C", directory, ...words], { stderr: "ignore" });
      return success ? stdout.toString().trim() : null;
    } catch {
      return null; // no git here
    }
  };
  const head = git("rev-parse", "--short=12", "HEAD");
  return head && git("status", "--porcelain") ? `${head}+changes` : head;
}
