/** The rules of the house that no compiler holds: who may import whom, and what the pure folders must not touch. */
import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";

const ROOT = join(import.meta.dir, "../..");

/** Left may not import right; two in one row do not import each other. */
const LAYERS = [
  ["base"],
  ["crypto", "wire"],
  ["transport", "tunnel", "portmap"],
  ["dht"],
  ["overlay"],
  ["roles"],
  ["io"],
  ["dashboard"],
  ["cli", "index.ts"],
  ["main.ts"],
];
const PURE = new Set(LAYERS.slice(0, 6).flat());
/** Modules from elsewhere that a pure folder may load; types may come from anywhere. */
const PURE_MODULES: { readonly [layer: string]: RegExp } = { crypto: /^(node:crypto|@noble\/|@scure\/)/ };

/** What brings a clock, chance, I/O or a suspended function into code. */
const IMPURE: readonly (readonly [what: string, pattern: RegExp])[] = [
  ["a clock", /\bDate\.now\b|\bnew Date\(\)|\bperformance\b|\bprocess\.hrtime\b|\bBun\.nanoseconds\b/],
  ["a timer", /\b(setTimeout|setInterval|setImmediate|queueMicrotask)\b|\bBun\.sleep/],
  ["chance", /\bMath\.random\b|\b(getRandomValues|randomBytes|randomFill|randomFillSync|randomInt|randomUUID)\b/],
  ["await", /\bawait\b|\basync\b/],
  ["I/O", /\bprocess\.|\bBun\.|\bconsole\b|\bfetch\(|\bnew (Worker|WebSocket)\b|\brequire\(/],
];

interface Import {
  readonly specifier: string;
  readonly isType: boolean;
}

function sourceFiles(folder: string): string[] {
  const path = join(ROOT, folder);
  if (!existsSync(path)) return [];
  const names = readdirSync(path, { recursive: true, encoding: "utf8" });
  return names.filter((name) => /\.tsx?$/.test(name)).map((name) => join(folder, name));
}

/** The code with comments made blank and, if asked, strings emptied; lines stay where they are. */
function bare(code: string, { emptyStrings }: { emptyStrings: boolean }): string {
  const tokens = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\/\*[\s\S]*?\*\/|(?<=^|[\s;,{}()])\/\/[^\n]*/g;
  return code.replace(tokens, (token) => {
    if (token.startsWith("/")) return token.replaceAll(/[^\n]/g, " ");
    return emptyStrings ? '""' : token;
  });
}

/** Every import, re-export, dynamic import, and file named by its URL. */
function importsOf(code: string): Import[] {
  const text = bare(code, { emptyStrings: false });
  const forms =
    /\b(?:import|export)\s+(type\s)?(?:[\w$*{][^;"'()]*?\sfrom\s*)?["']([^"'\n]+)["']|\b(?:import|require)\(\s*["'`]([^"'`\n]+)["'`]|new URL\(\s*["']([^"'\n]+)["']\s*,\s*import\.meta/g;
  return [...text.matchAll(forms)].map(([, type, from, dynamic, url]) => ({
    specifier: from ?? dynamic ?? url ?? "",
    isType: type !== undefined,
  }));
}

/** `src/tunnel/peer.ts` is in `tunnel`, `src/main.ts` in `main.ts`, `ffi/x.ts` in `ffi`. */
function layerOf(path: string): string {
  const [first = "", second = ""] = path.split("/");
  return first === "src" ? second : first;
}

/** Why `from` must not import `specifier`; null when it may. */
function refusal(from: string, { specifier, isType }: Import): string | null {
  const layer = layerOf(from);
  if (!specifier.startsWith(".")) {
    if (!PURE.has(layer) || isType || PURE_MODULES[layer]?.test(specifier)) return null;
    return `${layer} is pure, and may load nothing from outside`;
  }
  const target = layerOf(normalize(join(dirname(from), specifier)));
  const isOurs = target === "ffi" || target === "web" || target === "test" || rank(target) >= 0;
  if (!isOurs || target === layer) return null;
  if (layer === "ffi") return "ffi imports nothing of ours";
  if (layer === "web") return target === "dashboard" && isType ? null : "web imports one type of the dashboard";
  if (target === "ffi") return layer === "io" ? null : "only io imports ffi";
  if (target === "web") return layer === "dashboard" ? null : "only the dashboard serves web";
  if (rank(target) < rank(layer)) return null;
  return rank(target) === rank(layer)
    ? `${layer} and ${target} do not import each other`
    : `${target} is above ${layer}`;
}

function rank(layer: string): number {
  return LAYERS.findIndex((row) => row.includes(layer));
}

/** `src/base/a.ts:3: a clock: Date.now()` for every line that a pattern meets. */
function offences(path: string, code: string, rules: readonly (readonly [string, RegExp])[]): string[] {
  const lines = bare(code, { emptyStrings: true }).split("\n");
  return lines.flatMap((text, i) =>
    rules.filter(([, pattern]) => pattern.test(text)).map(([what]) => `${path}:${i + 1}: ${what}: ${text.trim()}`),
  );
}

const files = [...sourceFiles("src"), ...sourceFiles("ffi"), ...sourceFiles("web")];
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

test("imports point one way", () => {
  const wrong = files.flatMap((path) =>
    importsOf(read(path)).flatMap((found) => {
      const why = refusal(path, found);
      return why ? [`${path} imports ${found.specifier}: ${why}`] : [];
    }),
  );
  expect(wrong).toEqual([]);
});

test("every file of src stands in a layer", () => {
  const homeless = files.filter((path) => path.startsWith("src/") && rank(layerOf(path)) < 0);
  expect(homeless).toEqual([]);
});

test("from base to roles there is no clock, no chance, no I/O and no await", () => {
  const pure = files.filter((path) => PURE.has(layerOf(path)));
  expect(pure.flatMap((path) => offences(path, read(path), IMPURE))).toEqual([]);
});

test("nothing but src/main.ts ends the process", () => {
  const others = files.filter((path) => path !== "src/main.ts");
  const ends = [["ends the process", /\bprocess\.(exit|abort|reallyExit)\b/]] as const;
  expect(others.flatMap((path) => offences(path, read(path), ends))).toEqual([]);
});

test("a file is named for its subject", () => {
  const all = [...files, ...sourceFiles("test")];
  expect(all.filter((path) => /^(utils?|helpers?|misc|common)\./.test(basename(path)))).toEqual([]);
});

test("CD-09 a test that needs root says so in its name when it is skipped", () => {
  const rooted = sourceFiles("test").filter((path) => path.startsWith("test/netns/"));
  expect(rooted.length).toBeGreaterThan(0);
  expect(rooted.filter((path) => !/skipIf\(!\w+\)\(`\$\{name\}\$\{needs/.test(read(path)))).toEqual([]);
});

test("the scan itself sees every form of import, and no comment or string", () => {
  const code = `
    import { a } from "./a.ts"; // import "./no.ts"
    import type { B } from "../b.ts";
    import {
      type C,
      d,
    } from "./c.ts";
    import "./e.ts";
    export * from "./f.ts";
    /* import g from "./no.ts" */
    const h = await import("./h.ts");
    const i = new Worker(new URL("./i.ts", import.meta.url));
    const j = "https://example.test"; import k from "./k.ts";
    export const from = "./no.ts";`;
  expect(importsOf(code).map(({ specifier }) => specifier)).toEqual([
    "./a.ts",
    "../b.ts",
    "./c.ts",
    "./e.ts",
    "./f.ts",
    "./h.ts",
    "./i.ts",
    "./k.ts",
  ]);
  expect(importsOf(code).filter(({ isType }) => isType)).toHaveLength(1);
  expect(offences("x.ts", 'const t = "Date.now()"; // Date.now()\n/* await */\nf(Date.now());', IMPURE)).toEqual([
    "x.ts:3: a clock: f(Date.now());",
  ]);
});

test("the direction is held in both directions", () => {
  const may = (from: string, specifier: string, isType = false) => refusal(from, { specifier, isType }) === null;
  expect(may("src/tunnel/peer.ts", "../wire/tunnel.ts")).toBe(true);
  expect(may("src/wire/tunnel.ts", "../tunnel/peer.ts")).toBe(false);
  expect(may("src/wire/tunnel.ts", "../crypto/aead.ts")).toBe(false);
  expect(may("src/tunnel/peer.ts", "../transport/udx/stream.ts")).toBe(false);
  expect(may("src/io/tun.ts", "../../ffi/tun-linux.ts")).toBe(true);
  expect(may("src/cli/tunnel.ts", "../../ffi/tun-linux.ts")).toBe(false);
  expect(may("ffi/tun-linux.ts", "../src/base/error.ts")).toBe(false);
  expect(may("ffi/tun-linux.ts", "./libc.ts")).toBe(true);
  expect(may("src/io/clock.ts", "../cli/run.ts")).toBe(false);
  expect(may("src/cli/version.ts", "../../package.json")).toBe(true);
  expect(may("src/base/ip.ts", "node:net")).toBe(false);
  expect(may("src/overlay/dnetdb.ts", "bun:sqlite", true)).toBe(true);
  expect(may("src/crypto/x25519.ts", "node:crypto")).toBe(true);
  expect(may("web/app.ts", "../src/dashboard/app.ts", true)).toBe(true);
  expect(may("web/app.ts", "../src/dashboard/app.ts")).toBe(false);
});
