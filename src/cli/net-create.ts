import { DnetError } from "../base/error.ts";
import { command } from "./command.ts";
import { ownerOptions, ownersOptions } from "./dnetdb-options.ts";
import { badOption } from "./option-values.ts";

const NO_RANGE = "none";

export const netCreate = command({
  name: "create",
  summary: "Make a dnet, and print its id",
  details: [
    "A private dnet, which is the default, shows strangers neither name, members nor addresses; a public one shows all.",
    "Every member has an IPv6 address, and one of IPv4 from --range, which is 10.x.0.0/16 unless you say otherwise.",
    "With several --owners each step takes the signatures of --needed of them: --draft, dnet db sign, dnet db submit.",
  ].join("\n"),
  arguments: [{ name: "NAME" }],
  options: {
    public: { type: "boolean", description: "everyone may read its records" },
    range: {
      type: "string",
      placeholder: "PREFIX",
      description: "of IPv4: private space, /8 to /30; none for IPv6 alone",
    },
    ...ownersOptions,
    ...ownerOptions,
  },
  async run({ positionals: [name = ""], values }, context) {
    const { carryOut, createDnet, formatId, formatPrefix, inDnetDb, ...run } = await import("./dnetdb-run.ts");
    const { range, public: isPublic } = values;
    const range4 = range === undefined ? "default" : range === NO_RANGE ? null : run.parseRange4(range);
    if (!range4 && range !== undefined && range !== NO_RANGE) {
      throw badOption("range", range, "a prefix of private IPv4 space, /8 to /30, or none", "10.7.0.0/16");
    }
    await inDnetDb(values, context, (session) =>
      carryOut(session, values, () => {
        const { lock, publicKeys } = run.parseOwners(values.owners, values.needed, session.wallet.ownerPublicKey);
        const isOpen = (id: Uint8Array) => session.store.view(id)?.isClosed === false;
        const namesake = session.list.read().find((dnet) => dnet.name === name && isOpen(dnet.id));
        if (namesake) throw nameTaken(name, formatId(namesake.id));
        const desk = { ...session.desk(null), ownerKeys: publicKeys };
        const made = createDnet(desk, { lock, name, isPrivate: !isPublic, range4 });
        const id = formatId(made.dnet);
        const rangeText = made.range4 && formatPrefix(made.range4);
        return {
          ...made,
          record: made.dnet,
          listed: { name },
          schema: "dnet.net-create/1",
          facts: { dnet: id, name, isPrivate: !isPublic, range4: rangeText, ...run.ownersFacts(lock) },
          text: `${id}\n`,
          words:
            values.draft === undefined
              ? `its members: dnet member add ${name} KEY, or self for this machine; dnet invite ${name}\n`
              : "",
        };
      }),
    );
  },
});

function nameTaken(name: string, id: string): DnetError {
  return new DnetError("NAME_TAKEN", `${name} is the name of a dnet of this machine already: ${id}`, {
    hint: "another name",
  });
}
