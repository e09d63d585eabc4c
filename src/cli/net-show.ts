import { command } from "./command.ts";
import { DNET, DNET_HELP, passphraseOptions, stateOptions } from "./dnetdb-options.ts";

export const netShow = command({
  name: "show",
  summary: "Show a dnet: its owners, members, addresses, clouds and relays, and policy",
  details: DNET_HELP,
  arguments: [DNET],
  options: { ...passphraseOptions, ...stateOptions },
  async run({ positionals: [text = ""], values }, context) {
    const { inDnetDb } = await import("./dnetdb-run.ts");
    const { dnetFacts, dnetText } = await import("./dnet-text.ts");
    const { countEvidence, evidenceText } = await import("./evidence.ts");
    const { finalityOf, finalityText } = await import("./finality.ts");
    const { membershipFacts, membershipOf, membershipText } = await import("./membership.ts");
    await inDnetDb(values, context, (session) => {
      const dnet = session.dnet(text);
      const view = session.view(dnet);
      const membership = membershipOf(session, dnet);
      const last = finalityOf(session, dnet, view.head);
      const beholder = session.beholder();
      const evidence = countEvidence(session, dnet);
      const facts = { ...dnetFacts(view, beholder.now), ...membershipFacts(membership), lastStep: last, evidence };
      const shown = dnetText(view, beholder, [
        ["this machine", membershipText(membership)],
        ["last step", `${view.height}, ${finalityText(last)}`],
        ["evidence", evidenceText(evidence)],
      ]);
      session.print(values.json, "dnet.net-show/1", facts, shown);
    });
  },
});
