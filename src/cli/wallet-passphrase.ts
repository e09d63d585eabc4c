import { command, UsageError } from "./command.ts";
import { passphraseOptions, stateOptions } from "./dnetdb-options.ts";

export const walletPassphrase = command({
  name: "passphrase",
  summary: "Lock the owner's key by a passphrase, change that, or take it away",
  details: [
    "The new passphrase is the first line of --new-file, or of standard input; the present one, if any, of --passphrase-file.",
    "On a terminal they are asked for, and not shown. There is no way to the key without it: keep an export elsewhere.",
  ].join("\n"),
  stdin: "NEW-PASSPHRASE",
  options: {
    "new-file": {
      type: "string",
      placeholder: "FILE",
      complete: "file",
      description: "the new passphrase; without it standard input",
    },
    none: { type: "boolean", description: "leave the key open to whoever reads its file" },
    ...passphraseOptions,
    ...stateOptions,
  },
  async run({ values }, context) {
    const { formatPublicKey, inWallet, readNewPassphrase, readPassphrase, unlocking } = await import("./wallet-run.ts");
    const { none, "new-file": newFile = "-", "passphrase-file": currentFile } = values;
    if (currentFile === "-" && newFile === "-" && !none && !context.askSecret) {
      const why = "the present and the new passphrase cannot both come from standard input";
      throw new UsageError("OPTION_CONFLICT", why, "--passphrase-file FILE, or --new-file FILE");
    }
    const current =
      currentFile === undefined ? null : await readPassphrase(currentFile, context, "present passphrase: ");
    await inWallet(values, context, async (wallet) => {
      await unlocking(wallet, context, () => wallet.ownerKeyPair(current));
      const next = none ? null : await readNewPassphrase(newFile, context);
      wallet.setPassphrase(current, next);
      const facts = { publicKey: formatPublicKey(wallet.ownerPublicKey), isLocked: wallet.isLocked };
      if (values.json)
        context.terminal.stdout.write(`${JSON.stringify({ schema: "dnet.wallet-passphrase/1", ...facts })}\n`);
      context.terminal.stderr.write(facts.isLocked ? "the owner's key is locked\n" : "the owner's key is not locked\n");
    });
  },
});
