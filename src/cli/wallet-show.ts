import { command } from "./command.ts";
import { stateOptions } from "./dnetdb-options.ts";

export const walletShow = command({
  name: "show",
  summary: "Show this machine's two public keys",
  details: [
    "The owner's key signs the records that are yours. C2PKH, its hash, is how others name you: --owners, net transfer.",
    "The node's key is what this machine is as a member: dnet member add DNET KEY. Both are made on first use.",
  ].join("\n"),
  options: stateOptions,
  async run({ values }, context) {
    const { formatC2pkh, formatPublicKey, inWallet, keyHash, rowsText } = await import("./wallet-run.ts");
    await inWallet(values, context, (wallet) => {
      const shown = (publicKey: Uint8Array) => ({
        publicKey: formatPublicKey(publicKey),
        c2pkh: formatC2pkh(keyHash(publicKey)),
      });
      const owner = { ...shown(wallet.ownerPublicKey), isLocked: wallet.isLocked, file: wallet.path("owner") };
      const node = { ...shown(wallet.nodeKeyPair.publicKey), file: wallet.path("node") };
      const ownerTitle = owner.isLocked ? "owner (locked by a passphrase)" : "owner";
      const text = `${ownerTitle}\n${rowsText(rowsOf(owner))}node\n${rowsText(rowsOf(node))}`;
      const json = JSON.stringify({ schema: "dnet.wallet-show/1", owner, node });
      context.terminal.stdout.write(values.json ? `${json}\n` : text);
    });
  },
});

function rowsOf({ publicKey, c2pkh, file }: { publicKey: string; c2pkh: string; file: string }): [string, string][] {
  return [
    ["key", publicKey],
    ["C2PKH", c2pkh],
    ["file", file],
  ];
}
