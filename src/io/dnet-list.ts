/**
 * The dnets that this machine belongs to, owns or was invited to: what stands in no record, and must outlive the process.
 *   dnets.json (mode 0600)
 *   {"schema": "dnet.dnets/1", "dnets": [{"id": base58, "name": "home" | null, "networkKey": {"epoch": 0, "key": hex} | null,
 *     "draftKeys": [{"epoch": 1, "key": hex}], "isAccepted": true, "invitation": "dnet1:..." | null,
 *     "askedName": "phone" | null}, ...]}
 * Network keys and the invitation are secrets; they can be had again from whoever gave them, all but those of drafts.
 */

import { rmSync } from "node:fs";
import { DnetError } from "../base/error.ts";
import { parseJsonObject } from "../base/json.ts";
import { formatId, parseId } from "../overlay/dnetdb/ids.ts";
import { parseInvitation } from "../overlay/dnetdb/invitation.ts";
import { NETWORK_KEY_BYTES, type NetworkKey } from "../overlay/dnetdb/network-key.ts";
import { isName } from "../overlay/dnetdb/operands.ts";
import { createPrivateFile, readPrivateFile, writePrivateFile } from "./private-file.ts";

const SCHEMA = "dnet.dnets/1";
/** Room for thousands. */
const MAX_FILE_BYTES = 8 << 20;
/** Full: that of the oldest draft goes. */
const MAX_DRAFT_KEYS = 8;
/** Another process writes for milliseconds. */
const LOCKED_FOR_MS = 5_000;
const LOOK_AGAIN_MS = 10;

export interface ListedDnet {
  readonly id: Uint8Array;
  /** As its records say; null while that is not known. */
  readonly name: string | null;
  /** The newest that is known; null of a public dnet. */
  readonly networkKey: NetworkKey | null;
  /** Those that steps would bring which were drafted here, and signed elsewhere perhaps; the newest last. */
  readonly draftKeys: readonly NetworkKey[];
  /** Whether its person has said that this machine takes part. */
  readonly isAccepted: boolean;
  /**
   * What `dnet join` was given. Its key stays of use: whatever network keys the owner gives out before it hears of the join are
   * wrapped for it.
   */
  readonly invitation: string | null;
  /** What this machine is to be called there, unless the invitation says; null when nobody asked for a name. */
  readonly askedName: string | null;
}

const UNKNOWN: Omit<ListedDnet, "id"> = {
  name: null,
  networkKey: null,
  draftKeys: [],
  isAccepted: false,
  invitation: null,
  askedName: null,
};

export class DnetList {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** In the order in which they came. Throws DnetError for a file that is damaged, or that others can read. */
  read(): ListedDnet[] {
    const text = readPrivateFile(this.#path, MAX_FILE_BYTES);
    const dnets = text === null ? [] : parseDnets(text);
    if (dnets) return dnets;
    throw new DnetError("DNETS_DAMAGED", `${this.#path} is damaged`, {
      failure: "configuration",
      hint: "put it aside: dnet accept lists again what the records say this machine belongs to",
    });
  }

  find(id: Uint8Array): ListedDnet | null {
    return this.read().find(isOf(id)) ?? null;
  }

  /** Changes one, or lists it; what `changes` does not name stays. Other processes may do the same at the same time. */
  set(id: Uint8Array, changes: Partial<Omit<ListedDnet, "id">>): void {
    this.#exclusively(() => {
      const before = this.read();
      const isThis = isOf(id);
      const found = before.find(isThis) ?? { ...UNKNOWN, id };
      const changed = { ...found, ...changes };
      const after = before.some(isThis) ? before.map((each) => (isThis(each) ? changed : each)) : [...before, changed];
      writePrivateFile(this.#path, formatDnets(after));
    });
  }

  addDraftKey(id: Uint8Array, networkKey: NetworkKey): void {
    const { draftKeys } = this.find(id) ?? UNKNOWN;
    this.set(id, { draftKeys: [...draftKeys, networkKey].slice(-MAX_DRAFT_KEYS) });
  }

  remove(id: Uint8Array): void {
    this.#exclusively(() => {
      const others = this.read().filter((each) => !isOf(id)(each));
      writePrivateFile(this.#path, formatDnets(others));
    });
  }

  /** One process at a time, between reading and writing. */
  #exclusively(work: () => void): void {
    const lock = `${this.#path}.lock`;
    const until = Date.now() + LOCKED_FOR_MS;
    while (!createPrivateFile(lock, `${process.pid}\n`)) {
      if (isAbandoned(lock)) rmSync(lock, { force: true });
      else if (Date.now() < until) Bun.sleepSync(LOOK_AGAIN_MS);
      else
        throw new DnetError("DNETS_BUSY", `another dnet is writing ${this.#path}`, {
          hint: `again, or remove ${lock}`,
        });
    }
    try {
      work();
    } finally {
      rmSync(lock, { force: true });
    }
  }
}

/** Whether the process that made the lock is no more. */
function isAbandoned(lock: string): boolean {
  const text = readPrivateFile(lock, 32);
  if (text === null) return false; // just removed
  try {
    process.kill(Number(text), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

function isOf(id: Uint8Array): (dnet: ListedDnet) => boolean {
  const text = formatId(id);
  return (dnet) => formatId(dnet.id) === text;
}

function formatDnets(dnets: readonly ListedDnet[]): string {
  const shown = ({ epoch, key }: NetworkKey) => ({ epoch, key: key.toHex() });
  const rows = dnets.map(({ id, networkKey, draftKeys, ...rest }) => ({
    id: formatId(id),
    ...rest,
    networkKey: networkKey && shown(networkKey),
    draftKeys: draftKeys.map(shown),
  }));
  return `${JSON.stringify({ schema: SCHEMA, dnets: rows }, null, 1)}\n`;
}

/** Null for anything but what `formatDnets` writes. */
export function parseDnets(text: string): ListedDnet[] | null {
  const content = parseJsonObject(text);
  const rows = content?.["dnets"];
  if (content?.["schema"] !== SCHEMA || !Array.isArray(rows)) return null;
  const dnets = rows.map(parseDnet);
  return dnets.every((each) => each !== null) ? dnets : null;
}

function parseDnet(row: unknown): ListedDnet | null {
  if (typeof row !== "object" || row === null) return null;
  const { networkKey, draftKeys, isAccepted, invitation, ...texts } = row as { readonly [column: string]: unknown };
  const id = typeof texts["id"] === "string" ? parseId(texts["id"]) : null;
  const [name, askedName] = [parseName(texts["name"]), parseName(texts["askedName"])];
  const key = networkKey === null ? null : parseKey(networkKey);
  const isInvited = invitation === null || (typeof invitation === "string" && parseInvitation(invitation) !== null);
  const drafted =
    Array.isArray(draftKeys) && draftKeys.length <= MAX_DRAFT_KEYS ? draftKeys.map(parseKey) : [undefined];
  const hasAll = [name, askedName, key, ...drafted].every((each) => each !== undefined);
  if (!id || !hasAll || !isInvited || typeof isAccepted !== "boolean") return null;
  return { id, name, networkKey: key, draftKeys: drafted, isAccepted, invitation, askedName } as ListedDnet;
}

/** Undefined for what is none. */
function parseName(value: unknown): string | null | undefined {
  return value === null || (typeof value === "string" && isName(value)) ? value : undefined;
}

/** Undefined for what is none. */
function parseKey(value: unknown): NetworkKey | undefined {
  const { epoch, key } = (value ?? {}) as { readonly [name: string]: unknown };
  const isKey = typeof key === "string" && key.length === 2 * NETWORK_KEY_BYTES && /^[0-9a-f]+$/.test(key);
  const isEpoch = Number.isInteger(epoch) && Number(epoch) >= 0 && Number(epoch) <= 0xffff_ffff;
  return isKey && isEpoch ? { epoch: Number(epoch), key: Uint8Array.fromHex(key) } : undefined;
}
