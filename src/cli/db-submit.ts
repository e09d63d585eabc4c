import { counted } from "../base/counted.ts";
import { DnetError } from "../base/error.ts";
import { command } from "./command.ts";
import { ownerOptions } from "./dnetdb-options.ts";
import { printable } from "./printable.ts";

const { offline, wait, timeout, state } = ownerOptions;

export const dbSubmit = command({
  name: "submit",
  summary: "Accept steps that were signed elsewhere: all of them, or none",
  details:
    "Several FILEs are copies of one draft, each with signatures of other owners. Steps that are here already stay as they are.",
  arguments: [{ name: "FILE", isRepeated: true, complete: "file" }],
  options: { offline, wait, timeout, state },
  async run({ positionals: paths, values }, context) {
    const { carryOut, formatId, inDnetDb } = await import("./dnetdb-run.ts");
    const { mergeSteps, missingSignatures } = await import("../overlay/dnetdb/steps.ts");
    const { readSteps } = await import("./steps-file.ts");
    const { membershipOf } = await import("./membership.ts");
    const { recordOfSteps } = await import("./carry-out.ts");
    const copies = [];
    for (const path of paths) copies.push(await readSteps(path, context));
    const steps = copies.reduce(mergeSteps);
    const open = steps.find((step) => missingSignatures(step) > 0);
    if (open) throw notSigned(missingSignatures(open), printable(paths[0]!));
    await inDnetDb(values, context, (session) => {
      const record = recordOfSteps(steps);
      const unsigned = { ...values, draft: undefined, "passphrase-file": undefined };
      return carryOut(session, unsigned, () => {
        const isHere = steps.every(({ transaction }) => session.store.transaction(transaction.id));
        return {
          steps: isHere ? [] : steps,
          record,
          // Perhaps it was drafted on another machine: what an owner keeps of it is kept here from now on.
          listedThen() {
            const { isOwner, name, view } = membershipOf(session, record);
            return isOwner && view ? { name, networkKey: view.networkKey } : {};
          },
          schema: "dnet.db-submit/1",
          facts: { record: formatId(record) },
          words: isHere ? "all of that is here already\n" : "",
        };
      });
    });
  },
});

function notSigned(missing: number, path: string): DnetError {
  return new DnetError("UNSIGNED", `${counted(missing, "signature")} more to come`, {
    failure: "not-authorised",
    hint: `dnet db sign ${path}, by another owner`,
  });
}
