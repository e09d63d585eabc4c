import { command } from "./command.ts";
import { keyFileOption, networkOptions } from "./dht-options.ts";

const { bootstrap } = networkOptions;

export const dhtRelay = command({
  name: "relay",
  summary: "Carry the streams of peers that find no direct path",
  details:
    "It prints its key, which peers give as --relay, and runs until Ctrl-C. What it passes on it cannot read. It carries " +
    "nobody but those whose keys are given, or, with --admit-all, everyone who knows its key.",
  options: {
    admit: {
      type: "string",
      isRepeated: true,
      placeholder: "KEY",
      description: "whom it carries: the keys that they connect with",
    },
    "admit-all": { type: "boolean", description: "carry everyone who knows the key of this relay" },
    "key-file": keyFileOption,
    bootstrap,
  },
  async run({ values }, context) {
    const { aborted, parseKeyArgument, withPeer } = await import("./dht-streams.ts");
    const { readKeyFile } = await import("./key-file.ts");
    const { formatPublicKey } = await import("../base/public-key.ts");
    const { optionConflict } = await import("./option-values.ts");
    const { UsageError } = await import("./command.ts");
    const admitted = new Set(values.admit.map((text) => parseKeyArgument(text).toHex()));
    const admitsAll = values["admit-all"];
    if (admitsAll && admitted.size > 0)
      throw optionConflict("--admit and --admit-all are both given", "one of the two");
    if (!admitsAll && admitted.size === 0) {
      throw new UsageError("NOBODY_ADMITTED", "nobody would be carried", "--admit KEY, or --admit-all");
    }
    const chosen = values["key-file"] === undefined ? null : readKeyFile(values["key-file"]);
    const stop = context.stopSignal();
    const { terminal } = context;
    await withPeer(values.bootstrap, context, async (gateway) => {
      const keyPair = chosen ?? gateway.defaultKeyPair;
      const relay = gateway.createRelay({ admits: (key) => admitsAll || admitted.has(key.toHex()) });
      await relay.listen(keyPair);
      const publicKey = formatPublicKey(keyPair.publicKey);
      const facts = { schema: "dnet.dht-relay/1", publicKey, admits: admitsAll ? "all" : admitted.size };
      terminal.stdout.write(`${values.json ? JSON.stringify(facts) : publicKey}\n`);
      terminal.stderr.write(`carrying ${admitsAll ? "everyone" : "those admitted"} that says: --relay ${publicKey}\n`);
      await aborted(stop);
    });
  },
});
