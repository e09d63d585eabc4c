import { type Command, command, type Options, type Values } from "./command.ts";

export const gatewayOptions = {
  bootstrap: {
    type: "string",
    valueIsOptional: true,
    isRepeated: true,
    placeholder: "ADDR,...",
    description: "join the network of these nodes, each HOST:PORT; alone: be the first node of a network",
  },
  "no-bootstrap": { type: "boolean", description: "ask nobody; be alone until others come" },
  host: {
    type: "string",
    placeholder: "IP",
    description: "bind to this address; with --bootstrap alone: be reached at it",
  },
  bind: { type: "string", placeholder: "IP", description: "where a bootstrap node binds, if not to its --host" },
  port: { type: "string", placeholder: "N", description: "this UDP port and no other; default 1776, or a free one" },
  nodes: { type: "string", placeholder: "N", default: "1", description: "so many nodes in this process, up to 256" },
  persistent: { type: "boolean", description: "store records as soon as the port is seen to be open" },
  ephemeral: { type: "boolean", description: "never store records for others" },
  "no-port-mapping": { type: "boolean", description: "do not ask the router to let others in to the port" },
} as const satisfies Options;

export type GatewayValues = Values<typeof gatewayOptions>;

export const gateway = command({
  name: "gateway",
  summary: "Run a node of the DHT, until Ctrl-C",
  details: [
    "Without --bootstrap it joins the public HyperDHT network, whose bootstrap nodes it prints.",
    "",
    "The port is 1776; when that is taken, one of 1777 to 1780, or else any that is free. --port N is N or an error, and",
    "--port 0 any free one. HyperDHT's own port is 49737. The port in use is always printed.",
    "",
    "A node begins ephemeral: it answers, but stores nothing for others. After 20 minutes it becomes persistent if others",
    "reach its port; with --persistent it looks at once.",
    "",
    "Behind a router it asks that to let others in to the port, by PCP, NAT-PMP or UPnP, and takes that back when it ends; not in",
    "a network whose addresses are all private. --no-port-mapping leaves the router alone.",
    "",
    "The first node of a network, a bootstrap node, needs the address at which others reach it, and keeps its port:",
    "  dnet gateway --bootstrap --host 192.0.2.1       on the first machine, port 1776",
    "  dnet gateway --bootstrap 192.0.2.1:1776         on all others",
    "It binds to --host where that is an address of this machine, else to all; --bind says another.",
    "",
    "Every five minutes and at the end it saves the nodes it knows, in /var/lib/dnet as root, otherwise in",
    "$XDG_STATE_HOME/dnet or ~/.local/state/dnet; DNET_STATE_DIR is another place. With them it finds its network again",
    "while all bootstrap nodes are down. With --no-bootstrap nothing is saved or read.",
    "",
    "--json prints one object a line: starting, listening, ready, status (when it changes, and every minute), stopped.",
  ].join("\n"),
  options: gatewayOptions,
  async run({ values }, context) {
    const { planGateways } = await import("./gateway-plan.ts");
    const plan = planGateways(values);
    const { runGateways } = await import("./gateway-run.ts");
    await runGateways(plan, values.json, context);
  },
});

/** The same command among those of the DHT: `dnet dht node`. */
export const dhtNode: Command = { ...gateway, name: "node" };
