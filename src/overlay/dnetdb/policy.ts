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

/** What the values of those that are known here have to be. */
const WANTED: { readonly [name: string]: { readonly what: string; readonly is: (value: unknown) => boolean } } = {
  witnesses: {
    what: `a whole number from 0 to ${MAX_WITNESSES}`,
    is: (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MAX_WITNESSES,
  },
  needConfirmation: { what: "true or false", is: (value) => typeof value === "boolean" },
  rules: { what: "a list", is: Array.isArray },
  dns: { what: "an object", is: isJsonObject },
};

/** Null for what is no policy. What it does not say is as in DEFAULT_POLICY. */
export function parsePolicy(text: string): Policy | null {
  return policyFlaw(text) === null ? { ...DEFAULT_POLICY, ...parseJsonObject(text) } : null;
}

/** What makes it none, for a person: "witnesses is 99; expected a whole number from 0 to 16". Null for a policy. */
export function policyFlaw(text: string): string | null {
  if (new TextEncoder().encode(text).length > MAX_POLICY_BYTES) return `it has more than ${MAX_POLICY_BYTES} bytes`;
  const document = parseJsonObject(text);
  if (!document) return "it is no JSON object";
  for (const [name, { what, is }] of Object.entries(WANTED)) {
    const value = document[name];
    if (value !== undefined && !is(value)) return `${name} is ${JSON.stringify(value).slice(0, 40)}; expected ${what}`;
  }
  return null;
}
