import { command } from "./command.ts";
import { DNET, DNET_HELP, passphraseOptions, stateOptions } from "./dnetdb-options.ts";
import { MOMENTS_HELP, requireMoment } from "./moments.ts";

export const dbAt = command({
  name: "at",
  summary: "Show a dnet as it was at a date: members, addresses, clouds and relays, policy",
  details: `${MOMENTS_HELP}\n${DNET_HELP} Bodies that dnet db collect dropped can no more be read.`,
  arguments: [{ name: "DATE" }, DNET],
  options: { ...passphraseOptions, ...stateOptions },
  async run({ positionals: [date = "", text = ""], values }, context) {
    const moment = requireMoment(date);
    const { formatId, inDnetDb } = await import("./dnetdb-run.ts");
    const { dnetAt, notYet } = await import("./past.ts");
    const { dnetFacts, dnetText } = await import("./dnet-text.ts");
    const { momentText } = await import("../base/moment-text.ts");
    const { isoMoment } = await import("./moments.ts");
    await inDnetDb(values, context, (session) => {
      const dnet = session.dnet(text);
      session.view(dnet);
      const view = dnetAt(session, dnet, moment);
      if (!view) throw notYet(formatId(dnet), moment);
      const beholder = { ...session.beholder(), now: moment };
      const facts = { at: isoMoment(moment), ...dnetFacts(view, moment) };
      session.print(values.json, "dnet.db-at/1", facts, dnetText(view, beholder, [["as of", momentText(moment)]]));
    });
  },
});
