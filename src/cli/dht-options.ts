import type { Options, Values } from "./command.ts";

/** Of every command that asks the DHT. */
export const networkOptions = {
  bootstrap: {
    type: "string",
    isRepeated: true,
    placeholder: "ADDR,...",
    description: "ask the network of these nodes, each HOST:PORT; without it the public one",
  },
  via: {
    type: "string",
    placeholder: "URL",
    description: "where UDP does not get out: through the machine that runs dnet dht proxy, ws://HOST:PORT",
  },
  timeout: { type: "string", placeholder: "SPAN", default: "30s", description: "give up after it: 500ms, 30s or 2m" },
} as const satisfies Options;

export type NetworkValues = Values<typeof networkOptions>;

/** Of those that act for a key. */
export const keyFileOption = {
  type: "string",
  placeholder: "FILE",
  complete: "file",
  description: "the key to use, as dnet dht keygen made it",
} as const;

/** Of those that connect peers. */
export const peerOptions = {
  "key-file": keyFileOption,
  relay: {
    type: "string",
    isRepeated: true,
    placeholder: "KEY",
    description: "a relay that carries it until there is a direct path, or where there is none",
  },
  trace: { type: "boolean", description: "print what is done to reach the other side" },
  bootstrap: networkOptions.bootstrap,
  via: networkOptions.via,
} as const satisfies Options;

/** Of those that carry others' datagrams. */
export const admissionOptions = {
  admit: {
    type: "string",
    isRepeated: true,
    placeholder: "KEY",
    description: "whom it carries: a key, as dnet dht keygen printed it; several with an --admit each",
  },
  "admit-all": { type: "boolean", description: "carry everyone" },
} as const satisfies Options;

/** For the help of those that take a topic or target. */
export const TARGET_HELP =
  "64 hex characters, 52 of z-base-32, or any other text, which stands for its BLAKE2b-256. What is used is printed.";
