import { DnetError } from "../base/error.ts";
import { command } from "./command.ts";
import { ownerOptions, ownersOptions } from "./dnetdb-options.ts";
import { badOption, splitLists } from "./option-values.ts";
import { addressOption, keyOption } from "./ovx-options.ts";

export const ovxCreate = command({
  name: "create",
  summary: "Register a cloud (ovc) or a relay (ovr), and print its id",
  details:
    "Its record is public, but dnet ovx list names only one that is --public; the others serve whom their owner authorises.",
  arguments: [{ name: "KIND", choices: ["ovc", "ovr"] }, { name: "NAME" }],
  options: {
    address: addressOption,
    key: keyOption,
    public: { type: "boolean", description: "name it to everyone who looks for one" },
    ...ownersOptions,
    ...ownerOptions,
  },
  async run({ positionals: [kind = "", name = ""], values }, context) {
    const { carryOut, createOvx, formatId, formatPublicKey, inDnetDb, ...run } = await import("./dnetdb-run.ts");
    const given = values.key === undefined ? null : run.parsePublicKey(values.key);
    if (values.key !== undefined && !given)
      throw badOption("key", values.key, "a public key", "KEY of dnet wallet show");
    await inDnetDb(values, context, (session) =>
      carryOut(session, values, () => {
        const { lock } = run.parseOwners(values.owners, values.needed, session.wallet.ownerPublicKey);
        const key = given ?? session.wallet.nodeKeyPair.publicKey;
        const addresses = splitLists(values.address);
        const content = { kind: kind as "ovc" | "ovr", isListed: values.public, addresses };
        const others = session.store.state
          .records("ovx")
          .filter((each) => !each.isClosed && run.sameLock(each.lock, lock));
        const known = others.find((each) => each.name === name);
        if (known) throw nameTaken(name, formatId(known.id));
        const { steps, ovx } = createOvx(session.desk(null), { ...content, lock, name, key });
        const id = formatId(ovx);
        return {
          steps,
          record: ovx,
          schema: "dnet.ovx-create/1",
          facts: { ovx: id, name, ...content, key: formatPublicKey(key), ...run.ownersFacts(lock) },
          text: `${id}\n`,
        };
      }),
    );
  },
});

function nameTaken(name: string, id: string): DnetError {
  return new DnetError("NAME_TAKEN", `${name} is the name of a cloud or relay of these owners already: ${id}`, {
    hint: "another name, or dnet ovx update",
  });
}
