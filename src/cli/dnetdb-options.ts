import type { Argument, Options, Values } from "./command.ts";

/** Of every command that reads the records. */
export const stateOptions = {
  state: {
    type: "string",
    placeholder: "DIR",
    complete: "file",
    description: "keys and records are in DIR; without it DNET_STATE_DIR, or this user's own",
  },
} as const satisfies Options;

/** Of those that need the owner's key, or may find a private dnet's key by it. */
export const passphraseOptions = {
  "passphrase-file": {
    type: "string",
    placeholder: "FILE",
    complete: "file",
    description:
      "the passphrase of the owner's key, where it has one; - reads it from standard input; on a terminal it is asked for",
  },
} as const satisfies Options;

/** Of those that add to a record. */
export const ownerOptions = {
  draft: {
    type: "string",
    placeholder: "FILE",
    complete: "file",
    description: "sign nothing: write the steps to FILE, for dnet db sign and dnet db submit",
  },
  offline: {
    type: "boolean",
    description: "change the records here and nothing else, as all that is done so far is: dnet db sync tells others",
  },
  wait: {
    type: "string",
    placeholder: "final",
    description: "return when as many clouds have witnessed it as the dnet asks for",
  },
  timeout: { type: "string", placeholder: "SPAN", default: "60s", description: "how long to wait for that" },
  ...passphraseOptions,
  ...stateOptions,
} as const satisfies Options;

/** Of those that say whose a record is. */
export const neededOption = {
  type: "string",
  placeholder: "K",
  description: "how many of several owners have to sign; without it all of them",
} as const;
export const ownersOptions = {
  owners: {
    type: "string",
    isRepeated: true,
    placeholder: "OWNER,...",
    description:
      "who owns it, each C2PKH or public key, as dnet wallet show prints them; without it this machine's owner key",
  },
  needed: neededOption,
} as const satisfies Options;

export type StateValues = Values<typeof stateOptions> & { readonly "passphrase-file"?: string | undefined };
export type OwnerValues = Values<typeof ownerOptions>;

export const DNET: Argument = { name: "DNET" };
export const DNET_HELP = "DNET is an id, the beginning of one, or a name of dnet net list.";
export const OVX_HELP = "OVX is the id of a cloud or relay, the beginning of it, or its name.";
