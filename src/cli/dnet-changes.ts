/** What is different in a dnet between two moments. */
import { formatIp } from "../base/ip.ts";
import { formatPublicKey } from "../base/public-key.ts";
import type { DnetView } from "../overlay/dnetdb/dnet-view.ts";
import { formatId } from "../overlay/dnetdb/ids.ts";
import { ownersText } from "./owners.ts";
import { printableJson } from "./printable.ts";

export interface Change {
  readonly kind: "added" | "removed" | "changed";
  /** `member`, `invitation`, `cloud`, `relay`, `owner`, `policy`, `key`, `state`. */
  readonly what: string;
  /** Which one; null where there is but one. */
  readonly which: string | null;
  /** How it is read before and after; null where it was not, or is not. */
  readonly before: string | null;
  readonly after: string | null;
}

type Facts = ReadonlyMap<string, { readonly what: string; readonly which: string | null; readonly text: string }>;

/** `before`: null when there was none yet. */
export function changesBetween(before: DnetView | null, after: DnetView): Change[] {
  const [was, is]: [Facts, Facts] = [before ? factsOf(before) : new Map(), factsOf(after)];
  const changes: Change[] = [];
  for (const key of new Set([...was.keys(), ...is.keys()])) {
    const [old, now] = [was.get(key), is.get(key)];
    if (old?.text === now?.text) continue;
    const { what, which } = (now ?? old)!;
    const kind = !old ? "added" : !now ? "removed" : "changed";
    changes.push({ kind, what, which, before: old?.text ?? null, after: now?.text ?? null });
  }
  return changes;
}

/** `+ member laptop at 10.7.0.2`, `- ...`, `~ policy: ... -> ...`; ends with a line end. */
export function changeText({ kind, what, which, before, after }: Change): string {
  const name = which === null ? what : `${what} ${which}`;
  if (kind === "changed") return `~ ${name}: ${before} -> ${after}\n`;
  return `${kind === "added" ? "+" : "-"} ${name}: ${after ?? before}\n`;
}

/** By what makes each the same as before. */
function factsOf(view: DnetView): Facts {
  const facts = new Map<string, { what: string; which: string | null; text: string }>();
  const note = (what: string, id: string, which: string | null, text: string) =>
    facts.set(`${what} ${id}`, { what, which, text });
  note("owner", "", null, ownersText(view.lock));
  note("state", "", null, view.isClosed ? "closed" : "open");
  if (view.isPrivate) note("key", "", null, `network key ${view.epoch}`);
  note("policy", "", null, view.policy ? printableJson(view.policy) : "(sealed)");
  for (const { publicKey, name, addresses } of view.members) {
    const key = formatPublicKey(publicKey);
    note("member", key, name ?? key, `${addresses.map(formatIp).join(", ")}, key ${key}`);
  }
  for (const { address, name } of view.invitations) note("invitation", formatIp(address), name, formatIp(address));
  for (const { id, name, kind } of view.ovxs) {
    note(kind === "ovr" ? "relay" : "cloud", formatId(id), name ?? formatId(id), formatId(id));
  }
  return facts;
}
