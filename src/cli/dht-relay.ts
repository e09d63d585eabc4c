import { command } from "./command.ts";
import { admissionOptions, keyFileOption, networkOptions } from "./dht-options.ts";

const { bootstrap } = networkOptions;

export const dhtRelay = command({
  name: "relay",
  summary: "Carry the streams of peers that find no direct path",
  details:
    "It prints its key, which peers give as --relay, and runs until Ctrl-C. What it passes on it cannot read. It carries " +
    "nobody but those whose keys are given, or, with --admit-all, everyone who knows its key.",
  options: {
    ...admissionOptions,
    "key-file": keyFileOption,
    bootstrap,
  },
  async run({ values }, context) {
    const { aborted, admissionOf, withPeer } = await import("./dht-streams.ts");
    const { readKeyFile } = await import("./key-file.ts");
    const { formatPublicKey } = await import("../base/public-key.ts");
    const admits = admissionOf(values);
    const keyPair = values["key-file"] === undefined ? undefined : readKeyFile(values["key-file"]);
    const stop = context.stopSignal();
    const { terminal } = context;
    await withPeer({ ...values, via: undefined }, keyPair, context, async (gateway) => {
      const relay = gateway.createRelay({ admits });
      await relay.listen(gateway.defaultKeyPair);
      const publicKey = formatPublicKey(gateway.defaultKeyPair.publicKey);
      const facts = { schema: "dnet.dht-relay/1", publicKey };
      terminal.stdout.write(`${values.json ? JSON.stringify(facts) : publicKey}\n`);
      terminal.stderr.write(`carrying those admitted that say: --relay ${publicKey}\n`);
      await aborted(stop);
    });
  },
});
