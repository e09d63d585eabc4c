/** What can be done to a running laboratory: words, as on a command line, → plain objects. */
import { DnetError } from "../../base/error.ts";
import { ip4Number } from "../../base/ip4.ts";
import { INTERNET, LINE_RULES } from "./description.ts";
import type { LineConditions } from "./line.ts";

export type Disturbance =
  | { readonly event: "reboot" }
  | { readonly event: "renumber"; readonly address: string | undefined }
  /** To the site of that NAT, or to the public network. */
  | { readonly event: "move"; readonly to: string; readonly address: string | undefined }
  /** From all others, or only from that one. */
  | { readonly event: "cut"; readonly from: string | undefined }
  | { readonly event: "heal" }
  | { readonly event: "line"; readonly conditions: Partial<LineConditions> };

/** How each is written, and what it does. */
export const EVENTS: { readonly [event in Disturbance["event"]]: readonly [words: string, summary: string] } = {
  reboot: ["NAT reboot", "forget all mappings"],
  renumber: ["HOST|NAT renumber [ADDRESS]", "another address, and of a NAT no mapping of the old one"],
  move: [
    "HOST move NAT|internet [ADDRESS]",
    "to another network: the interface goes down, and comes up with an address there",
  ],
  cut: ["HOST|NAT cut [OTHER]", "lose all its packets, or those that go straight between the two"],
  heal: ["HOST|NAT heal", "undo every cut of it"],
  line: ["HOST|NAT line KEY=VALUE...", "change delayMs, jitterMs, loss or rateMbit of its line"],
};

/** Throws DnetError for words that mean nothing. Whether the names exist only the router knows. */
export function parseDisturbance(name: string, words: readonly string[]): Disturbance {
  if (!Object.hasOwn(EVENTS, name)) {
    throw new DnetError("LAB_EVENT", `${name} is not an event; expected ${Object.keys(EVENTS).join(", ")}`, {
      failure: "usage",
      hint: "dnet lab event --help",
    });
  }
  const event = name as Disturbance["event"];
  const [first, second] = words;
  const atMost = (count: number) => {
    if (words.length > count) throw bad(event, words[count]!, "nothing more");
  };
  switch (event) {
    case "reboot":
      atMost(0);
      return { event };
    case "renumber":
      atMost(1);
      return { event, address: address(event, first) };
    case "move":
      atMost(2);
      if (first === undefined) throw bad(event, "missing", `the name of a NAT, or ${INTERNET}`);
      return { event, to: first, address: address(event, second) };
    case "cut":
      atMost(1);
      return { event, from: first };
    case "heal":
      atMost(0);
      return { event };
    case "line":
      if (words.length === 0) throw bad(event, "missing", "KEY=VALUE, such as loss=0.1");
      return { event, conditions: Object.fromEntries(words.map(condition)) as Partial<LineConditions> }; // each was checked
  }
}

function address(event: keyof typeof EVENTS, word: string | undefined): string | undefined {
  if (word === undefined || ip4Number(word) >= 0) return word;
  throw bad(event, word, "an IPv4 address");
}

function condition(word: string): [string, number | null] {
  const [key = "", text = ""] = word.split("=");
  const rule = Object.hasOwn(LINE_RULES, key) ? LINE_RULES[key as keyof LineConditions] : null;
  if (!rule) throw bad("line", word, `${Object.keys(LINE_RULES).join(", ")}, each with = and a value`);
  const value = text === "null" ? null : text === "" ? Number.NaN : Number(text);
  const [check, expected] = rule;
  if (!check(value)) throw bad("line", word, expected);
  return [key, value];
}

function bad(event: keyof typeof EVENTS, word: string, expected: string): DnetError {
  return new DnetError("LAB_EVENT", `of ${event}, a word is ${word}; expected ${expected}`, {
    failure: "usage",
    hint: `dnet lab event ${EVENTS[event][0]}`,
  });
}
