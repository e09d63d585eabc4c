import { command } from "./command.ts";
import { admissionOptions } from "./dht-options.ts";

export const dhtProxy = command({
  name: "proxy",
  summary: "Let those without UDP use the DHT through this machine, over WebSocket",
  details:
    "They give its address as --via. It carries the DHT's datagrams and those of streams, nothing else, and cannot read what is " +
    "sealed in them. It runs until Ctrl-C. Behind a TLS server it is reached as wss://.",
  options: {
    ...admissionOptions,
    host: { type: "string", placeholder: "IP", default: "0.0.0.0", description: "listen on this address" },
    port: { type: "string", placeholder: "N", default: "1776", description: "listen on this TCP port" },
    name: {
      type: "string",
      isRepeated: true,
      placeholder: "HOST",
      description: "what clients call this machine in --via, where that is not an address of its own",
    },
    "private-network": {
      type: "boolean",
      description: "carry to private addresses, too: for a DHT in a network of one's own",
    },
  },
  async run({ values }, context) {
    const { aborted, admissionOf } = await import("./dht-streams.ts");
    const { parseIntegerOption } = await import("./option-values.ts");
    const { ProxyServer } = await import("../io/proxy/server.ts");
    const admits = admissionOf(values);
    const port = parseIntegerOption("port", values.port, { least: 0, most: 65_535, example: 1776, what: "a port" });
    const stop = context.stopSignal();
    const { host, name: names, "private-network": carriesPrivate } = values;
    const proxy = new ProxyServer({ host, port, admits, names, carriesPrivate });
    const facts = { schema: "dnet.dht-proxy/1", host, port: proxy.port };
    context.terminal.stdout.write(`${values.json ? JSON.stringify(facts) : `${host}:${proxy.port}`}\n`);
    context.terminal.stderr.write(
      `carrying those admitted that say: --via ws://${names[0] ?? "THIS_MACHINE"}:${proxy.port}\n`,
    );
    await aborted(stop);
    await proxy.close();
  },
});
