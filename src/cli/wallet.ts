import { group } from "./command.ts";
import { walletExport, walletImport } from "./wallet-export.ts";
import { walletPassphrase } from "./wallet-passphrase.ts";
import { walletShow } from "./wallet-show.ts";

export const wallet = group({
  name: "wallet",
  summary: "Keep this machine's keys",
  subcommands: [walletShow, walletExport, walletImport, walletPassphrase],
});
