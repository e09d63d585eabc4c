import { command } from "./command.ts";
import { keyFileOption, networkOptions } from "./dht-options.ts";

const { bootstrap } = networkOptions;

export const dhtConnect = command({
  name: "connect",
  summary: "Connect to a peer by its key; standard input goes there, what comes goes to standard output",
  details: "Sealed from end to end, through NATs where that is possible. It ends when both sides are done.",
  arguments: [{ name: "KEY" }],
  options: { "key-file": keyFileOption, bootstrap },
  stdin: "DATA",
  async run({ positionals: [text = ""], values }, context) {
    const { parseKeyArgument, pipe, withPeer } = await import("./dht-streams.ts");
    const { readKeyFile } = await import("./key-file.ts");
    const key = parseKeyArgument(text);
    const keyPair = values["key-file"] === undefined ? undefined : readKeyFile(values["key-file"]);
    await withPeer(values.bootstrap, context, async (gateway) => {
      const stream = gateway.connect(key, keyPair ? { keyPair } : {});
      await stream.opened;
      context.terminal.stderr.write("connected\n");
      await pipe(stream, context);
    });
  },
});

export const dhtListen = command({
  name: "listen",
  summary: "Wait for one peer; standard input goes there, what comes goes to standard output",
  details: "The key that the peer connects to is printed on standard error. It ends when both sides are done.",
  options: { "key-file": keyFileOption, bootstrap },
  stdin: "DATA",
  async run({ values }, context) {
    const { pipe, shortKey, withPeer } = await import("./dht-streams.ts");
    const { readKeyFile } = await import("./key-file.ts");
    const { formatPublicKey } = await import("../base/public-key.ts");
    const stop = context.stopSignal();
    const chosen = values["key-file"] === undefined ? null : readKeyFile(values["key-file"]);
    await withPeer(values.bootstrap, context, async (gateway) => {
      const keyPair = chosen ?? gateway.defaultKeyPair;
      const server = gateway.createServer();
      const peer = Promise.withResolvers<Parameters<Parameters<typeof server.on<"connection">>[1]>[0] | null>();
      server.once("connection", (stream) => peer.resolve(stream));
      stop.addEventListener("abort", () => peer.resolve(null), { once: true });
      await server.listen(keyPair);
      context.terminal.stderr.write(
        `listening; the other side: dnet dht connect ${formatPublicKey(keyPair.publicKey)}\n`,
      );
      const stream = await peer.promise;
      if (!stream) return;
      context.terminal.stderr.write(`connected: ${shortKey(stream.remotePublicKey)}\n`);
      await pipe(stream, context);
    });
  },
});
