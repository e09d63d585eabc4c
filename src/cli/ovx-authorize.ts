import { command } from "./command.ts";
import { OVX_HELP, ownerOptions } from "./dnetdb-options.ts";
import { parseEndOption } from "./moments.ts";
import { badOption } from "./option-values.ts";

const DNET_ID_HELP = "DNET is the id of any dnet, or the beginning or name of one that is known here.";
const UNITS = ["", "k", "M", "G", "T"];

export const ovxAuthorize = command({
  name: "authorize",
  summary: "Let a cloud or relay of yours serve a dnet",
  details: `${OVX_HELP} ${DNET_ID_HELP}\nIt replaces what was said before. The dnet's owner has to attach it too.`,
  arguments: [{ name: "OVX" }, { name: "DNET" }],
  options: {
    expires: {
      type: "string",
      placeholder: "WHEN",
      default: "never",
      description: "a span such as 30d, a date, which is its end in UTC, or never",
    },
    quota: {
      type: "string",
      placeholder: "BYTES",
      description: "how much it may carry: 500M, 20G; without it no limit",
    },
    ...ownerOptions,
  },
  async run({ positionals: [ovxText = "", dnetText = ""], values }, context) {
    const { authorise, carryOut, formatId, inDnetDb, parseId } = await import("./dnetdb-run.ts");
    const { isoMoment } = await import("./moments.ts");
    const expiresAt = parseEndOption("expires", values.expires, context.now());
    const quotaBytes = values.quota === undefined ? null : parseBytes("quota", values.quota);
    await inDnetDb(values, context, (session) =>
      carryOut(session, values, () => {
        const ovx = session.ovx(ovxText);
        const dnet = parseId(dnetText) ?? session.dnet(dnetText);
        const before = session.store.authorisation(ovx, dnet);
        const isSame = before !== null && before.expiresAt === expiresAt && before.quotaBytes === quotaBytes;
        return {
          steps: isSame ? [] : authorise(session.desk(null), ovx, { dnet, expiresAt, quotaBytes }).steps,
          record: ovx,
          schema: "dnet.ovx-authorize/1",
          facts: { ovx: formatId(ovx), dnet: formatId(dnet), expiresAt: isoMoment(expiresAt), quotaBytes },
          words: isSame ? "it is authorised so already\n" : "",
        };
      }),
    );
  },
});

export const ovxRevoke = command({
  name: "revoke",
  summary: "Let a cloud or relay of yours serve a dnet no more",
  details: `${OVX_HELP} ${DNET_ID_HELP}`,
  arguments: [{ name: "OVX" }, { name: "DNET" }],
  options: ownerOptions,
  async run({ positionals: [ovxText = "", dnetText = ""], values }, context) {
    const { carryOut, formatId, inDnetDb, parseId, revoke } = await import("./dnetdb-run.ts");
    await inDnetDb(values, context, (session) =>
      carryOut(session, values, () => {
        const ovx = session.ovx(ovxText);
        const dnet = parseId(dnetText) ?? session.dnet(dnetText);
        const isAuthorised = session.store.isAuthorised(ovx, dnet);
        return {
          steps: isAuthorised ? revoke(session.desk(null), ovx, dnet).steps : [],
          record: ovx,
          schema: "dnet.ovx-revoke/1",
          facts: { ovx: formatId(ovx), dnet: formatId(dnet) },
          words: isAuthorised ? "" : "it is not authorised\n",
        };
      }),
    );
  },
});

/** `500M`, `20G`; a k is 1000. */
function parseBytes(name: string, text: string): number {
  const [, digits, unit = ""] = /^(\d{1,9})([kMGT]?)B?$/.exec(text) ?? [];
  const bytes = Number(digits) * 1_000 ** UNITS.indexOf(unit);
  if (bytes > 0 && bytes <= Number.MAX_SAFE_INTEGER) return bytes;
  throw badOption(name, text, "a number of bytes such as 500M or 20G", "20G");
}
