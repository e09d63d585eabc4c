import { type Address, formatAddress } from "../base/address.ts";
import { DnetError } from "../base/error.ts";
import { command, UsageError } from "./command.ts";
import { networkOptions } from "./dht-options.ts";
import { millisecondsText, roundedMs } from "./dht-text.ts";
import { parseSpanOption } from "./option-values.ts";
import { printable } from "./printable.ts";

export const dhtPing = command({
  name: "ping",
  summary: "Ask one node whether it is there",
  details: "It is asked four times at most. Nobody else is asked, so it needs no bootstrap node.",
  arguments: [{ name: "HOST:PORT" }],
  options: { timeout: networkOptions.timeout, via: networkOptions.via },
  async run({ positionals: [text = ""], values }, context) {
    const { withNode } = await import("./dht-session.ts");
    const timeoutMs = parseSpanOption("timeout", values.timeout);
    const to = await parseNode(text);
    await withNode({ bootstrap: [], via: values.via }, timeoutMs, context, async (session) => {
      const { from, rttMs, to: seenAs } = await session.within(session.gateway.ping(to));
      const facts = {
        address: formatAddress(to),
        rttMs: roundedMs(rttMs),
        id: from.id?.toHex() ?? null,
        seenAs: formatAddress(seenAs),
      };
      const id = facts.id ? `id ${facts.id}` : "no id: it is ephemeral";
      const words = `${facts.address} answered in ${millisecondsText(rttMs)}; ${id}; it sees us as ${facts.seenAs}`;
      const json = JSON.stringify({ schema: "dnet.dht-ping/1", ...facts });
      context.terminal.stdout.write(`${values.json ? json : words}\n`);
    });
  },
});

async function parseNode(text: string): Promise<Address> {
  const { parseHostPort } = await import("./chosen-network.ts");
  const { resolveIp4 } = await import("../io/endpoints.ts");
  const node = parseHostPort(text);
  if (!node) throw notANode(text);
  const ip = await resolveIp4(node.host);
  if (ip) return { host: ip, port: node.port };
  throw new DnetError("NAME_UNKNOWN", `${node.host} has no IPv4 address just now`, {
    failure: "unreachable",
    hint: "check the name, and that DNS works here",
  });
}

function notANode(text: string): UsageError {
  const message = `${printable(text) || "an empty word"} is no node; expected HOST:PORT with an IPv4 address or a name`;
  return new UsageError("BAD_ARGUMENT", message, "dnet dht ping 192.0.2.1:1776");
}
