import { command, UsageError } from "./command.ts";
import { ownerOptions, stateOptions } from "./dnetdb-options.ts";

const MAX_CODE_BYTES = 8_192;
const STDIN = "-";

const { offline, wait, timeout } = ownerOptions;

export const join = command({
  name: "join",
  summary: "Join a dnet by an invitation, and print this machine's address there",
  details: [
    "The invitation comes from standard input, where it may be pasted, or from FILE; it is a secret, so it is no argument.",
    "Where the records of the dnet are not here yet, it is kept until they are: dnet db sync, and it is answered then.",
  ].join("\n"),
  arguments: [{ name: "FILE", isOptional: true, complete: "file" }],
  stdin: "INVITATION",
  options: {
    name: {
      type: "string",
      placeholder: "NAME",
      description: "what this machine is called there, unless the invitation says",
    },
    offline,
    wait,
    timeout,
    ...stateOptions,
  },
  async run({ positionals: [path = STDIN], values }, context) {
    if (path.startsWith("dnet1:")) {
      const why = "an invitation is a secret, and everyone on this machine can read a command line";
      throw new UsageError("SECRET_AS_ARGUMENT", why, "dnet join, and paste it there; or dnet join FILE");
    }
    const { checkName, inDnetDb, parseInvitation } = await import("./dnetdb-run.ts");
    const { answer, noInvitation } = await import("./joining.ts");
    const { membershipOf } = await import("./membership.ts");
    const { readText } = await import("./input-file.ts");
    const isTyped = path === STDIN && context.askSecret !== null;
    const text = isTyped ? await context.askSecret!("invitation: ") : await readText(path, MAX_CODE_BYTES, context);
    const code = text.trim();
    const invitation = parseInvitation(code);
    if (!invitation) throw noInvitation(code);
    const { name: askedName = null } = values;
    if (askedName !== null) checkName(askedName);
    await inDnetDb(values, context, async (session) => {
      const { dnet } = invitation;
      const { isMember } = membershipOf(session, dnet);
      if (!isMember) session.list.set(dnet, { invitation: code, isAccepted: false, askedName });
      await answer(session, { ...values, draft: undefined, "passphrase-file": undefined }, invitation, askedName);
    });
  },
});
