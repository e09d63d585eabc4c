/** A laboratory for people: who stands where. */

import type { LabView } from "../io/lab/lab.ts";
import type { LineConditions } from "../io/lab/line.ts";

type Station = LabView["stations"][number];
/** One row: the branches with the name, the address, and what else there is to say. */
type Row = readonly [name: string, address: string, ...rest: string[]];

/** A tree from the public network inwards, and how much was carried. Ends with a line end. */
export function labPicture(view: LabView): string {
  const rows = branches(view.stations, null, "");
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((text, i) => text.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  const first = `internet: ${view.hops} routers between any two public addresses`;
  return `${[first, ...lines, counters(view)].join("\n")}\n`;
}

/** What can be done with it now; `program` is how to call us. */
export function labHelp(view: LabView): string {
  const [host] = view.stations.filter(({ namespace }) => namespace !== null);
  const [far] = view.stations.filter(({ namespace, behind, name }) => namespace && !behind && name !== host?.name);
  const nat = view.stations.find((station) => station.nat);
  return [
    `run inside   dnet lab exec ${host?.name} -- ping ${far?.address ?? host?.address}`,
    `or           ip netns exec ${host?.namespace} COMMAND`,
    `disturb      dnet lab event ${nat ? `${nat.name} reboot` : `${host?.name} renumber`}    (dnet lab event --help has all)`,
    "look again   dnet lab show",
    "end          Ctrl-C: it removes everything, and ends what runs inside",
    "",
  ].join("\n");
}

function branches(stations: readonly Station[], behind: string | null, indent: string): Row[] {
  const members = stations.filter((station) => station.behind === behind);
  return members.flatMap((station, i) => {
    const isLast = i === members.length - 1;
    const row = rowOf(`${indent}${isLast ? "└─ " : "├─ "}${station.name}`, station);
    return [row, ...branches(stations, station.nat ? station.name : "", `${indent}${isLast ? "   " : "│  "}`)];
  });
}

function rowOf(name: string, { address, nat, line, behind, isCut, cutFrom }: Station): Row {
  const kind = nat ? `${nat.kind} NAT of ${nat.inside}` : behind === null ? "open host" : "host";
  const mappings = nat && nat.mappings > 0 ? `${nat.mappings} mappings` : "";
  const cut = isCut ? "cut" : cutFrom.length > 0 ? `cut from ${cutFrom.join(" and ")}` : "";
  return [name, address, kind, [lineText(line), mappings, cut].filter((text) => text !== "").join(", ")];
}

function lineText({ delayMs, jitterMs, loss, rateMbit }: LineConditions): string {
  const delay = jitterMs > 0 ? `${delayMs} to ${delayMs + jitterMs} ms` : `${delayMs} ms`;
  const lost = loss > 0 ? `, ${+(loss * 100).toFixed(3)} % lost` : "";
  return `${delay}${lost}${rateMbit === null ? "" : `, ${rateMbit} Mbit/s`}`;
}

function counters({ counters: { sent, delivered, dropped } }: LabView): string {
  const reasons = Object.entries(dropped).map(([reason, count]) => `${count} ${reason}`);
  return `packets: ${[`${sent} sent`, `${delivered} delivered`, ...reasons].join(", ")}`;
}
