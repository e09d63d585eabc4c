import { counted } from "../base/counted.ts";
import { command } from "./command.ts";
import { passphraseOptions, stateOptions } from "./dnetdb-options.ts";
import { printable } from "./printable.ts";

const STDIN_OR_STDOUT = "-";

export const dbSign = command({
  name: "sign",
  summary: "Sign the steps that a --draft has written, into the same file",
  details: [
    "It takes neither records nor a network: the owner's key may be on a machine that has neither. Of several owners each signs",
    "the file, one after another, or a copy of it: dnet db submit takes the copies together. What is signed is shown. - is standard",
    "input, and the result standard output, JSON with --json or without.",
  ].join("\n"),
  arguments: [{ name: "FILE", complete: "file" }],
  options: { ...passphraseOptions, ...stateOptions },
  async run({ positionals: [path = ""], values }, context) {
    const { inWallet, readPassphrase, unlocking } = await import("./wallet-run.ts");
    const { readSteps } = await import("./steps-file.ts");
    const { encodeSteps, missingSignatures, signSteps } = await import("../overlay/dnetdb/steps.ts");
    const { formatScript } = await import("../overlay/dnetdb/script.ts");
    const { formatC2pkh, formatId, keyHash } = await import("../overlay/dnetdb/ids.ts");
    const { writePrivateFile } = await import("../io/private-file.ts");
    const { terminal } = context;
    const steps = await readSteps(path, context);
    const file = values["passphrase-file"];
    const passphrase = file === undefined ? null : await readPassphrase(file, context);
    await inWallet(values, context, async (wallet) => {
      const keyPair = await unlocking(wallet, context, () => wallet.ownerKeyPair(passphrase));
      const signed = signSteps(steps, keyPair);
      const file = encodeSteps(signed);
      if (path === STDIN_OR_STDOUT) terminal.stdout.write(file);
      else writePrivateFile(path, file);
      const missing = Math.max(...signed.map(missingSignatures));
      const facts = {
        file: path,
        signer: formatC2pkh(keyHash(wallet.ownerPublicKey)),
        missing,
        steps: signed.map(({ transaction, note }) => {
          const script = formatScript(transaction.outputs[0]!.script);
          return { transaction: formatId(transaction.id), script, note, signatures: transaction.signatures.length };
        }),
      };
      if (values.json && path !== STDIN_OR_STDOUT)
        terminal.stdout.write(`${JSON.stringify({ schema: "dnet.db-sign/1", ...facts })}\n`);
      for (const { script, note } of facts.steps) terminal.stderr.write(`${note}\n  ${script}\n`);
      const next = missing === 0 ? `dnet db submit ${printable(path)}` : `${counted(missing, "owner")} more to sign it`;
      terminal.stderr.write(`signed as ${facts.signer}; next: ${next}\n`);
    });
  },
});
