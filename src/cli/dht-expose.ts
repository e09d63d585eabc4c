import { command } from "./command.ts";
import { keyFileOption, networkOptions } from "./dht-options.ts";

const { bootstrap } = networkOptions;

export const dhtExpose = command({
  name: "expose",
  summary: "Let peers reach a TCP port of this machine by a key",
  details:
    "It prints the key and runs until Ctrl-C. Whoever knows the key reaches the port: it is as secret as what listens there.",
  arguments: [{ name: "PORT" }],
  options: { "key-file": keyFileOption, bootstrap },
  async run({ positionals: [text = ""], values }, context) {
    const { parsePortArgument, shortKey, withPeer } = await import("./dht-streams.ts");
    const { readKeyFile } = await import("./key-file.ts");
    const { formatPublicKey } = await import("../base/public-key.ts");
    const { exposePort } = await import("../io/gateway/tcp-bridge.ts");
    const port = parsePortArgument(text);
    const chosen = values["key-file"] === undefined ? null : readKeyFile(values["key-file"]);
    const stop = context.stopSignal();
    const { terminal } = context;
    await withPeer(values.bootstrap, context, async (gateway) => {
      const keyPair = chosen ?? gateway.defaultKeyPair;
      const expose = exposePort(port);
      const server = gateway.createServer({}, (stream) => {
        terminal.stderr.write(`${shortKey(stream.remotePublicKey)} connected\n`);
        void expose(stream);
      });
      await server.listen(keyPair);
      const publicKey = formatPublicKey(keyPair.publicKey);
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
  options: { "key-file": keyFileOption, bootstrap },
  async run({ positionals: [keyText = "", portText = ""], values }, context) {
    const { parseKeyArgument, parsePortArgument, withPeer } = await import("./dht-streams.ts");
    const { readKeyFile } = await import("./key-file.ts");
    const { forwardPort } = await import("../io/gateway/tcp-bridge.ts");
    const key = parseKeyArgument(keyText);
    const wanted = parsePortArgument(portText);
    const keyPair = values["key-file"] === undefined ? undefined : readKeyFile(values["key-file"]);
    const stop = context.stopSignal();
    const { terminal } = context;
    await withPeer(values.bootstrap, context, async (gateway) => {
      const { port, close } = await forwardPort(wanted, () => {
        const stream = gateway.connect(key, keyPair ? { keyPair } : {});
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

function aborted(signal: AbortSignal): Promise<void> {
  return signal.aborted
    ? Promise.resolve()
    : new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
