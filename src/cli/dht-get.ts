import { DnetError } from "../base/error.ts";
import { formatPublicKey } from "../base/public-key.ts";
import type { FoundValue } from "../dht/operations.ts";
import { command, type Terminal } from "./command.ts";
import { networkOptions } from "./dht-options.ts";
import { parseSeq } from "./dht-put.ts";
import type { DhtSession } from "./dht-session.ts";
import { optionConflict } from "./option-values.ts";

export const dhtGet = command({
  name: "get",
  summary: "Print a stored value",
  details: [
    "KEY is the hash that `dnet dht put` printed, or with --mutable a public key; 64 hex characters, or 52 of z-base-32.",
    "The value is printed as it is, and a line end; on a terminal with its control characters made visible.",
    "A mutable value is the first that is found with at least that seq; with --latest the one with the highest.",
    "Exit code 5: no node has it.",
  ].join("\n"),
  arguments: [{ name: "KEY" }],
  options: {
    mutable: { type: "boolean", description: "get what was stored under a public key" },
    latest: { type: "boolean", description: "of a mutable value: ask all nodes near it" },
    seq: { type: "string", placeholder: "N", description: "of a mutable value: the least number" },
    ...networkOptions,
  },
  async run({ positionals: [text = ""], values }, context) {
    const { inDht } = await import("./dht-session.ts");
    const { parseBytes32 } = await import("./dht-target.ts");
    const { mutable, latest } = values;
    if (!mutable && latest) throw optionConflict("--latest is for mutable values only", "--mutable, or no --latest");
    if (!mutable && values.seq !== undefined) {
      throw optionConflict("--seq is for mutable values only", "--mutable, or no --seq");
    }
    const seq = values.seq === undefined ? 0 : parseSeq(values.seq);
    const key = parseBytes32(mutable ? "the public key" : "the hash", text);
    await inDht(values, context, "", async (session) => {
      const found = mutable ? await getMutable(session, key, { seq, latest }) : await getImmutable(session, key);
      if (!found) throw nothing(mutable ? `the key ${text}` : `the hash ${text}`, session.answers);
      print(found, values.json, context.terminal);
    });
  },
});

interface Got {
  readonly facts: object;
  readonly value: Uint8Array;
}

async function getImmutable(session: DhtSession, hash: Uint8Array): Promise<Got | null> {
  return asGot(await session.within(session.gateway.immutableGet(hash)), { hash: hash.toHex() });
}

async function getMutable(
  session: DhtSession,
  key: Uint8Array,
  settings: { readonly seq: number; readonly latest: boolean },
): Promise<Got | null> {
  const found = await session.within(session.gateway.mutableGet(key, settings));
  return asGot(found, { publicKey: formatPublicKey(key), seq: found?.seq, signature: found?.signature.toHex() });
}

function asGot(found: FoundValue | null, facts: object): Got | null {
  return found && { value: found.value, facts };
}

function print({ facts, value }: Got, isJson: boolean, { stdout, isScreen }: Terminal): void {
  if (isJson) {
    const text = decodeStrictly(value);
    const shown = { ...facts, bytes: value.length, hex: value.toHex(), text };
    return stdout.write(`${JSON.stringify({ schema: "dnet.dht-get/1", ...shown })}\n`);
  }
  stdout.write(isScreen ? harmless(new TextDecoder().decode(value)) : value);
  stdout.write("\n");
}

/** Null for what is no text in UTF-8. */
function decodeStrictly(value: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(value);
  } catch {
    return null;
  }
}

/** A stranger's text must not move the cursor or recolour the screen. */
function harmless(text: string): string {
  return text.replaceAll(/[^\P{C}\n\t]/gu, (control) => `\\x${control.codePointAt(0)!.toString(16).padStart(2, "0")}`);
}

function nothing(what: string, answers: number): DnetError {
  return new DnetError("NOT_FOUND", `no value is stored under ${what}; ${answers} nodes answered`, {
    failure: "unknown-peer",
    hint: "check that it is whole; a value is kept for 48 hours, and one under a public key needs --mutable",
  });
}
