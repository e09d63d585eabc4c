import { command } from "./command.ts";
import { DNET, DNET_HELP, ownerOptions } from "./dnetdb-options.ts";
import { printableJson } from "./printable.ts";

const MAX_BYTES = 65_536;

export const netPolicy = command({
  name: "policy",
  summary: "Print the policy of a dnet, or replace it",
  details: [
    `${DNET_HELP} FILE is the whole policy, a JSON object; - reads it from standard input.`,
    "  witnesses         how many of the attached clouds have to witness a step before it is final; 1",
    "  needConfirmation  whether a machine that is named a member takes part only after dnet accept; true",
    "  rules, dns        who may reach whom, and what names mean",
  ].join("\n"),
  arguments: [DNET, { name: "FILE", isOptional: true, complete: "file" }],
  options: ownerOptions,
  async run({ positionals: [text = "", path], values }, context) {
    const { carryOut, formatId, inDnetDb, parsePolicy, setPolicy } = await import("./dnetdb-run.ts");
    const { readText } = await import("./input-file.ts");
    await inDnetDb(values, context, async (session) => {
      const dnet = session.dnet(text);
      const { policy } = session.view(dnet);
      const shown = `${printableJson(policy, 2)}\n`;
      const facts = { dnet: formatId(dnet), policy };
      if (path === undefined) return session.print(values.json, "dnet.net-policy/1", facts, shown);
      const wanted = await readText(path, MAX_BYTES, context);
      const { steps } = setPolicy(session.desk(dnet), dnet, wanted);
      const next = parsePolicy(wanted);
      const isSame = Bun.deepEquals(policy, next);
      await carryOut(session, values, {
        steps: isSame ? [] : steps,
        record: dnet,
        schema: "dnet.net-policy/1",
        facts: { ...facts, policy: next },
        words: isSame ? "that is its policy already\n" : "",
      });
    });
  },
});
