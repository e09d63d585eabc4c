import { command } from "./command.ts";
import { peerOptions } from "./dht-options.ts";

export const dhtConnect = command({
  name: "connect",
  summary: "Connect to a peer by its key; standard input goes there, what comes goes to standard output",
  details: "Sealed from end to end, through NATs where that is possible. It ends when both sides are done.",
  arguments: [{ name: "KEY" }],
  options: peerOptions,
  stdin: "DATA",
  async run({ positionals: [text = ""], values }, context) {
    const { parseKeyArgument, pipe, relaysOf, withPeer } = await import("./dht-streams.ts");
    const { reportPath } = await import("./path-report.ts");
    const { readKeyFile } = await import("./key-file.ts");
    const key = parseKeyArgument(text);
    const keyPair = values["key-file"] === undefined ? undefined : readKeyFile(values["key-file"]);
    const relays = relaysOf(values);
    await withPeer(values, keyPair, context, async (gateway) => {
      const stream = gateway.connect(key, relays);
      reportPath(stream, context.terminal, { who: "connected: ", trace: values.trace });
      await stream.opened;
      await pipe(stream, context);
    });
  },
});

export const dhtListen = command({
  name: "listen",
  summary: "Wait for one peer; standard input goes there, what comes goes to standard output",
  details: "The key that the peer connects to is printed on standard error. It ends when both sides are done.",
  options: peerOptions,
  stdin: "DATA",
  async run({ values }, context) {
    const { pipe, relaysOf, shortKey, withPeer } = await import("./dht-streams.ts");
    const { reportPath } = await import("./path-report.ts");
    const { readKeyFile } = await import("./key-file.ts");
    const { formatPublicKey } = await import("../base/public-key.ts");
    const stop = context.stopSignal();
    const keyPair = values["key-file"] === undefined ? undefined : readKeyFile(values["key-file"]);
    const relays = relaysOf(values);
    await withPeer(values, keyPair, context, async (gateway) => {
      const server = gateway.createServer(relays);
      const peer = Promise.withResolvers<Parameters<Parameters<typeof server.on<"connection">>[1]>[0] | null>();
      server.once("connection", (stream) => peer.resolve(stream));
      stop.addEventListener("abort", () => peer.resolve(null), { once: true });
      await server.listen(gateway.defaultKeyPair);
      const { publicKey } = gateway.defaultKeyPair;
      context.terminal.stderr.write(`listening; the other side: dnet dht connect ${formatPublicKey(publicKey)}\n`);
      const stream = await peer.promise;
      if (!stream) return;
      const who = `connected: ${shortKey(stream.remotePublicKey)}, `;
      reportPath(stream, context.terminal, { who, trace: values.trace });
      await pipe(stream, context);
    });
  },
});
