/** Steps that a command has composed: signed by this machine's owner key and accepted here, or written to a file. */
import { sameBytes } from "../base/bytes.ts";
import { DnetError } from "../base/error.ts";
import type { ListedDnet } from "../io/dnet-list.ts";
import { createPrivateFile } from "../io/private-file.ts";
import { formatC2pkh, formatId, keyHash } from "../overlay/dnetdb/ids.ts";
import type { NetworkKey } from "../overlay/dnetdb/network-key.ts";
import { recordOf } from "../overlay/dnetdb/rules.ts";
import { encodeSteps, isComplete, missingSignatures, type Step, signSteps } from "../overlay/dnetdb/steps.ts";
import type { StoreRefusal } from "../overlay/dnetdb/store.ts";
import { encodeTransaction } from "../overlay/dnetdb/transaction.ts";
import type { OwnerValues } from "./dnetdb-options.ts";
import type { DnetDbSession } from "./dnetdb-session.ts";
import { type Finality, finalityBy, finalityText, neededFor, untilFinal } from "./finality.ts";
import { optionConflict, parseSpanOption } from "./option-values.ts";
import { ownersText } from "./owners.ts";
import { unlocking } from "./passphrase.ts";
import { printable } from "./printable.ts";
import { refusalHint, refusalMeaning } from "./refusal-words.ts";

const ONWARD = ", and dnet db sync carries it on";

type Listed = Partial<Omit<ListedDnet, "id">>;

export interface Work {
  /** None: all is as it is wanted already, and `words` says so. */
  readonly steps: readonly Step[];
  /** The dnet's from then on; kept in the list. A secret. */
  readonly networkKey?: NetworkKey | null;
  /** The record that they are of. */
  readonly record: Uint8Array;
  /** What the list of dnets says from then on. */
  readonly listed?: Listed;
  /** The same where it shows once they are accepted. */
  readonly listedThen?: () => Listed;
  readonly schema: string;
  /** Of the JSON object, beside the steps. */
  readonly facts: object;
  /** The result for stdout; empty when there is nothing but the words about the steps. */
  readonly text?: string;
  /** Further lines for people. */
  readonly words?: string;
}

/**
 * `compose` makes the steps of what the records say; no other process of this machine writes to them until they are accepted, so that
 * two commands at once come one after the other. Throws DnetError, and then nothing is changed; but when it only waits in vain for
 * others, all is done.
 */
export async function carryOut(session: DnetDbSession, values: OwnerValues, compose: () => Work): Promise<void> {
  checkOptions(values);
  const { store, wallet, context } = session;
  if (values.draft !== undefined) return writeDraft(session, values.draft, values.json, compose());
  const { work, signed } = await unlocking(wallet, context, () =>
    store.atomically(() => {
      const work = compose();
      const signed = isComplete(work.steps) ? work.steps : signOwn(session, work.steps);
      accept(session, signed, work);
      return { work, signed };
    }),
  );
  const { record, text = "", words = "" } = work;
  const print = (states: readonly Finality[]) => {
    const steps = signed.map((step, i) => stepFacts(step, states[i]!));
    session.print(values.json, work.schema, { ...work.facts, steps, draft: null }, text);
  };
  const needed = neededFor(session, record);
  const states = () => signed.map(({ transaction }) => finalityBy(session, needed, transaction.id));
  // A person has the result before waiting, which may end by Ctrl-C; a script has one object, which says how the waiting ended.
  const isLater = values.json && values.wait !== undefined;
  if (!isLater) print(states());
  for (const { note } of signed) session.printWords(`${note}\n`);
  session.printWords(words);
  try {
    // What was so already may be so since a moment ago.
    const last = signed.at(-1)?.transaction.id ?? store.view(record)!.head;
    if (values.wait !== undefined) await untilFinal(session, record, last, values.timeout);
    else if (signed.length > 0)
      session.printWords(`${finalityText(states().at(-1)!)}; kept here${values.offline ? "" : ONWARD}\n`);
  } finally {
    if (isLater) print(states());
  }
}

/** All of them, or none. Throws DnetError. */
export function accept(
  session: DnetDbSession,
  steps: readonly Step[],
  { record, networkKey, listed, listedThen }: Pick<Work, "record" | "networkKey" | "listed" | "listedThen">,
): void {
  const { store, list, context } = session;
  const now = context.now();
  store.atomically(() => {
    for (const { transaction, body, note } of steps) {
      // A draft may be older than another step; this machine must not say two things.
      const isSpent = transaction.input !== null && store.output(transaction.input)?.spentBy;
      if (isSpent && !store.transaction(transaction.id)) throw refused(note, "SPENT_INPUT", now);
      const verdict = store.accept(now, encodeTransaction(transaction), body);
      if (verdict.status === "refused" || verdict.status === "lost") throw refused(note, verdict.why, now);
    }
    // Before it is final here: a key that is kept and not yet given does no harm, one that is lost does. So the one before stays, too.
    const before = list.find(record)?.networkKey;
    if (networkKey && before && before.epoch < networkKey.epoch) list.addDraftKey(record, before);
    const changes = { ...listed, ...listedThen?.(), ...(networkKey && { networkKey }) };
    if (Object.keys(changes).length > 0) list.set(record, changes);
  });
}

function signOwn({ wallet }: DnetDbSession, steps: readonly Step[]): readonly Step[] {
  const hash = keyHash(wallet.ownerPublicKey);
  const isOurs = steps.some(({ lock }) => lock.keyHashes.some((each) => sameBytes(each, hash)));
  // Whose key is asked for first, so that nobody is asked for a passphrase in vain.
  const signed = isOurs ? signSteps(steps, wallet.ownerKeyPair(null)) : steps;
  const open = signed.find((step) => missingSignatures(step) > 0);
  if (!open) return signed;
  const own = formatC2pkh(hash);
  const [code, who] = isOurs ? ["UNSIGNED", "one of them"] : ["NOT_OWNER", own];
  throw new DnetError(code, `that takes ${ownersText(open.lock)}; this machine's owner key is ${who}`, {
    failure: "not-authorised",
    hint: "--draft FILE, then dnet db sign FILE where an owner's key is, and dnet db submit FILE",
  });
}

function stepFacts({ transaction, note }: Step, { status, witnesses, needed }: Finality): object {
  const { op } = transaction.outputs[0]!.script;
  return { transaction: formatId(transaction.id), op, note, status, witnesses, needed };
}

function writeDraft(session: DnetDbSession, path: string, isJson: boolean, work: Work): void {
  const { steps, record, networkKey, text = "", words = "" } = work;
  if (steps.length > 0 && !createPrivateFile(path, encodeSteps(steps))) {
    throw new DnetError("FILE_EXISTS", `${printable(path)} exists already; signatures in it would be lost`, {
      failure: "configuration",
      hint: "another name, or remove it",
    });
  }
  // Nobody else has the key yet, and it is the dnet's only if the draft is submitted.
  if (networkKey) session.list.addDraftKey(record, networkKey);
  if (work.listed?.name) session.list.set(record, { name: work.listed.name });
  const facts = steps.map(({ transaction, note }) => {
    return { transaction: formatId(transaction.id), op: transaction.outputs[0]!.script.op, note, status: "draft" };
  });
  session.print(isJson, work.schema, { ...work.facts, steps: facts, draft: steps.length > 0 ? path : null }, text);
  for (const { note } of steps) session.printWords(`draft: ${note}\n`);
  session.printWords(words);
  const file = printable(path);
  if (steps.length > 0) session.printWords(`nothing is signed: dnet db sign ${file}, then dnet db submit ${file}\n`);
}

function checkOptions({ draft, wait, offline, timeout }: OwnerValues): void {
  if (wait === undefined) return;
  parseSpanOption("timeout", timeout);
  if (wait !== "final") throw optionConflict(`--wait waits for final, not ${printable(wait)}`, "--wait final");
  if (offline) throw optionConflict("--wait final waits for others, --offline for nobody", "one of the two");
  if (draft !== undefined)
    throw optionConflict("--draft signs nothing that could become final", "--draft, or --wait final");
}

function refused(note: string, why: StoreRefusal, now: number): DnetError {
  return new DnetError(why, `refused where it ${note}: ${refusalMeaning(why)}`, {
    failure: why === "UNSIGNED" || why === "WRONG_SIGNER" ? "not-authorised" : "failure",
    hint: refusalHint(why, now),
  });
}

/** The record that they are of: what comes after a mint says it. */
export function recordOfSteps(steps: readonly Step[]): Uint8Array {
  return steps.map(({ transaction }) => recordOf(transaction.outputs[0]!.script)).find((record) => record !== null)!;
}
