import { command } from "./command.ts";
import { OVX_HELP, ownerOptions } from "./dnetdb-options.ts";
import { badOption, optionConflict, splitLists } from "./option-values.ts";
import { addressOption, keyOption } from "./ovx-options.ts";

export const ovxUpdate = command({
  name: "update",
  summary: "Change the addresses, the key or the listing of a cloud or relay",
  details: `${OVX_HELP} What is not given stays as it is.`,
  arguments: [{ name: "OVX" }],
  options: {
    address: addressOption,
    key: { ...keyOption, description: "its own public key" },
    public: { type: "boolean", description: "name it to everyone who looks for one" },
    unlisted: { type: "boolean", description: "name it to nobody any more" },
    ...ownerOptions,
  },
  async run({ positionals: [text = ""], values }, context) {
    const { carryOut, formatId, formatPublicKey, inDnetDb, parsePublicKey, readOvx, updateOvx } = await import(
      "./dnetdb-run.ts"
    );
    const { key: keyText, public: isPublic, unlisted } = values;
    if (isPublic && unlisted) throw optionConflict("--public and --unlisted are the opposite", "one of the two");
    const key = keyText === undefined ? null : parsePublicKey(keyText);
    if (keyText !== undefined && !key) throw badOption("key", keyText, "a public key", "KEY of dnet wallet show");
    const addresses = splitLists(values.address);
    const changes = {
      ...((isPublic || unlisted) && { isListed: isPublic }),
      ...(key && { key }),
      ...(addresses.length > 0 && { addresses }),
    };
    await inDnetDb(values, context, (session) =>
      carryOut(session, values, () => {
        const ovx = session.ovx(text);
        const before = readOvx(session.store, ovx)!;
        const after = { ...before, ...changes };
        const isSame = Bun.deepEquals(before, after);
        return {
          steps: isSame ? [] : updateOvx(session.desk(null), ovx, changes).steps,
          record: ovx,
          schema: "dnet.ovx-update/1",
          facts: {
            ovx: formatId(ovx),
            isListed: after.isListed,
            key: formatPublicKey(after.key),
            addresses: after.addresses,
          },
          words: isSame ? "it is so already\n" : "",
        };
      }),
    );
  },
});
