/** A dnet's policy. */
import { isJsonObject, parseJsonObject } from "../../base/json.ts";

/**
 * What an owner asks of a dnet, beside who belongs: a JSON document. Members of later versions know more; what this one does
 * not know is kept, and what it knows is checked.
 */
export interface Policy {
  /** How many of the attached clouds have to have witnessed a step before it is final. */
  readonly witnesses: number;
  /** Whether a node that is named a member connects only after its person has accepted. */
  readonly needConfirmation: boolean;
  /** Who may reach whom. */
  readonly rules: readonly unknown[];
  readonly dns: { readonly [key: string]: unknown };
  readonly [unknown: string]: unknown;
}

export const MAX_POLICY_BYTES = 65_536;
const MAX_WITNESSES = 16;
export const DEFAULT_POLICY: Policy = { witnesses: 1, needConfirmation: true, rules: [], dns: {} };

/** Null for what is no policy. What it does not say is as in DEFAULT_POLICY. */
export function parsePolicy(text: string): Policy | null {
  if (new TextEncoder().encode(text).length > MAX_POLICY_BYTES) return null;
  const document = parseJsonObject(text);
  if (!document) return null;
  const policy = { ...DEFAULT_POLICY, ...document } as { readonly [key in keyof Policy]: unknown };
  const { witnesses, needConfirmation, rules, dns } = policy;
  const isCount = Number.isInteger(witnesses) && Number(witnesses) >= 0 && Number(witnesses) <= MAX_WITNESSES;
  const isKnown = isCount && typeof needConfirmation === "boolean" && Array.isArray(rules) && isJsonObject(dns);
  return isKnown ? (policy as Policy) : null;
}
