import { command } from "./command.ts";
import { OVX_HELP, stateOptions } from "./dnetdb-options.ts";

export const ovxShow = command({
  name: "show",
  summary: "Show a cloud or relay, and the dnets that its owner has authorised",
  details: `${OVX_HELP} Each entry is a step of its record, signed by its owner; what is not, no replica has accepted.`,
  arguments: [{ name: "OVX" }],
  options: stateOptions,
  async run({ positionals: [text = ""], values }, context) {
    const { inDnetDb, readOvx } = await import("./dnetdb-run.ts");
    const { countEvidence, evidenceText } = await import("./evidence.ts");
    const { ovxFacts, ovxText } = await import("./ovx-text.ts");
    await inDnetDb(values, context, (session) => {
      const ovx = session.ovx(text);
      const view = readOvx(session.store, ovx)!;
      const beholder = session.beholder();
      const evidence = countEvidence(session, ovx);
      const facts = { ...ovxFacts(session.store, view, beholder.now), evidence };
      const shown = ovxText(session.store, view, beholder, [["evidence", evidenceText(evidence)]]);
      session.print(values.json, "dnet.ovx-show/1", facts, shown);
    });
  },
});
