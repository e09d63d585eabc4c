import { sameBytes } from "../base/bytes.ts";
import { DnetError } from "../base/error.ts";
import type { DnetView } from "../overlay/dnetdb/dnet-view.ts";
import { command } from "./command.ts";
import { DNET, DNET_HELP, ownerOptions } from "./dnetdb-options.ts";
import { nearest } from "./nearest.ts";
import { optionConflict } from "./option-values.ts";
import { printable } from "./printable.ts";

const SELF = "self";

export const memberRemove = command({
  name: "remove",
  summary: "Remove members from a dnet, or take an address or an invitation back",
  details: [
    `${DNET_HELP} MEMBER is a name, a public key, a C2PKH or self: it goes with all its addresses; the name of an invitation;`,
    "or an address, which alone is taken back. A private dnet gets a new network key, which those who have gone do not have.",
  ].join("\n"),
  arguments: [DNET, { name: "MEMBER", isRepeated: true }],
  options: ownerOptions,
  async run({ positionals: [text = "", ...words], values }, context) {
    const { carryOut, findMember, formatId, formatIp, formatPublicKey, inDnetDb, ...run } = await import(
      "./dnetdb-run.ts"
    );
    await inDnetDb(values, context, (session) =>
      carryOut(session, values, () => {
        const dnet = session.dnet(text);
        const view = session.readable(dnet);
        const desk = session.desk(dnet);
        const [first = ""] = words;
        const ip = view.invitations.find(({ name }) => name === first)?.address ?? run.parseIp(first);
        if (ip && words.length > 1)
          throw optionConflict("an address or an invitation is taken back alone", "one at a time");
        const held = [
          ...view.members.flatMap(({ addresses }) => addresses),
          ...view.invitations.map(({ address }) => address),
        ];
        const isHeld = ip !== null && held.some((each) => sameBytes(each, ip));
        const self = formatPublicKey(session.wallet.nodeKeyPair.publicKey);
        const find = (word: string) => findMember(view, word) ?? (word === SELF ? findMember(view, self) : null);
        const members = ip
          ? []
          : words.map((word) => find(word) ?? absent(word, view, run.parsePublicKey(word === SELF ? self : word)));
        const publicKeys = members.flatMap((member) => member?.publicKey ?? []);
        const remove = () => (publicKeys.length > 0 ? run.removeMembers(desk, dnet, publicKeys) : { steps: [] });
        const gone = words.filter((_, i) => (ip ? !isHeld : members[i] === null));
        return {
          ...(isHeld ? run.removeAddress(desk, dnet, ip) : remove()),
          record: dnet,
          schema: "dnet.member-remove/1",
          facts: { dnet: formatId(dnet), removed: publicKeys.map(formatPublicKey), address: ip && formatIp(ip) },
          words: gone.map((word) => `${word} is nobody's in that dnet\n`).join(""),
        };
      }),
    );
  },
});

/** A key that is no member's is not there, as it was wanted; a name may have a typo. */
function absent(word: string, { members }: DnetView, publicKey: Uint8Array | null): null {
  if (publicKey) return null;
  const names = members.flatMap(({ name }) => name ?? []);
  throw new DnetError("UNKNOWN_MEMBER", `nobody in that dnet is named ${printable(word)}`, {
    failure: "unknown-peer",
    hint: nearest(word, names) ?? "dnet member list",
  });
}
