import { formatAddress } from "../base/address.ts";
import { formatPublicKey } from "../base/public-key.ts";
import type { KeyPair } from "../crypto/ed25519.ts";
import type { Gateway } from "../io/gateway/gateway.ts";
import { MAX_VALUE_BYTES } from "../io/gateway/settings.ts";
import { type Context, command, UsageError } from "./command.ts";
import { keyFileOption, networkOptions } from "./dht-options.ts";
import { optionConflict, parseIntegerOption } from "./option-values.ts";

const STDIN = "-";

export const dhtPut = command({
  name: "put",
  summary: "Store a value of up to 1000 bytes for 48 hours",
  details: [
    "VALUE is text; - reads it from standard input, byte for byte. It prints the hash under which `dnet dht get` finds it.",
    "With --mutable it is signed and stored under the public key, which is printed, in place of a value with a lower seq.",
    "Without --seq that is one more than the network has.",
  ].join("\n"),
  arguments: [{ name: "VALUE" }],
  options: {
    mutable: { type: "boolean", description: "store under a public key; needs --key-file" },
    "key-file": keyFileOption,
    seq: { type: "string", placeholder: "N", description: "of a mutable value: its number, from 0" },
    ...networkOptions,
  },
  async run({ positionals: [text = ""], values }, context) {
    const { inDht } = await import("./dht-session.ts");
    const { requireKeyPair } = await import("./key-file.ts");
    const { mutable, "key-file": keyFile } = values;
    if (!mutable && keyFile !== undefined) throw needsMutable("--key-file");
    if (!mutable && values.seq !== undefined) throw needsMutable("--seq");
    const seq = values.seq === undefined ? null : parseSeq(values.seq);
    const keyPair = mutable ? requireKeyPair(keyFile, "a mutable value is stored by whoever has the key") : null;
    const value = await readValue(text, context);
    await inDht(values, context, "", async (session) => {
      const { gateway } = session;
      const storing = keyPair ? putMutable(gateway, keyPair, value, seq) : putImmutable(gateway, value);
      const { name, facts, nodes } = await session.within(storing);
      const json = JSON.stringify({ schema: "dnet.dht-put/1", ...facts, bytes: value.length, nodes });
      context.terminal.stdout.write(`${values.json ? json : name}\n`);
      const numbered = facts.seq === undefined ? "" : ` with seq ${facts.seq}`;
      session.printWords(`stored ${value.length} bytes${numbered} at ${nodes.length} nodes, for 48 hours\n`);
    });
  },
});

export function parseSeq(text: string): number {
  return parseIntegerOption("seq", text, { least: 0, most: Number.MAX_SAFE_INTEGER, example: 1, what: "a number" });
}

interface Stored {
  /** Under what it is found. */
  readonly name: string;
  readonly facts: { readonly hash?: string; readonly publicKey?: string; readonly seq?: number };
  readonly nodes: readonly string[];
}

async function putImmutable(gateway: Gateway, value: Uint8Array): Promise<Stored> {
  const { hash, closestNodes } = await gateway.immutablePut(value);
  return { name: hash.toHex(), facts: { hash: hash.toHex() }, nodes: closestNodes.map(formatAddress) };
}

async function putMutable(
  gateway: Gateway,
  keyPair: KeyPair,
  value: Uint8Array,
  chosenSeq: number | null,
): Promise<Stored> {
  const seq = chosenSeq ?? (await nextSeq(gateway, keyPair.publicKey));
  const { closestNodes } = await gateway.mutablePut(keyPair, value, { seq });
  const publicKey = formatPublicKey(keyPair.publicKey);
  return { name: publicKey, facts: { publicKey, seq }, nodes: closestNodes.map(formatAddress) };
}

async function nextSeq(gateway: Gateway, publicKey: Uint8Array): Promise<number> {
  const latest = await gateway.mutableGet(publicKey, { latest: true });
  return latest ? latest.seq + 1 : 0;
}

async function readValue(text: string, { readStdin }: Context): Promise<Uint8Array> {
  const value = text === STDIN ? await readStdin(MAX_VALUE_BYTES) : new TextEncoder().encode(text);
  if (value.length > 0 && value.length <= MAX_VALUE_BYTES) return value;
  const message = `the value has ${value.length} bytes; expected 1 to ${MAX_VALUE_BYTES}`;
  throw new UsageError("BAD_VALUE", message, "store more under several hashes, and their hashes in one value");
}

function needsMutable(option: string): UsageError {
  return optionConflict(`${option} is for mutable values only`, `--mutable, or no ${option}`);
}
