import { DnetError } from "../base/error.ts";
import { command } from "./command.ts";
import { stateOptions } from "./dnetdb-options.ts";

export const netForget = command({
  name: "forget",
  summary: "Take a dnet off this machine's list: a draft or an invitation that was given up",
  details: [
    "DNET is as dnet net list shows it. Its records stay, where they are here. Its network keys go:",
    "a draft that made the dnet, and is submitted all the same, may then be read by nobody.",
  ].join("\n"),
  arguments: [{ name: "DNET" }],
  options: stateOptions,
  async run({ positionals: [text = ""], values }, context) {
    const { formatId, inDnetDb } = await import("./dnetdb-run.ts");
    const { findListed } = await import("./dnet-reference.ts");
    const { membershipOf } = await import("./membership.ts");
    await inDnetDb(values, context, (session) => {
      const dnet = findListed(session.list, text);
      const { name, isOwner, isMember } = membershipOf(session, dnet);
      if (isOwner || isMember) throw belongs(name ?? formatId(dnet), isOwner ? "owns" : "is a member of");
      session.list.remove(dnet);
      session.print(values.json, "dnet.net-forget/1", { dnet: formatId(dnet), name }, "");
      session.printWords(`forgotten: ${name ?? formatId(dnet)}\n`);
    });
  },
});

function belongs(dnet: string, does: string): DnetError {
  return new DnetError("STILL_IN_USE", `this machine ${does} ${dnet}`, {
    hint: "dnet net close ends a dnet, dnet member remove takes a member out; what records say stays listed",
  });
}
