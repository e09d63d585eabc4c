import { sameBytes } from "../base/bytes.ts";
import { command, UsageError } from "./command.ts";
import { DNET, DNET_HELP, ownerOptions } from "./dnetdb-options.ts";
import { badOption, optionConflict } from "./option-values.ts";
import { printable } from "./printable.ts";

const SELF = "self";

export const memberAdd = command({
  name: "add",
  summary: "Make machines members of a dnet, and print their addresses",
  details: [
    `${DNET_HELP} KEY is the public key of a machine, hex or z-base-32 (there: dnet wallet show); self is this one's.`,
    "Without --ip it gets a free address of the dnet's range, or the IPv6 address that follows from its key.",
    "With --ip a member gets a further address. Unless the policy says otherwise, its person has yet to say dnet accept there.",
  ].join("\n"),
  arguments: [DNET, { name: "KEY", isRepeated: true }],
  options: {
    name: { type: "string", placeholder: "NAME", description: "what it is called in the dnet" },
    ip: { type: "string", placeholder: "ADDRESS", description: "the address that it gets, IPv4 or IPv6" },
    ...ownerOptions,
  },
  async run({ positionals: [text = "", ...words], values }, context) {
    const { addMembers, carryOut, formatId, formatIp, formatPublicKey, inDnetDb, parseIp, parsePublicKey } =
      await import("./dnetdb-run.ts");
    const { name = null, ip } = values;
    if (words.length > 1 && (name !== null || ip !== undefined)) {
      throw optionConflict("--name and --ip are of one member", "one KEY at a time");
    }
    const address = ip === undefined ? null : parseIp(ip);
    if (ip !== undefined && !address) throw badOption("ip", ip, "an address", "10.7.0.2");
    await inDnetDb(values, context, (session) =>
      carryOut(session, values, () => {
        const dnet = session.dnet(text);
        const { publicKey: self } = session.wallet.nodeKeyPair;
        // Each once, however often it stands in a long list.
        const wanted = new Map(
          words.map((word) => keyed(word === SELF ? self : (parsePublicKey(word) ?? refuse(word)))),
        );
        const before = new Map(session.readable(dnet).members.map((member) => [member.publicKey.toHex(), member]));
        const isThere = (key: string): boolean => {
          const member = before.get(key);
          if (!member || (name !== null && member.name !== name)) return false;
          return !address || member.addresses.some((each) => sameBytes(each, address));
        };
        const others = [...wanted.keys()].filter((key) => !isThere(key));
        const asked = others.map((key) => ({ publicKey: wanted.get(key)!, name, address }));
        const { steps, addresses } = addMembers(session.desk(dnet), dnet, asked);
        const added = new Map(others.map((key, i) => [key, addresses[i]!]));
        const members = [...wanted].map(([key, publicKey]) => {
          const at = added.get(key) ?? address ?? before.get(key)!.addresses[0]!;
          return { publicKey: formatPublicKey(publicKey), address: formatIp(at), isNew: added.has(key) };
        });
        const isSelf = wanted.has(self.toHex());
        return {
          steps,
          record: dnet,
          // Whoever names its own machine need not be asked whether it takes part.
          ...(isSelf && { listed: { isAccepted: true } }),
          schema: "dnet.member-add/1",
          facts: { dnet: formatId(dnet), members },
          text: members.map((member) => `${member.address}\n`).join(""),
          words: members.map(({ publicKey, isNew }) => (isNew ? "" : `${publicKey} is a member already\n`)).join(""),
        };
      }),
    );
  },
});

function keyed(publicKey: Uint8Array): [string, Uint8Array] {
  return [publicKey.toHex(), publicKey];
}

function refuse(word: string): never {
  throw new UsageError(
    "BAD_KEY",
    `${printable(word)} is no public key`,
    "64 hex characters, 52 of z-base-32, or self; a machine's is the node key of dnet wallet show",
  );
}
