import { command } from "./command.ts";
import { DNET, DNET_HELP, neededOption, ownerOptions } from "./dnetdb-options.ts";

export const netTransfer = command({
  name: "transfer",
  summary: "Hand a dnet over to other owners, for good",
  details: [
    `${DNET_HELP} OWNER is a C2PKH or a public key, as dnet wallet show prints them.`,
    "Of a private dnet the new owner gets no key by that: it has to be a member, or be given owner.key.",
  ].join("\n"),
  arguments: [DNET, { name: "OWNER", isRepeated: true }],
  options: { needed: neededOption, ...ownerOptions },
  async run({ positionals: [text = "", ...owners], values }, context) {
    const { carryOut, formatId, inDnetDb, ownersFacts, parseOwnerWords, sameLock, transfer } = await import(
      "./dnetdb-run.ts"
    );
    const { lock } = parseOwnerWords(owners, values.needed);
    await inDnetDb(values, context, (session) =>
      carryOut(session, values, () => {
        const dnet = session.dnet(text);
        const isTheirs = sameLock(session.view(dnet).lock, lock);
        return {
          steps: isTheirs ? [] : transfer(session.desk(dnet), dnet, lock).steps,
          record: dnet,
          schema: "dnet.net-transfer/1",
          facts: { dnet: formatId(dnet), ...ownersFacts(lock) },
          words: isTheirs ? "it is theirs already\n" : "",
        };
      }),
    );
  },
});
