/**
 * `bun build.ts`         dist/dnet for this machine
 * `bun build.ts --all`   dist/dnet-linux-x64, -arm64, -x64-musl and -arm64-musl, and dist/SHA256SUMS
 * `--out FOLDER`         another folder than dist
 *
 * The same source, Bun and commit give the same bytes, wherever the clone lies. Bun for other targets comes from the
 * npm registry, once, at the version that runs this file.
 *
 * The Workers are entry points of their own. Inside the executable all code lies in one folder, `/$bunfs/root`, except for
 * further entry points: these keep their path relative to `root`. With `root` at `src/io`, a URL that a module of that very folder
 * makes (`src/io/workers.ts`) finds them from source, under `bun test` and compiled alike (Bun 1.4.5; compiled, `./worker.ts`
 * stands for `./worker.js`).
 */
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";

const MAIN = "src/main.ts";
const WORKERS = ["src/io/datapath/worker.ts", "src/io/verify/worker.ts"];
const TARGETS = ["linux-x64", "linux-arm64", "linux-x64-musl", "linux-arm64-musl"] as const;

const { all, out } = readWords(process.argv.slice(2));
process.chdir(import.meta.dir);
mkdirSync(out, { recursive: true });
const commit = checkedOutCommit();
if (all) {
  const sums: string[] = [];
  for (const target of TARGETS) {
    const path = await build(`dnet-${target}`, `bun-${target}`);
    const sum = new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");
    sums.push(`${sum}  ${basename(path)}\n`);
  }
  writeFileSync(join(out, "SHA256SUMS"), sums.join(""));
  console.error(`wrote ${join(out, "SHA256SUMS")}`);
} else {
  await build("dnet");
}

function readWords(args: string[]): { all: boolean; out: string } {
  const options = { all: { type: "boolean", default: false }, out: { type: "string", default: "dist" } } as const;
  try {
    const { values } = parseArgs({ args, options });
    return { all: values.all, out: values.out === "dist" ? "dist" : resolve(values.out) };
  } catch (error) {
    console.error(`error USAGE: ${(error as Error).message}\ntry bun build.ts [--all] [--out FOLDER]`);
    process.exit(2);
  }
}

/** Builds one executable around the Bun that runs this, or around another target's, and returns its path. */
async function build(name: string, target?: Bun.Build.CompileTarget): Promise<string> {
  const outfile = join(out, name);
  console.error(`building ${outfile} ...`);
  const startedAt = performance.now();
  await Bun.build({
    entrypoints: [MAIN, ...WORKERS],
    root: "src/io",
    target: "bun",
    format: "esm",
    splitting: true,
    minify: true,
    bytecode: true, // `dnet version` in 7 ms instead of 14
    define: { DNET_COMMIT: JSON.stringify(commit) },
    compile: {
      outfile,
      ...(target ? { target } : {}),
      // What lies in the current directory or stands in the environment must not steer a program that may run as root:
      // no code is loaded but what is in the executable.
      execArgv: ["--disallow-code-generation-from-strings=strict"],
      autoloadDotenv: false,
      autoloadBunfig: false,
    },
  });
  onlyItself(outfile);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.error(`built ${outfile}: ${(statSync(outfile).size / 2 ** 20).toFixed(0)} MiB in ${seconds} s`);
  return outfile;
}

/**
 * With BUN_BE_BUN in the environment an executable that Bun compiles is Bun itself and runs any file; after `setcap`, for
 * any user and with that capability. Bun 1.4.5 has no switch for it, so the name becomes one that no variable can have.
 */
function onlyItself(path: string): void {
  const bytes = readFileSync(path);
  const name = Buffer.from("\0BUN_BE_BUN\0");
  const at = bytes.indexOf(name);
  if (at < 0 || bytes.indexOf(name, at + 1) >= 0) throw new Error(`${path} does not name BUN_BE_BUN exactly once`);
  bytes[at + 1] = 0;
  writeFileSync(path, bytes);
}

/** The commit that is checked out, with `+changes` when files differ from it; null outside a clone, or without git. */
function checkedOutCommit(): string | null {
  const head = git("rev-parse", "--short=12", "HEAD");
  return head && git("status", "--porcelain") ? `${head}+changes` : head;
}

function git(...words: string[]): string | null {
  if (!Bun.which("git")) return null;
  const { success, stdout } = Bun.spawnSync(["git", ...words], { stderr: "ignore" });
  return success ? stdout.toString().trim() : null;
}
