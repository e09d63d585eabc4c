/** The outer form of a wg-quick file: text → sections of known keys with their values still in text. */

import { DnetError } from "../base/error.ts";
import { nearest } from "./nearest.ts";
import { printable } from "./printable.ts";

export type SectionName = "Interface" | "Peer";

export interface Section {
  readonly name: SectionName;
  readonly line: number;
  /** By key in its canonical spelling; more than one entry only for the keys that make lists. */
  readonly entries: ReadonlyMap<string, readonly Entry[]>;
}

export interface Entry {
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

const KEYS: { readonly [section in SectionName]: { readonly [key: string]: "once" | "list" } } = {
  Interface: { PrivateKey: "once", ListenPort: "once", Address: "list", MTU: "once" },
  Peer: {
    PublicKey: "once",
    PresharedKey: "once",
    AllowedIPs: "list",
    Endpoint: "once",
    PersistentKeepalive: "once",
    Suite: "once",
    SuperPackets: "once",
  },
};
const SECRET_KEYS = ["PrivateKey", "PresharedKey"];

/** Keys of wg-quick that dnet does not do, and what to do instead. */
const REFUSED_KEYS: { readonly [key: string]: string } = {
  DNS: "remove it, and set the resolver after dnet tunnel up (with systemd-resolved: resolvectl dns INTERFACE ADDRESS)",
  Table: "remove it; dnet puts its routes into the main table, and ip rule can steer around them",
  PreUp: "remove it, and run that command before dnet tunnel up",
  PostUp: "remove it, and run that command after dnet tunnel up, which returns when the tunnel works",
  PreDown: "remove it, and run that command before dnet tunnel down",
  PostDown: "remove it, and run that command after dnet tunnel down",
  SaveConfig: "remove it; dnet never writes this file, so edit it by hand",
  FwMark: "remove it; the tunnel's own datagrams are kept out of the tunnel without it",
};

/** Throws DnetError CONFIG_INVALID; so does everything else that is handed the same `problems`. */
export function readSections(text: string, problems: Problems): Section[] {
  const sections: { name: SectionName; line: number; entries: Map<string, Entry[]> }[] = [];
  for (const [i, raw] of text.split("\n").entries()) {
    const line = i + 1;
    const content = raw.split("#")[0]!.trim();
    if (content === "") continue;
    const header = /^\[(.*)\]$/.exec(content)?.[1]?.trim();
    if (header !== undefined) {
      sections.push({ name: readHeader(header, line, problems), line, entries: new Map() });
      continue;
    }
    const section = sections.at(-1);
    if (!section) throw problems.at(line, "expected [Interface] before anything else");
    const entry = readEntry(section.name, content, line, problems);
    const before = section.entries.get(entry.key) ?? [];
    if (before[0] && KEYS[section.name][entry.key] === "once") {
      throw problems.at(line, `${entry.key} a second time; the first is on line ${before[0].line}`);
    }
    // In place: copying the list for each of 10,000 repeated keys would take minutes.
    before.push(entry);
    section.entries.set(entry.key, before);
  }
  return sections;
}

/** Words the refusals: the file and the line, and of a value only what is no secret. */
export class Problems {
  /** How messages name the file: its base name. */
  readonly file: string;

  constructor(file: string) {
    this.file = printable(file);
  }

  inFile(problem: string): DnetError {
    return this.#refusal(`${this.file}: ${problem}`);
  }

  at(line: number, problem: string, hint?: string): DnetError {
    return this.#refusal(`${this.file} line ${line}: ${problem}`, hint);
  }

  entry({ key, value, line }: Entry, expected: string): DnetError {
    const shown = SECRET_KEYS.includes(key) ? `(hidden, ${value.length} characters)` : printable(firstWord(value));
    return this.at(line, `${key} = ${shown}: expected ${expected}`);
  }

  #refusal(message: string, hint = `mend ${this.file}; nothing was changed`): DnetError {
    return new DnetError("CONFIG_INVALID", message, { failure: "configuration", hint });
  }
}

/** No good value goes on after a space or an equals sign. If this one does, a line end is lost and a key may follow. */
function firstWord(value: string): string {
  const [word = ""] = /^[^\s=]*=*/.exec(value) ?? [];
  return word === value ? value : `${word}...`;
}

function readHeader(header: string, line: number, problems: Problems): SectionName {
  const names = ["Interface", "Peer"] as const;
  const name = names.find((name) => name.toLowerCase() === header.toLowerCase());
  if (name) return name;
  const shown = nearest(header, names) ? header : `(hidden, ${header.length} characters)`;
  throw problems.at(line, `[${shown}]: expected [Interface] or [Peer]`);
}

function readEntry(section: SectionName, content: string, line: number, problems: Problems): Entry {
  const equals = content.indexOf("=");
  // It may be a secret that lost its key, so none of it is shown.
  if (equals < 0) throw problems.at(line, `expected KEY = VALUE (the line is hidden, ${content.length} characters)`);
  const key = readKey(section, content.slice(0, equals).trim(), line, problems);
  const value = content.slice(equals + 1).trim();
  if (value === "") throw problems.at(line, `${key}: expected a value after the equals sign`);
  return { key, value, line };
}

/**
 * The value of an unknown key is never shown: a misspelt PrivateKey is unknown, too. Nor is a key like none that we
 * know: it may be a piece of a secret that a stray line end cut off.
 */
function readKey(section: SectionName, typed: string, line: number, problems: Problems): string {
  const isTyped = (name: string) => name.toLowerCase() === typed.toLowerCase();
  const known = Object.keys(KEYS[section]);
  const key = known.find(isTyped);
  if (key) return key;
  const refused = Object.keys(REFUSED_KEYS).find(isTyped);
  if (refused) throw problems.at(line, `dnet does not do ${refused}`, REFUSED_KEYS[refused]);
  const other = section === "Interface" ? "Peer" : "Interface";
  const misplaced = Object.keys(KEYS[other]).find(isTyped);
  if (misplaced) throw problems.at(line, `${misplaced} belongs in [${other}], not in [${section}]`);
  const near = nearest(typed, known);
  const shown = near ? typed : `(hidden, ${typed.length} characters)`;
  throw problems.at(line, `unknown key ${shown} in [${section}]`, near ?? `one of: ${known.join(", ")}`);
}
