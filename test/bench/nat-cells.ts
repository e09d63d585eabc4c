/** The pairs of places that `npm run bench nat` knows, and what a laboratory has there. */
import type { HostDescription, LabDescription, NatDescription } from "../../src/io/lab/description.ts";
import type { Option } from "./benchmark.ts";
import type { Pair } from "./nat-attempts.ts";

/** Where each end has a NAT of its own, or none. */
export const PLACES = ["open", "full-cone", "port-restricted", "linux", "sequential", "random"] as const;
export type Place = (typeof PLACES)[number];
/** Where both ends are: in one home, or in two homes behind one carrier. The outermost NAT turns packets round, or does not. */
const TOGETHER = ["one-home", "one-home-no-hairpin", "carrier", "carrier-no-hairpin"] as const;
type Together = (typeof TOGETHER)[number];

/** `open/linux`, client and server; or where both are. */
export type Cell = `${Place}/${Place}` | Together;
const CELLS: readonly Cell[] = [
  ...PLACES.flatMap((client) => PLACES.map((server) => `${client}/${server}` as const)),
  ...TOGETHER,
];

/** Empty when left out. */
export const SOME_CELLS: Option<readonly Cell[]> = {
  type: "string",
  unset: "",
  read(text) {
    const words = text === "" ? [] : text.split(",");
    return words.every((word) => CELLS.includes(word as Cell)) ? (words as Cell[]) : null;
  },
  expected: `cells with commas between: pairs such as open/linux, of ${PLACES.join(", ")}; or ${TOGETHER.join(", ")}`,
};

/** All whose ends are at these places, and those that have both ends in one. */
export function cellsOf(places: readonly Place[]): readonly Cell[] {
  const isOf = (word: string) => places.includes(word as Place);
  return CELLS.filter((cell) => isTogether(cell) || cell.split("/").every(isOf));
}

/** The names of its hosts. */
export function hostsOf(cell: Cell): Pair {
  const [client, server = client] = cell.split("/");
  return { client: `c-${client}`, server: `s-${server}` };
}

/** The hosts and NATs of a cell. Of several, what has the same name is the same. */
export function describeCell(cell: Cell): LabDescription {
  const { client, server } = hostsOf(cell);
  if (!isTogether(cell)) {
    const ends = [client, server].map((host) => ({ host, place: host.slice(2) as Place }));
    const hosts = ends.map(({ host, place }): [string, HostDescription] => [
      host,
      place === "open" ? {} : { behind: `nat-${host}` },
    ]);
    const nats = ends.flatMap(({ host, place }) =>
      place === "open" ? [] : [[`nat-${host}`, { kind: place }] as const],
    );
    return { hosts: Object.fromEntries(hosts), nats: Object.fromEntries(nats) };
  }
  const shared: NatDescription = { kind: "port-restricted", hairpins: !cell.endsWith("no-hairpin") };
  if (!cell.startsWith("carrier")) {
    return { hosts: { [client]: { behind: cell }, [server]: { behind: cell } }, nats: { [cell]: shared } };
  }
  const home: NatDescription = { kind: "port-restricted", behind: cell };
  return {
    hosts: { [client]: { behind: `nat-${client}` }, [server]: { behind: `nat-${server}` } },
    nats: { [cell]: shared, [`nat-${client}`]: home, [`nat-${server}`]: home },
  };
}

function isTogether(cell: Cell): cell is Together {
  return TOGETHER.includes(cell as Together);
}
