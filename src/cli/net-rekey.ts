import { command } from "./command.ts";
import { DNET, DNET_HELP, ownerOptions } from "./dnetdb-options.ts";

export const netRekey = command({
  name: "rekey",
  summary: "Give a private dnet a new network key",
  details: `${DNET_HELP} Every member and open invitation gets it. Removing a member does this by itself.`,
  arguments: [DNET],
  options: ownerOptions,
  async run({ positionals: [text = ""], values }, context) {
    const { carryOut, formatId, inDnetDb, rekey } = await import("./dnetdb-run.ts");
    await inDnetDb(values, context, (session) =>
      carryOut(session, values, () => {
        const dnet = session.dnet(text);
        const { steps, networkKey } = rekey(session.desk(dnet), dnet);
        return {
          steps,
          networkKey,
          record: dnet,
          schema: "dnet.net-rekey/1",
          facts: { dnet: formatId(dnet), epoch: networkKey?.epoch ?? null },
        };
      }),
    );
  },
});
