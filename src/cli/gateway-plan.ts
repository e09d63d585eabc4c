/** What `dnet gateway` is to do, by its options; all that is wrong with them is said here, before any socket opens. */
import { networkInterfaces } from "node:os";
import { type Address, formatAddress } from "../base/address.ts";
import { ip4Number } from "../base/ip4.ts";
import { DEFAULT_PORT, type GatewayOptions } from "../io/gateway/options.ts";
import { chooseNetwork } from "./chosen-network.ts";
import type { GatewayValues } from "./gateway.ts";
import { badOption, optionConflict, parseIntegerOption } from "./option-values.ts";

/** Each has two sockets, and a process commonly gets 1,024 descriptors. */
const MAX_NODES = 256;
const ALL_ADDRESSES = "0.0.0.0";

export interface GatewayPlan {
  readonly count: number;
  readonly options: GatewayOptions;
  /** A bootstrap node's own address; null for all others. */
  readonly publicAddress: Address | null;
  /** As they were typed, or the public ones. */
  readonly bootstrap: readonly string[];
  /** What the network is called in the list of those that we saved nodes of; null: nothing is saved. */
  readonly network: string | null;
  /** For the person: which network it is. */
  readonly words: string;
}

/** Throws UsageError. */
export function planGateways(values: GatewayValues): GatewayPlan {
  const count = parseIntegerOption("nodes", values.nodes, { least: 1, most: MAX_NODES, example: 5, what: "a number" });
  refuseConflicts(values, count);
  return values.bootstrap.includes(true) ? planBootstrap(values) : planNodes(values, count);
}

function refuseConflicts(values: GatewayValues, count: number): void {
  const { bootstrap, port, bind, ephemeral, persistent } = values;
  const isBootstrap = bootstrap.includes(true);
  if (isBootstrap && bootstrap.some((list) => list !== true)) {
    const message = "--bootstrap is given alone, which begins a network, and with nodes, whose network it would join";
    throw optionConflict(message, "one of the two");
  }
  if (values["no-bootstrap"] && bootstrap.length > 0) {
    throw optionConflict("--bootstrap and --no-bootstrap exclude each other", "one of the two");
  }
  if (ephemeral && persistent) {
    throw optionConflict("--ephemeral and --persistent exclude each other", "one of the two, or neither");
  }
  if (ephemeral && isBootstrap) {
    const message = "--ephemeral cannot be a bootstrap node's, as it has to store for others";
    throw optionConflict(message, "--bootstrap HOST:PORT to join a network");
  }
  if (persistent && values["no-bootstrap"]) {
    const message = "--persistent with --no-bootstrap cannot be: who asks nobody learns no address of its own";
    throw optionConflict(message, "--bootstrap --host IP to be the first node of a network");
  }
  if (isBootstrap && count > 1) {
    const message = `--nodes is ${count}, and a bootstrap node is one: it has one address and one port`;
    throw optionConflict(message, "--bootstrap without --nodes, then another dnet gateway that joins it");
  }
  if (port !== undefined && count > 1) {
    const message = `--port is ${port} and --nodes is ${count}: a port is for one node`;
    throw optionConflict(message, "--nodes without --port; each node takes a free one");
  }
  if (bind !== undefined && !isBootstrap) {
    throw optionConflict("--bind is for bootstrap nodes; others bind to their --host", "--host");
  }
}

function planBootstrap({ host, bind, port }: GatewayValues): GatewayPlan {
  const address = { host: publicHost(host), port: port === undefined ? DEFAULT_PORT : parsePort(port, 1) };
  const shown = formatAddress(address);
  return {
    count: 1,
    options: { host: bind === undefined ? bindHost(address.host) : parseBind("bind", bind) },
    publicAddress: address,
    bootstrap: [],
    network: `begun at ${shown}`,
    words: `beginning a network, which others join with --bootstrap ${shown}`,
  };
}

function planNodes(values: GatewayValues, count: number): GatewayPlan {
  const { host, port, ephemeral, persistent } = values;
  const lists = values.bootstrap.filter((list) => list !== true);
  const isAlone = values["no-bootstrap"];
  const words = "asking no bootstrap node; alone until others come";
  const { bootstrap, name, words: joining } = isAlone ? { bootstrap: [], name: null, words } : chooseNetwork(lists);
  return {
    count,
    options: {
      bootstrap,
      ...(host !== undefined && { host: parseBind("host", host) }),
      ...(port !== undefined && { port: parsePort(port, 0), anyPort: false }),
      ...((ephemeral || persistent) && { ephemeral }),
      ...(values["no-port-mapping"] && { portMapping: false }),
    },
    publicAddress: null,
    bootstrap,
    network: name,
    words: joining,
  };
}

function publicHost(host: string | undefined): string {
  const expected = "the IPv4 address at which others reach this machine, not 0.0.0.0 or ::";
  if (host === undefined) {
    const message = `--bootstrap alone begins a network, and needs --host IP: ${expected}`;
    throw optionConflict(message, "--bootstrap --host IP to begin one, --bootstrap HOST:PORT to join one");
  }
  if (ip4Number(host) > 0) return host;
  throw badOption("host", host, expected, "192.0.2.1");
}

/** To its own address where this machine has it, so that answers leave from there; else (a port is forwarded) to all. */
function bindHost(host: string): string {
  const isOurs = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === host));
  return isOurs || host.startsWith("127.") ? host : ALL_ADDRESSES;
}

function parseBind(name: string, host: string): string {
  if (ip4Number(host) >= 0) return host;
  throw badOption(name, host, "an IPv4 address of this machine, or 0.0.0.0 for all", ALL_ADDRESSES);
}

function parsePort(port: string, least: number): number {
  return parseIntegerOption("port", port, { least, most: 65_535, example: DEFAULT_PORT, what: "a port" });
}
