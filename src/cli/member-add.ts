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
        const wanted = words.map((word) => {
          const publicKey = word === SELF ? self : parsePublicKey(word);
          if (publicKey) return { publicKey, name, address };
          throw new UsageError(
            "BAD_KEY",
            `${printable(word)} is no public key`,
            "64 hex characters, 52 of z-base-32, or self",
          );
        });
        const before = session.readable(dnet).members;
        const find = (publicKey: Uint8Array) => before.find((member) => sameBytes(member.publicKey, publicKey));
        const isThere = ({ publicKey }: (typeof wanted)[number]) =>
          find(publicKey)?.addresses.some((each) => !address || sameBytes(each, address)) ?? false;
        const others = wanted.filter((each) => !isThere(each));
        const { steps, addresses } = addMembers(session.desk(dnet), dnet, others);
        const members = wanted.map(({ publicKey }) => {
          const at = addresses[others.findIndex((each) => sameBytes(each.publicKey, publicKey))];
          const shown = at ?? address ?? find(publicKey)!.addresses[0]!;
          return { publicKey: formatPublicKey(publicKey), address: formatIp(shown), isNew: at !== undefined };
        });
        const isSelf = wanted.some(({ publicKey }) => sameBytes(publicKey, self));
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
