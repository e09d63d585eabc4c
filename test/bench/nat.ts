/**
 * `npm run bench nat`: who reaches whom behind which NAT, with and without a relay, and what becomes of it when addresses change; ours
 * beside the real hyperdht's in the same run. Both run in the same laboratory (`src/io/lab/`), over the same DHT nodes.
 */
import type { LabDescription } from "../../src/io/lab/description.ts";
import { startLab } from "../support/lab.ts";
import { dhtHosts, startDht } from "../support/lab-dht.ts";
import { SeededRandom } from "../support/random.ts";
import { benchmark, flag, say, some, whole } from "./benchmark.ts";
import { cellsOf, describeCell, PLACES, SOME_CELLS } from "./nat-cells.ts";
import { measureGrid } from "./nat-grid.ts";
import { describeMoves, measureMoves } from "./nat-moves.ts";
import { measureRelay, RELAY, RELAYED_CELLS } from "./nat-relay.ts";

/** Each with a node: enough addresses for a NAT to be told by, and for a public host to find out that it is open. */
const DHT = { hosts: 12 };

export const nat = benchmark({
  name: "nat",
  summary: "who reaches whom behind which NAT, how soon, and for how long, beside the real hyperdht",
  usage: `[--grid] [--relay] [--moves] [--tries 5] [--places ${PLACES.join(",")}] [--pairs A/B,...]
  --grid     every client with every server
  --relay    those that no punch brings together, with a relay
  --moves    what becomes of servers and streams when addresses change
             (all three when none is named)
  --tries    connections in each cell, of either kind
  --places   where servers and clients of the grid stand
  --pairs    these cells of the grid alone: client/server`,
  options: { grid: flag, relay: flag, moves: flag, tries: whole(5), places: some(PLACES), pairs: SOME_CELLS },
  needs: { root: "the laboratory makes network namespaces", node: "the real hyperdht runs under Node" },
  async measure({ tries, places, pairs, ...parts }) {
    const isWanted = (part: keyof typeof parts) => parts[part] || !Object.values(parts).includes(true);
    const cells = isWanted("grid") ? (pairs.length > 0 ? pairs : cellsOf(places)) : [];
    const relayed = isWanted("relay") ? RELAYED_CELLS : [];
    const described = [...cells, ...relayed].map(describeCell);
    if (isWanted("moves")) described.push(describeMoves());
    await using lab = await startLab(together(described));
    say(`starting ${DHT.hosts} nodes of the DHT`);
    const ground = { lab, bootstrap: await startDht(lab, DHT), random: new SeededRandom(1) };
    if (cells.length > 0) await measureGrid(ground, cells, tries);
    if (relayed.length > 0) await measureRelay(ground, tries);
    if (isWanted("moves")) await measureMoves(ground, tries);
  },
});

function together(parts: readonly LabDescription[]): LabDescription {
  return {
    nats: Object.assign({}, ...parts.map(({ nats }) => nats)),
    hosts: Object.assign({ [RELAY]: {}, ...dhtHosts(DHT.hosts) }, ...parts.map(({ hosts }) => hosts)),
  };
}
