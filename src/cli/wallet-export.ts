import { DnetError } from "../base/error.ts";
import { command, UsageError } from "./command.ts";
import { stateOptions } from "./dnetdb-options.ts";
import { printable } from "./printable.ts";

const STDIN_OR_STDOUT = "-";
// A locked key has 400 characters.
const MAX_BYTES = 4_096;

const nodeOption = { type: "boolean", description: "the node's key, instead of the owner's" } as const;

export const walletExport = command({
  name: "export",
  summary: "Write the owner's key to a new file, to be kept elsewhere",
  details:
    "As it is here: locked, if it has a passphrase; otherwise whoever reads FILE can sign as you. - is standard output.",
  arguments: [{ name: "FILE", complete: "file" }],
  options: { node: nodeOption, ...stateOptions },
  async run({ positionals: [path = ""], values }, context) {
    const { createPrivateFile, formatPublicKey, inWallet } = await import("./wallet-run.ts");
    if (path === STDIN_OR_STDOUT && values.json) {
      throw new UsageError(
        "SECRET_AS_JSON",
        "a key is a secret, which --json never carries",
        "dnet wallet export FILE",
      );
    }
    await inWallet(values, context, (wallet) => {
      const key = wallet.read(values.node ? "node" : "owner");
      if (path === STDIN_OR_STDOUT) return context.terminal.stdout.write(key.text);
      if (!createPrivateFile(path, key.text)) throw exists(path);
      const facts = { publicKey: formatPublicKey(key.publicKey), isLocked: key.locked !== null, file: path };
      context.terminal.stdout.write(
        values.json ? `${JSON.stringify({ schema: "dnet.wallet-export/1", ...facts })}\n` : `${facts.publicKey}\n`,
      );
      const open = key.locked ? "" : "; it is not locked: dnet wallet passphrase, and export it again";
      context.terminal.stderr.write(`written to ${printable(path)}${open}\n`);
    });
  },
});

export const walletImport = command({
  name: "import",
  summary: "Take over an owner's key that was exported, or a file of dnet dht keygen",
  details:
    "FILE, or - for standard input. Another key that is here already stays, unless --replace puts it into a file beside it.",
  arguments: [{ name: "FILE", complete: "file" }],
  options: {
    node: nodeOption,
    replace: { type: "boolean", description: "in place of the key that is here, which is kept beside" },
    ...stateOptions,
  },
  async run({ positionals: [path = ""], values }, context) {
    const { formatPublicKey, inWallet, readText } = await import("./wallet-run.ts");
    const text = await readText(path, MAX_BYTES, context);
    await inWallet(values, context, (wallet) => {
      const name = values.node ? "node" : "owner";
      const isNew = wallet.import(name, text, { replaces: values.replace });
      const { publicKey, locked } = wallet.read(name);
      const facts = { publicKey: formatPublicKey(publicKey), isLocked: locked !== null, isNew };
      context.terminal.stdout.write(
        values.json ? `${JSON.stringify({ schema: "dnet.wallet-import/1", ...facts })}\n` : `${facts.publicKey}\n`,
      );
      if (!isNew) context.terminal.stderr.write("it is here already\n");
    });
  },
});

function exists(path: string): DnetError {
  return new DnetError("FILE_EXISTS", `${printable(path)} exists already; a key in it would be lost`, {
    failure: "configuration",
    hint: "another name",
  });
}
