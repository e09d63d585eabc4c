/** Bytes that the real packages produced: `test/vectors/hyperdht.README.md` says what each group holds. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

const groups: { [group: string]: unknown } = JSON.parse(
  readFileSync(join(import.meta.dir, "../vectors/hyperdht.json"), "utf8"),
);

/** One group. `Group` is what the caller knows of its shape; byte strings are lower-case hex, and null means absent. */
export function vectors<Group>(group: string): Group {
  if (!(group in groups)) throw new Error(`hyperdht.json has no group ${group}`);
  return groups[group] as Group;
}

/** The bytes of hex, and null for what is absent. */
export function bytesOrNull(hex: string | null): Uint8Array | null {
  return hex === null ? null : Uint8Array.fromHex(hex);
}
