/**
 * What every replica holds a transaction against: a command's of this machine, one that came from another replica, one of a file. Nothing
 * here changes anything; the first rule that is broken names the refusal. Source: architecture §4.
 *
 * Joins come in whenever their invitees like, the owner's steps one after another. So no rule for the one may depend on the other: then
 * replicas that hear of them in different orders would part. A join takes an address that the invitation has taken before, and a key may
 * have several addresses.
 */
import { compareBytes, sameBytes } from "../../base/bytes.ts";
import type { Prefix } from "../../base/ip.ts";
import { isInRange } from "./addresses.ts";
import { keyHash, recordId } from "./ids.ts";
import { type Lock, sameLock } from "./lock.ts";
import type { Slot } from "./operands.ts";
import type { OpName, Script } from "./script.ts";
import { AMOUNT, isSignedBy, type OutputReference, type Transaction } from "./transaction.ts";

/** Each with what it means; the words are stable. */
export const REFUSALS = {
  WRONG_AMOUNT: "the amount is not 0.0001",
  WRONG_OUTPUTS: "an invitation has two outputs, everything else one",
  WRONG_INPUT: "a mint spends nothing, everything else one output",
  WRONG_BODY: "this op has a body, or must have none",
  NO_BODY: "its body says what others are judged by, and is not here; it may come yet",
  WRONG_FORM: "a private dnet has tags for addresses and keys, a public one has them in clear",
  ABSURD_TIME: "its time is before that of what it spends, or far ahead of ours",
  UNKNOWN_INPUT: "what it spends is not here; it may come yet",
  SPENT_INPUT: "what it spends was spent before, by another",
  WRONG_OP: "this op cannot follow what it spends",
  WRONG_RECORD: "it names another record than the one whose output it spends",
  WRONG_ID: "a record's id is the hash of the transaction that its creation spends",
  WRONG_DESTINATION: "the output goes to another lock than its owner's",
  CLOSED: "the record is closed",
  EXPIRED: "the invitation was over when this was signed",
  OUT_OF_RANGE: "the address is not one of this dnet's",
  ADDRESS_TAKEN: "another member, or an invitation, has that address",
  ADDRESS_UNKNOWN: "nobody has that address",
  ATTACHED_TWICE: "that cloud or relay is attached already",
  NOT_ATTACHED: "that cloud or relay is not attached",
  NOT_AUTHORISED: "that dnet is not authorised",
  WRONG_EPOCH: "the epoch is not the one after the last",
  TOO_MANY_LATER: "enough of later versions is kept",
  UNSIGNED: "fewer keys of the lock have signed than it needs",
  WRONG_SIGNER: "a key has signed that the lock does not name",
  FORGED: "a signature is not the key's",
} as const;

export type Refusal = keyof typeof REFUSALS;

/** By what `judgeMeaning` refuses a step for good. */
const MEANINGS: ReadonlySet<string> = new Set<Refusal>([
  "WRONG_FORM",
  "OUT_OF_RANGE",
  "ADDRESS_TAKEN",
  "ADDRESS_UNKNOWN",
  "ATTACHED_TWICE",
  "NOT_ATTACHED",
  "NOT_AUTHORISED",
  "WRONG_EPOCH",
]);

/** How far ahead of our clock a signer's may be. */
export const MOST_AHEAD_MS = 2 * 3_600_000;

/** An op without a body says all in its script. */
const WITHOUT_BODY: ReadonlySet<OpName> = new Set([
  "OP_MINT",
  "OP_DNET_NODE_REMOVE",
  "OP_DNET_OVX_REMOVE",
  "OP_DNET_TRANSFER",
  "OP_DNET_CLOSE",
  "OP_OVX_AUTH",
  "OP_OVX_REVOKE",
  "OP_OVX_CLOSE",
]);

export interface KnownOutput {
  readonly script: Script;
  /** Of the transaction that has it. */
  readonly time: number;
  /** By which transaction; null while it is not. */
  readonly spentBy: Uint8Array | null;
}

export interface RecordFacts {
  readonly isPrivate: boolean;
  readonly epoch: number;
  /** Of a public dnet's members; null where it has none, or it is sealed. */
  readonly range4: Prefix | null;
}

/** What follows from the steps before. */
export interface StepFacts {
  record(id: Uint8Array): RecordFacts | null;
  hasSlot(dnet: Uint8Array, slot: Slot): boolean;
  isAttached(dnet: Uint8Array, ovx: Uint8Array): boolean;
  isAuthorised(ovx: Uint8Array, dnet: Uint8Array): boolean;
}

/** What the rules need to know of everything that was accepted before. */
export interface Facts extends StepFacts {
  output(reference: OutputReference): KnownOutput | null;
}

/**
 * Null: it holds. `now`: ms since 1970. `body`: null where it is not at hand. `isVerified`: each of its signatures was found to be its
 * key's before. They are looked at last, as they cost most.
 */
export function judge(
  transaction: Transaction,
  body: Uint8Array | null,
  facts: Facts,
  now: number,
  isVerified = false,
): Refusal | null {
  const { script } = transaction.outputs[0]!;
  const ofForm = judgeForm(transaction, script);
  if (ofForm) return ofForm;
  if (script.op === "OP_MINT") {
    if (transaction.time > now + MOST_AHEAD_MS) return "ABSURD_TIME";
    return judgeSignatures(transaction, script.lock, isVerified);
  }
  const { input } = transaction;
  const spent = facts.output(input!);
  if (!spent) return "UNKNOWN_INPUT";
  if (transaction.time < spent.time || transaction.time > now + MOST_AHEAD_MS) return "ABSURD_TIME";
  if (spent.spentBy) return "SPENT_INPUT";
  return judgeStep(transaction, script, spent, isVerified) ?? judgeMeaning(transaction, body, facts);
}

/** Null: whoever may take this step from `spent` has signed it, whatever else was signed and whatever it means. */
export function judgeWord(
  transaction: Transaction,
  spent: KnownOutput,
  now: number,
  isVerified: boolean,
): Refusal | null {
  const { script } = transaction.outputs[0]!;
  if (transaction.time < spent.time || transaction.time > now + MOST_AHEAD_MS) return "ABSURD_TIME";
  return judgeForm(transaction, script) ?? judgeStep(transaction, script, spent, isVerified);
}

/** What can be seen without knowing anything else. */
function judgeForm({ outputs, input, bodyHash }: Transaction, script: Script): Refusal | null {
  if (outputs.some(({ amount }) => amount !== AMOUNT)) return "WRONG_AMOUNT";
  if ((script.op === "OP_MINT") !== (input === null)) return "WRONG_INPUT";
  if (outputs.length !== (script.op === "OP_DNET_INVITE" ? 2 : 1)) return "WRONG_OUTPUTS";
  const second = outputs[1]?.script;
  if (second && script.op === "OP_DNET_INVITE") {
    const isSame = second.op === script.op && sameBytes(second.dnet, script.dnet) && sameSlot(second.slot, script.slot);
    if (!isSame || second.lock.keyHashes.length !== 1) return "WRONG_OUTPUTS";
  }
  if (WITHOUT_BODY.has(script.op) !== (bodyHash === null)) return "WRONG_BODY";
  return null;
}

/** Whether it may follow what it spends, whether it goes to the right lock, and who has signed it. */
function judgeStep(transaction: Transaction, script: Script, spent: KnownOutput, isVerified: boolean): Refusal | null {
  return judgePlace(transaction, script, spent.script) ?? judgeSignatures(transaction, spent.script.lock, isVerified);
}

function judgePlace({ input, time }: Transaction, script: Script, spent: Script): Refusal | null {
  const from = spent.op;
  if (script.op === "OP_DNET_JOIN") {
    // The invitation's second output, which is not locked to the owner; the first one is for the owner's next step.
    if (from !== "OP_DNET_INVITE" || input!.output !== 1) return "WRONG_OP";
    if (!sameBytes(spent.dnet, script.dnet)) return "WRONG_RECORD";
    if (!sameSlot(spent.slot, script.slot)) return "ADDRESS_UNKNOWN";
    const { member, lock } = script;
    if (spent.expiresAt !== null && time > spent.expiresAt) return "EXPIRED";
    // Where keys are sealed, the lock would tell whose it is; so it stays the invitation's.
    const isOwn = member.kind === "tag" ? sameLock(lock, spent.lock) : sameLock(lock, lockOfKey(member.publicKey));
    return isOwn ? null : "WRONG_DESTINATION";
  }
  if (from === "OP_DNET_CLOSE" || from === "OP_OVX_CLOSE") return "CLOSED";
  if (from === "OP_DNET_JOIN" || input!.output !== 0) return "WRONG_OP";
  const begins = isCreation(script.op);
  if (begins !== (from === "OP_MINT")) return "WRONG_OP";
  const record = recordOf(script)!;
  if (begins) {
    if (!sameBytes(record, recordId(input!.transaction))) return "WRONG_ID";
  } else if (isOfDnet(script.op) !== isOfDnet(from)) return "WRONG_OP";
  else if (!sameBytes(record, recordOf(spent)!)) return "WRONG_RECORD";
  return script.op === "OP_DNET_TRANSFER" || sameLock(script.lock, spent.lock) ? null : "WRONG_DESTINATION";
}

/** Null: what it says goes together with what was said before it. `body`: null where it is not at hand. */
export function judgeMeaning(
  { bodyHash, outputs }: Transaction,
  body: Uint8Array | null,
  facts: StepFacts,
): Refusal | null {
  const { script } = outputs[0]!;
  switch (script.op) {
    case "OP_DNET_CREATE":
      // Every replica judges a public dnet's addresses by it. What is no creation's body says that it has no range.
      return script.name !== null && bodyHash && !body ? "NO_BODY" : null;
    case "OP_DNET_NODE":
    case "OP_DNET_INVITE": {
      const { dnet, slot } = script;
      const record = facts.record(dnet)!;
      const forms = script.op === "OP_DNET_NODE" ? [slot.kind, script.member.kind] : [slot.kind];
      if (forms.some((form) => (form === "tag") !== record.isPrivate)) return "WRONG_FORM";
      if (slot.kind === "address" && !isInRange(dnet, record.range4, slot.ip)) return "OUT_OF_RANGE";
      return facts.hasSlot(dnet, slot) ? "ADDRESS_TAKEN" : null;
    }
    case "OP_DNET_JOIN":
      return facts.record(script.dnet)!.isPrivate === (script.member.kind === "tag") ? null : "WRONG_FORM";
    case "OP_DNET_NODE_REMOVE":
      return facts.hasSlot(script.dnet, script.slot) ? null : "ADDRESS_UNKNOWN";
    case "OP_DNET_OVX":
      return facts.isAttached(script.dnet, script.ovx) ? "ATTACHED_TWICE" : null;
    case "OP_DNET_OVX_REMOVE":
      return facts.isAttached(script.dnet, script.ovx) ? null : "NOT_ATTACHED";
    case "OP_DNET_KEY":
      return script.epoch === facts.record(script.dnet)!.epoch + 1 ? null : "WRONG_EPOCH";
    case "OP_OVX_REVOKE":
      return facts.isAuthorised(script.ovx, script.dnet) ? null : "NOT_AUTHORISED";
    default:
      return null;
  }
}

/**
 * Whether that refusal is of a step that whoever may take it has signed: elsewhere it may be kept as evidence. Of a join another address
 * than its invitation's is seen before its signature.
 */
export function isOfMeaning(why: string, op: OpName): boolean {
  return MEANINGS.has(why) && (op !== "OP_DNET_JOIN" || why !== "ADDRESS_UNKNOWN");
}

function judgeSignatures(transaction: Transaction, { needed, keyHashes }: Lock, isVerified: boolean): Refusal | null {
  const { signatures } = transaction;
  const isNamed = signatures.every(({ publicKey }) => {
    const hash = keyHash(publicKey);
    return keyHashes.some((each) => compareBytes(each, hash) === 0);
  });
  if (!isNamed) return "WRONG_SIGNER";
  if (signatures.length < needed) return "UNSIGNED";
  return isVerified || signatures.every((signature) => isSignedBy(transaction, signature)) ? null : "FORGED";
}

function lockOfKey(publicKey: Uint8Array): Lock {
  return { needed: 1, keyHashes: [keyHash(publicKey)] };
}

/** The record that a script is a step of; null for a mint. */
export function recordOf(script: Script): Uint8Array | null {
  if (script.op === "OP_MINT") return null;
  return isOfDnet(script.op) ? (script as { dnet: Uint8Array }).dnet : (script as { ovx: Uint8Array }).ovx;
}

/** A creation, of either kind, begins a record. */
export function isCreation(op: OpName): boolean {
  return op === "OP_DNET_CREATE" || op === "OP_OVX_CREATE";
}

export function isOfDnet(op: OpName): boolean {
  return op.startsWith("OP_DNET_");
}

export function sameSlot(a: Slot, b: Slot): boolean {
  if (a.kind === "tag") return b.kind === "tag" && sameBytes(a.tag, b.tag);
  return b.kind === "address" && sameBytes(a.ip, b.ip);
}
