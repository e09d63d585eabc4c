import { timingSafeEqual } from "node:crypto";

/** Whether two byte strings are equal, in a time that depends on their lengths alone: for tags that a stranger may guess. */
export function equalInConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
