/**
 * `genkey`, `pubkey` and `genpsk`, as in wg(8): 32 bytes in base64, and a secret only ever over standard input and
 * output, because everyone on the machine may read a command line. `--json` results carry no secrets, so the two that
 * make secrets refuse it.
 */
import { DnetError } from "../base/error.ts";
import { command, UsageError } from "./command.ts";
import { parseNonzeroKey } from "./wg-quick-values.ts";

// A key takes 45 with its line end; whoever sends a kilobyte sends something else.
const MAX_KEY_TEXT_BYTES = 1024;

export const tunnelGenkey = command({
  name: "genkey",
  summary: "Print a new private key",
  async run({ values }, { terminal, random }) {
    if (values.json) throw secretAsJson("genkey");
    const key = random.bytes(32);
    // Clamping (RFC 7748 §5) is part of X25519 anyway; done here, the file shows the number that is really used.
    key[0]! &= 248;
    key[31] = (key[31]! & 127) | 64;
    terminal.stdout.write(`${key.toBase64()}\n`);
  },
});

export const tunnelGenpsk = command({
  name: "genpsk",
  summary: "Print a new preshared key",
  async run({ values }, { terminal, random }) {
    if (values.json) throw secretAsJson("genpsk");
    terminal.stdout.write(`${random.bytes(32).toBase64()}\n`);
  },
});

export const tunnelPubkey = command({
  name: "pubkey",
  summary: "Print the public key of the private key on standard input",
  stdin: "PRIVATE-KEY-FILE",
  async run({ values }, { terminal, readStdin }) {
    const text = new TextDecoder().decode(await readStdin(MAX_KEY_TEXT_BYTES)).trim();
    const key = parseNonzeroKey(text);
    if ("expected" in key) {
      const found = `standard input has ${text.length} characters that are no private key: expected ${key.expected}`;
      throw new DnetError("KEY_INVALID", found, { hint: "dnet tunnel genkey | dnet tunnel pubkey" });
    }
    const { X25519Key } = await import("../crypto/x25519.ts");
    const publicKey = new X25519Key(key.value).publicKey.toBase64();
    const json = JSON.stringify({ schema: "dnet.public-key/1", publicKey });
    terminal.stdout.write(`${values.json ? json : publicKey}\n`);
  },
});

function secretAsJson(name: string): UsageError {
  return new UsageError("SECRET_AS_JSON", `${name} prints a secret, which --json never carries`, `dnet tunnel ${name}`);
}
