import { command } from "./command.ts";
import { peerOptions } from "./dht-options.ts";

export const dhtExpose = command({
  name: "expose",
  summary: "Let peers reach a TCP port of this machine by a key",
  details:
    "It prints the key and runs until Ctrl-C. Whoever knows the key reaches the port: it is as secret as what listens there.",
  arguments: [{ name: "PORT" }],
  options: peerOptions,
  async run({ positionals: [text = ""], values }, context) {
    const { aborted, parsePortArgument, relaysOf, shortKey, withPeer } = await import("./dht-streams.ts");
    const { reportPath } = await import("./path-report.ts");
    const { readKeyFile } = await import("./key-file.ts");
    const { formatPublicKey } = await import("../base/public-key.ts");
    const { exposePort } = await import("../io/gateway/tcp-bridge.ts");
    const port = parsePortArgument(text);
    const keyPair = values["key-file"] === undefined ? undefined : readKeyFile(values["key-file"]);
    const stop = context.stopSignal();
    const { terminal } = context;
    const relays = relaysOf(values);
    const trace = values.trace;
    await withPeer(values, keyPair, context, async (gateway) => {
      const expose = exposePort(port);
      const server = gateway.createServer(relays, (stream) => {
        reportPath(stream, terminal, { who: `${shortKey(stream.remotePublicKey)} connected, `, trace });
        void expose(stream);
      });
      await server.listen(gateway.defaultKeyPair);
      const publicKey = formatPublicKey(gateway.defaultKeyPair.publicKey);
      const facts = { schema: "dnet.dht-expose/1", publicKey, port };
      terminal.stdout.write(`${values.json ? JSON.stringify(facts) : publicKey}\n`);
      terminal.stderr.write(`TCP 127.0.0.1:${port} is reached by: dnet dht forward ${publicKey} PORT\n`);
      await aborted(stop);
    });
  },
});

export const dhtForward = command({
  name: "forward",
  summary: "Reach the port that a peer exposes by a TCP port of this machine",
  details: "It listens on 127.0.0.1 alone, and runs until Ctrl-C. Each TCP connection is one of its own to the peer.",
  arguments: [{ name: "KEY" }, { name: "PORT" }],
  options: peerOptions,
  async run({ positionals: [keyText = "", portText = ""], values }, context) {
    const { aborted, parseKeyArgument, parsePortArgument, relaysOf, withPeer } = await import("./dht-streams.ts");
    const { reportPath } = await import("./path-report.ts");
    const { readKeyFile } = await import("./key-file.ts");
    const { forwardPort } = await import("../io/gateway/tcp-bridge.ts");
    const key = parseKeyArgument(keyText);
    const wanted = parsePortArgument(portText);
    const keyPair = values["key-file"] === undefined ? undefined : readKeyFile(values["key-file"]);
    const stop = context.stopSignal();
    const { terminal } = context;
    const relays = relaysOf(values);
    const trace = values.trace;
    await withPeer(values, keyPair, context, async (gateway) => {
      const { port, close } = await forwardPort(wanted, () => {
        const stream = gateway.connect(key, relays);
        reportPath(stream, terminal, { who: "connected: ", trace });
        stream.on("failure", ({ code, message }) => terminal.stderr.write(`${code}: ${message}\n`));
        return stream;
      });
      const facts = { schema: "dnet.dht-forward/1", host: "127.0.0.1", port };
      terminal.stdout.write(`${values.json ? JSON.stringify(facts) : `127.0.0.1:${port}`}\n`);
      await aborted(stop);
      close();
    });
  },
});
