import { command } from "./command.ts";
import { stateOptions } from "./dnetdb-options.ts";

export const netList = command({
  name: "list",
  summary: "List the dnets that this machine owns, belongs to or is asked into",
  options: stateOptions,
  async run({ values }, context) {
    const { formatId, inDnetDb } = await import("./dnetdb-run.ts");
    const { membershipFacts, memberships, membershipText } = await import("./membership.ts");
    const { tableText } = await import("./dht-text.ts");
    await inDnetDb(values, context, (session) => {
      const all = memberships(session);
      const dnets = all.map((membership) => ({
        dnet: formatId(membership.id),
        name: membership.name,
        isHere: membership.view !== null,
        isClosed: membership.view?.isClosed ?? false,
        ...membershipFacts(membership),
      }));
      const rows = all.map((membership) => [
        membership.name ?? "-",
        String(membership.view?.members.length ?? "-"),
        formatId(membership.id),
        membershipText(membership),
      ]);
      const text = rows.length === 0 ? "" : tableText(["NAME", "MEMBERS", "ID", "THIS MACHINE"], rows);
      session.print(values.json, "dnet.net-list/1", { dnets }, text);
      if (rows.length === 0) session.printWords("none yet: dnet net create NAME, or dnet join with an invitation\n");
    });
  },
});
