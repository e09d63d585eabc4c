/**
 * `npm run bench nat`, second part: pairs that no punch brings together, with a relay of their own kind on a public host that the
 * client names.
 */
import { KINDS, type Kind } from "../support/hyperdht-both.ts";
import { say } from "./benchmark.ts";
import { columns, type Ground, progress, type Result, TITLES, tryPair } from "./nat-attempts.ts";
import { type Cell, hostsOf } from "./nat-cells.ts";
import { type Claim, claimTable, grid } from "./tables.ts";

export const RELAYED_CELLS = [
  "random/random",
  "sequential/random",
  "carrier-no-hairpin",
] as const satisfies readonly Cell[];
/** Its host. */
export const RELAY = "relay";
const WITHIN_MS = 500;

export async function measureRelay(ground: Ground, tries: number): Promise<void> {
  const rows: string[][] = [];
  const claims: Claim[] = [];
  for (const cell of RELAYED_CELLS) {
    const results: Partial<Record<Kind, Result>> = {};
    for (const kind of KINDS) {
      results[kind] = await tryPair(ground, kind, { ...hostsOf(cell), relay: RELAY }, tries);
      say(`${cell} with a relay, ${TITLES[kind]}: ${progress(results[kind])}`);
    }
    const { ours, theirs } = results as { readonly [kind in Kind]: Result };
    rows.push([cell, ...[ours, theirs].flatMap((result) => [...columns(result), `${result.relayed}`])]);
    claims.push(
      { claim: `${cell}: opened`, value: (100 * ours.opened.length) / tries, unit: " %", atLeast: 100 },
      { claim: `${cell}: worst`, value: Math.max(...ours.opened), unit: " ms", atMost: WITHIN_MS },
    );
  }
  const head = ["client/server", ...KINDS.flatMap((kind) => [TITLES[kind], "p50 ms", "worst", "relayed"])];
  console.log(grid("with a relay", [head, ...rows]));
  console.log(claimTable("dnet's relayed connections", claims));
}
