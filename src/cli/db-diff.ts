import { command, UsageError } from "./command.ts";
import { DNET, DNET_HELP, passphraseOptions, stateOptions } from "./dnetdb-options.ts";
import { MOMENTS_HELP, requireMoment } from "./moments.ts";
import { printable } from "./printable.ts";

export const dbDiff = command({
  name: "diff",
  summary: "Show what has changed in a dnet from one date to another",
  details: `A is a date, and so is B; without A from the beginning, without B until now. ${MOMENTS_HELP}\n${DNET_HELP}`,
  arguments: [{ name: "A..B" }, DNET],
  options: { ...passphraseOptions, ...stateOptions },
  async run({ positionals: [range = "", text = ""], values }, context) {
    const [, first, last] = /^(.*?)\.\.(.*)$/.exec(range) ?? [];
    if (first === undefined || last === undefined) {
      throw new UsageError("BAD_RANGE", `${printable(range)} is no range of dates`, "2026-03-01..2026-04-01");
    }
    const from = first === "" ? -1 : requireMoment(first);
    const until = last === "" ? Math.max(from, context.now()) : requireMoment(last);
    if (from > until)
      throw new UsageError("BAD_RANGE", `${printable(range)} ends before it begins`, `${last}..${first}`);
    const { formatId, inDnetDb } = await import("./dnetdb-run.ts");
    const { dnetAt, notYet } = await import("./past.ts");
    const { changesBetween, changeText } = await import("./dnet-changes.ts");
    const { isoMoment } = await import("./moments.ts");
    await inDnetDb(values, context, (session) => {
      const dnet = session.dnet(text);
      session.view(dnet);
      const after = dnetAt(session, dnet, until);
      if (!after) throw notYet(formatId(dnet), until);
      const changes = changesBetween(dnetAt(session, dnet, from), after);
      const facts = {
        dnet: formatId(dnet),
        from: first === "" ? null : isoMoment(from),
        until: isoMoment(until),
        changes,
      };
      session.print(values.json, "dnet.db-diff/1", facts, changes.map(changeText).join(""));
      if (changes.length === 0) session.printWords("nothing has changed\n");
    });
  },
});
