/** Which DHT network a command joins: the one of the nodes that it was given, or the public one. */
import type { Address } from "../base/address.ts";
import { DnetError } from "../base/error.ts";
import { PUBLIC_BOOTSTRAP, parseBootstrap } from "../io/gateway/options.ts";
import { badOption, splitLists } from "./option-values.ts";

/** More than anybody types; and `SavedNodes` writes them all into its file. */
const MAX_ENTRIES = 64;

export interface ChosenNetwork {
  /** The nodes to begin with, as they were typed. */
  readonly bootstrap: readonly string[];
  /** What to call the network in the list of those that we saved nodes of; in whatever order the nodes were typed. */
  readonly name: string;
  /** For the person: through whom it is joined. */
  readonly words: string;
}

/** `lists` are the values of `--bootstrap`; none means the public network. Throws UsageError. */
export function chooseNetwork(lists: readonly string[]): ChosenNetwork {
  if (lists.length === 0) {
    const words = `joining the public network (no --bootstrap was given) through ${PUBLIC_BOOTSTRAP.join(", ")}`;
    return { bootstrap: PUBLIC_BOOTSTRAP, name: "public", words };
  }
  const bootstrap = splitLists(lists);
  if (bootstrap.length > MAX_ENTRIES) {
    throw badOption("bootstrap", `${bootstrap.length} nodes`, `at most ${MAX_ENTRIES}`, "192.0.2.1:1776");
  }
  const nodes = new Set(bootstrap.map((entry) => canonical(entry)));
  return { bootstrap, name: [...nodes].sort().join(","), words: `joining through ${bootstrap.join(", ")}` };
}

function canonical(entry: string): string {
  const node = parseHostPort(entry);
  if (node) return `${node.host.toLowerCase()}:${node.port}`;
  const expected = "HOST:PORT with an IPv4 address or a name; several with commas between them";
  throw badOption("bootstrap", entry, expected, "192.0.2.1:1776");
}

/** An IPv4 address or a name, and a port; null for anything else. */
export function parseHostPort(text: string): Address | null {
  try {
    const { host, port } = parseBootstrap(text);
    return { host, port };
  } catch (error) {
    if (error instanceof DnetError) return null;
    throw error;
  }
}
