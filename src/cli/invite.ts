import { command } from "./command.ts";
import { DNET, DNET_HELP, ownerOptions } from "./dnetdb-options.ts";
import { parseEndOption } from "./moments.ts";
import { badOption } from "./option-values.ts";

export const invite = command({
  name: "invite",
  summary: "Print an invitation, by which one machine can join a dnet",
  details: [
    `${DNET_HELP} Whoever has the invitation can join, once, and read a private dnet: hand it over in private.`,
    "There it is the input of dnet join. dnet member remove DNET NAME withdraws it, if it has a --name, or with its address.",
  ].join("\n"),
  arguments: [DNET],
  options: {
    name: { type: "string", placeholder: "NAME", description: "what the machine will be called in the dnet" },
    ip: { type: "string", placeholder: "ADDRESS", description: "the address that it will have; without it a free one" },
    expires: {
      type: "string",
      placeholder: "WHEN",
      default: "7d",
      description: "a span such as 24h or 7d, a date, which is its end in UTC, or never",
    },
    ...ownerOptions,
  },
  async run({ positionals: [text = ""], values }, context) {
    const { carryOut, formatId, formatInvitation, formatIp, inDnetDb, ...run } = await import("./dnetdb-run.ts");
    const { isoMoment } = await import("./moments.ts");
    const { name = null, ip, expires } = values;
    const wanted = ip === undefined ? null : run.parseIp(ip);
    if (ip !== undefined && !wanted) throw badOption("ip", ip, "an address", "10.7.0.2");
    const expiresAt = parseEndOption("expires", expires, context.now());
    await inDnetDb(values, context, (session) =>
      carryOut(session, values, () => {
        const dnet = session.dnet(text);
        session.view(dnet);
        const { steps, invitation, address } = run.invite(session.desk(dnet), dnet, {
          name,
          address: wanted,
          expiresAt,
        });
        const code = formatInvitation(invitation);
        const facts = { dnet: formatId(dnet), name, address: formatIp(address), expiresAt: isoMoment(expiresAt) };
        return {
          steps,
          record: dnet,
          schema: "dnet.invite/1",
          facts: { ...facts, invitation: code },
          text: `${code}\n`,
        };
      }),
    );
  },
});
