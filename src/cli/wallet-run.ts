/** What the wallet's commands load once one of them runs. */
import { openStateDirectory } from "../io/state-directory.ts";
import { Wallet } from "../io/wallet.ts";
import type { Context } from "./command.ts";
import type { StateValues } from "./dnetdb-options.ts";

export { formatPublicKey } from "../base/public-key.ts";
export { createPrivateFile } from "../io/private-file.ts";
export { formatC2pkh, keyHash } from "../overlay/dnetdb/ids.ts";
export { rowsText } from "./dnet-text.ts";
export { readText } from "./input-file.ts";
export { readNewPassphrase, readPassphrase, unlocking } from "./passphrase.ts";

/** The records stay closed. */
export function inWallet<Result>(values: StateValues, { random }: Context, use: (wallet: Wallet) => Result): Result {
  return use(new Wallet(openStateDirectory(values.state), random));
}
