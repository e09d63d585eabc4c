/** `npm run bench nat`, first part: who reaches whom behind which NAT, how often and how soon. */
import { KINDS, type Kind } from "../support/hyperdht-both.ts";
import { NO_WORSE, say } from "./benchmark.ts";
import { median } from "./metrics.ts";
import { columns, type Ground, progress, type Result, TITLES, tryPair, tryPairAfresh } from "./nat-attempts.ts";
import { type Cell, hostsOf, type Place } from "./nat-cells.ts";
import { type Claim, claimTable, grid } from "./tables.ts";

type Results = { readonly [kind in Kind]: Result };

export async function measureGrid(ground: Ground, cells: readonly Cell[], tries: number): Promise<void> {
  const measured = new Map<Cell, Results>();
  for (const [i, cell] of cells.entries()) {
    const results: Partial<Record<Kind, Result>> = {};
    for (const kind of KINDS) {
      const attempt = isSymmetric(cell) ? tryPairAfresh : tryPair;
      results[kind] = await attempt(ground, kind, hostsOf(cell), tries);
      say(`${i + 1} of ${cells.length}: ${cell}, ${TITLES[kind]}: ${progress(results[kind])}`);
    }
    measured.set(cell, results as Results);
  }
  const head = ["client/server", ...KINDS.flatMap((kind) => [TITLES[kind], "p50 ms", "worst", "again"]), ""];
  const rows = [...measured].map(([cell, results]) => [
    cell,
    ...KINDS.flatMap((kind) => [...columns(results[kind]), againText(results[kind])]),
    verdict(results),
  ]);
  console.log(grid("connections that opened, and how soon a word was answered", [head, ...rows]));
  const claims = sequentialClaims(measured);
  if (claims.length > 0) console.log(claimTable("dnet's direct connections by predicted ports", claims));
}

/** Where a port is different for each destination, a connection may take probes by the hundred. */
function isSymmetric(cell: Cell): boolean {
  return !cell.includes("open") && /random|sequential/.test(cell);
}

/** Of the second connections right after the first ones. */
const againText = ({ again, tries }: Result) => (again === null ? "" : `${again}/${tries}`);

/** No cell may be worse than the original's in success or, by more than a tenth, in the median. */
function verdict({ ours, theirs }: Results): string {
  const failures = [...new Set(ours.failures)].join(", ");
  if (ours.opened.length < theirs.opened.length) return `NOT MET: fewer (${failures})`;
  const [a, b] = [median(ours.opened), median(theirs.opened)];
  if (a !== null && b !== null && a > NO_WORSE * b) return "NOT MET: later";
  return a === null ? `neither (${failures})` : "met";
}

const CONES: readonly Place[] = ["full-cone", "port-restricted", "linux"];

/** A NAT that takes one port after another, and one that keeps them: the next ports can be predicted. */
function sequentialClaims(measured: ReadonlyMap<Cell, Results>): Claim[] {
  const cells = CONES.flatMap((cone): Cell[] => [`sequential/${cone}`, `${cone}/sequential`]);
  const tried = cells.flatMap((cell) => measured.get(cell)?.ours ?? []);
  if (tried.length === 0) return [];
  const opened = tried.flatMap((result) => result.opened);
  const all = tried.reduce((sum, { tries }) => sum + tries, 0);
  const worst = (values: readonly number[]) => (values.length > 0 ? Math.max(...values) : Number.NaN);
  return [
    { claim: "sequential and any cone: opened", value: (100 * opened.length) / all, unit: " %", atLeast: 100 },
    {
      claim: "p50 of the slowest cell",
      value: worst(tried.map((each) => median(each.opened) ?? Number.NaN)),
      unit: " ms",
      atMost: 1_000,
    },
    { claim: "worst", value: worst(opened), unit: " ms", atMost: 5_000 },
  ];
}
