import { command } from "./command.ts";
import { DNET, DNET_HELP, passphraseOptions, stateOptions } from "./dnetdb-options.ts";

export const memberList = command({
  name: "list",
  summary: "List the members of a dnet, and who is invited",
  details: DNET_HELP,
  arguments: [DNET],
  options: { ...passphraseOptions, ...stateOptions },
  async run({ positionals: [text = ""], values }, context) {
    const { formatId, inDnetDb } = await import("./dnetdb-run.ts");
    const { invitationFacts, memberFacts, membersText } = await import("./dnet-text.ts");
    await inDnetDb(values, context, (session) => {
      const view = session.view(session.dnet(text));
      const { id, members, invitations, sealed } = view;
      const beholder = session.beholder();
      const facts = {
        dnet: formatId(id),
        members: members.map(memberFacts),
        invitations: invitations.map((invitation) => invitationFacts(invitation, beholder.now)),
        sealed,
      };
      session.print(values.json, "dnet.member-list/1", facts, membersText(view, beholder));
    });
  },
});
