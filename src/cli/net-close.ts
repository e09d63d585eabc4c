import { command } from "./command.ts";
import { DNET, DNET_HELP, ownerOptions } from "./dnetdb-options.ts";

export const netClose = command({
  name: "close",
  summary: "End a dnet, for good",
  details: `${DNET_HELP} Its record stays, and nothing can be added to it any more.`,
  arguments: [DNET],
  options: ownerOptions,
  async run({ positionals: [text = ""], values }, context) {
    const { carryOut, closeDnet, formatId, inDnetDb } = await import("./dnetdb-run.ts");
    await inDnetDb(values, context, (session) =>
      carryOut(session, values, () => {
        const dnet = session.dnet(text);
        const { isClosed } = session.view(dnet);
        return {
          steps: isClosed ? [] : closeDnet(session.desk(dnet), dnet).steps,
          record: dnet,
          schema: "dnet.net-close/1",
          facts: { dnet: formatId(dnet) },
          words: isClosed ? "it is closed already\n" : "",
        };
      }),
    );
  },
});
