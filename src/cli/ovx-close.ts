import { command } from "./command.ts";
import { OVX_HELP, ownerOptions } from "./dnetdb-options.ts";

export const ovxClose = command({
  name: "close",
  summary: "End a cloud or relay of yours, for good",
  details: OVX_HELP,
  arguments: [{ name: "OVX" }],
  options: ownerOptions,
  async run({ positionals: [text = ""], values }, context) {
    const { carryOut, closeOvx, formatId, inDnetDb } = await import("./dnetdb-run.ts");
    await inDnetDb(values, context, (session) =>
      carryOut(session, values, () => {
        const ovx = session.ovx(text);
        const { isClosed } = session.store.view(ovx)!;
        return {
          steps: isClosed ? [] : closeOvx(session.desk(null), ovx).steps,
          record: ovx,
          schema: "dnet.ovx-close/1",
          facts: { ovx: formatId(ovx) },
          words: isClosed ? "it is closed already\n" : "",
        };
      }),
    );
  },
});
