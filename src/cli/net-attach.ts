import { command } from "./command.ts";
import { DNET, DNET_HELP, OVX_HELP, ownerOptions } from "./dnetdb-options.ts";

export const netAttach = command({
  name: "attach",
  summary: "Let a cloud or relay serve a dnet",
  details: `${DNET_HELP} ${OVX_HELP}\nIt serves once its own owner has authorised the dnet too: dnet ovx authorize.`,
  arguments: [DNET, { name: "OVX" }],
  options: ownerOptions,
  async run({ positionals: [dnetText = "", ovxText = ""], values }, context) {
    const { attach, carryOut, formatId, inDnetDb } = await import("./dnetdb-run.ts");
    await inDnetDb(values, context, (session) =>
      carryOut(session, values, () => {
        const [dnet, ovx] = [session.dnet(dnetText), session.ovx(ovxText)];
        const isAttached = session.store.isAttached(dnet, ovx);
        const isAuthorised = session.store.isAuthorised(ovx, dnet);
        const authorise = `its owner has yet to authorise that: dnet ovx authorize ${ovxText} ${formatId(dnet)}\n`;
        const { steps } = isAttached ? { steps: [] } : attach(session.desk(dnet), dnet, ovx);
        return {
          steps,
          record: dnet,
          schema: "dnet.net-attach/1",
          facts: { dnet: formatId(dnet), ovx: formatId(ovx), isAuthorised },
          words: `${isAttached ? "it is attached already\n" : ""}${isAuthorised ? "" : authorise}`,
        };
      }),
    );
  },
});

export const netDetach = command({
  name: "detach",
  summary: "Let a cloud or relay serve a dnet no more",
  details: `${DNET_HELP} ${OVX_HELP}`,
  arguments: [DNET, { name: "OVX" }],
  options: ownerOptions,
  async run({ positionals: [dnetText = "", ovxText = ""], values }, context) {
    const { carryOut, detach, formatId, inDnetDb } = await import("./dnetdb-run.ts");
    await inDnetDb(values, context, (session) =>
      carryOut(session, values, () => {
        const [dnet, ovx] = [session.dnet(dnetText), session.ovx(ovxText)];
        const isAttached = session.store.isAttached(dnet, ovx);
        return {
          ...(isAttached ? detach(session.desk(dnet), dnet, ovx) : { steps: [] }),
          record: dnet,
          schema: "dnet.net-detach/1",
          facts: { dnet: formatId(dnet), ovx: formatId(ovx) },
          words: isAttached ? "" : "it is not attached\n",
        };
      }),
    );
  },
});
