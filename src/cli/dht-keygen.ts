import { formatPublicKey } from "../base/public-key.ts";
import { command } from "./command.ts";

export const dhtKeygen = command({
  name: "keygen",
  summary: "Make a key in a new file, and print its public key",
  details: "The file has mode 0600 and the secret in hex: whoever has it can announce and store as you.",
  arguments: [{ name: "FILE", complete: "file" }],
  async run({ positionals: [path = ""], values }, { terminal, random }) {
    const { createKeyFile } = await import("./key-file.ts");
    const publicKey = formatPublicKey(createKeyFile(path, random).publicKey);
    const facts = { schema: "dnet.dht-keygen/1", file: path, publicKey };
    terminal.stdout.write(`${values.json ? JSON.stringify(facts) : publicKey}\n`);
  },
});
