import { DnetError } from "../base/error.ts";
import { command } from "./command.ts";
import { stateOptions } from "./dnetdb-options.ts";

const OWNED = "dnet net close ends it; what records say stays listed";
const NAMED = "its owner takes it out, by dnet member remove; without dnet accept it takes no part";

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
      const dnet = findListed(session, text);
      const { name, isOwner, isMember } = membershipOf(session, dnet);
      if (isOwner) throw inUse(`this machine owns ${name ?? formatId(dnet)}`, OWNED);
      if (isMember) throw inUse(`this machine is a member of ${name ?? formatId(dnet)}`, NAMED);
      session.list.remove(dnet);
      session.print(values.json, "dnet.net-forget/1", { dnet: formatId(dnet), name }, "");
      session.printWords(`forgotten: ${name ?? formatId(dnet)}\n`);
    });
  },
});

function inUse(message: string, hint: string): DnetError {
  return new DnetError("STILL_IN_USE", message, { hint });
}
