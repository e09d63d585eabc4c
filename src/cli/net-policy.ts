import { command } from "./command.ts";
import { DNET, DNET_HELP, ownerOptions } from "./dnetdb-options.ts";
import { printable, printableJson } from "./printable.ts";

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
    const { carryOut, formatId, inDnetDb, parsePolicy, setPolicy, DEFAULT_POLICY } = await import("./dnetdb-run.ts");
    const { readText } = await import("./input-file.ts");
    const wanted = path === undefined ? null : await readText(path, MAX_BYTES, context);
    await inDnetDb(values, context, (session) => {
      if (wanted === null) {
        const { id, policy } = session.view(session.dnet(text));
        const facts = { dnet: formatId(id), policy };
        return session.print(values.json, "dnet.net-policy/1", facts, `${printableJson(policy, 2)}\n`);
      }
      return carryOut(session, values, () => {
        const dnet = session.dnet(text);
        const { steps } = setPolicy(session.desk(dnet), dnet, wanted);
        const policy = parsePolicy(wanted);
        const unknown = Object.keys(policy ?? {}).filter((name) => !Object.hasOwn(DEFAULT_POLICY, name));
        const kept = unknown
          .map((name) => `warning: this dnet does not know ${printable(name)}; it is kept\n`)
          .join("");
        const isSame = Bun.deepEquals(session.view(dnet).policy, policy);
        return {
          steps: isSame ? [] : steps,
          record: dnet,
          schema: "dnet.net-policy/1",
          facts: { dnet: formatId(dnet), policy },
          words: `${isSame ? "that is its policy already\n" : ""}${kept}`,
        };
      });
    });
  },
});
