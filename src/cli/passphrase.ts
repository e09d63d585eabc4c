import { DnetError } from "../base/error.ts";
import type { Wallet } from "../io/wallet.ts";
import type { Context } from "./command.ts";
import { readText } from "./input-file.ts";
import { printable } from "./printable.ts";

const MAX_BYTES = 1_024;
const STDIN = "-";

/**
 * The first line of a file or, for `-`, of standard input, without its end; where that is a terminal it is asked for by
 * `prompt`. Throws DnetError, which never says what is in it.
 */
export async function readPassphrase(path: string, context: Context, prompt = "passphrase: "): Promise<string> {
  const isTyped = path === STDIN && context.askSecret !== null;
  const line = isTyped ? await context.askSecret!(prompt) : await firstLine(path, context);
  if (line !== "") return line;
  const where = path === STDIN ? "standard input" : printable(path);
  throw new DnetError("NO_PASSPHRASE", `there is no passphrase in the first line of ${where}`, {
    failure: "configuration",
    hint: "a file whose first line it is",
  });
}

/** As `readPassphrase`, and what is typed has to be typed twice. */
export async function readNewPassphrase(path: string, context: Context): Promise<string> {
  const passphrase = await readPassphrase(path, context, "new passphrase: ");
  const isSame = path !== STDIN || !context.askSecret || (await context.askSecret("the same again: ")) === passphrase;
  if (isSame) return passphrase;
  throw new DnetError("PASSPHRASES_DIFFER", "the two are not the same; nothing is changed", {
    failure: "usage",
    hint: "once more",
  });
}

/** What may need the owner's key: where that is locked, and someone can type, they are asked, and it is done again. Throws DnetError. */
export async function unlocking<Result>(wallet: Wallet, { askSecret }: Context, work: () => Result): Promise<Result> {
  try {
    return work();
  } catch (error) {
    if (!askSecret || !(error instanceof DnetError) || error.code !== "WALLET_LOCKED") throw error;
    wallet.ownerKeyPair(await askSecret("passphrase: "));
    return work();
  }
}

async function firstLine(path: string, context: Context): Promise<string> {
  const [line = ""] = (await readText(path, MAX_BYTES, context)).split(/\r?\n/, 1);
  return line;
}
