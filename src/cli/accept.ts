import { DnetError } from "../base/error.ts";
import { command } from "./command.ts";
import { DNET, stateOptions } from "./dnetdb-options.ts";

export const accept = command({
  name: "accept",
  summary: "Take part in a dnet whose owner has named this machine a member",
  details: "DNET is an id, the beginning of one, or a name of dnet net list, which shows what is pending.",
  arguments: [DNET],
  options: stateOptions,
  async run({ positionals: [text = ""], values }, context) {
    const { findMember, formatId, formatIp, formatPublicKey, inDnetDb } = await import("./dnetdb-run.ts");
    const { membershipOf } = await import("./membership.ts");
    await inDnetDb(values, context, (session) => {
      const dnet = session.dnet(text);
      const { networkKey } = session.view(dnet);
      const { view, name, takesPart, isMember } = membershipOf(session, dnet);
      const key = formatPublicKey(session.wallet.nodeKeyPair.publicKey);
      if (!view || !isMember) throw notNamed(name ?? formatId(dnet), key);
      session.list.set(dnet, { name, networkKey, isAccepted: true });
      const addresses = findMember(view, key)!.addresses.map(formatIp);
      const facts = { dnet: formatId(dnet), name, publicKey: key, addresses };
      session.print(values.json, "dnet.accept/1", facts, `${addresses[0]}\n`);
      session.printWords(
        takesPart ? "this machine took part already\n" : `this machine takes part in ${name ?? formatId(dnet)}\n`,
      );
    });
  },
});

function notNamed(dnet: string, key: string): DnetError {
  return new DnetError("NOT_A_MEMBER", `this machine, ${key}, is no member of ${dnet}`, {
    failure: "not-authorised",
    hint: "have its owner add that key, or invite you: dnet member add, dnet invite",
  });
}
