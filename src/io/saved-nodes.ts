/**
 * Nodes that were good, kept from one run to the next: with them a node finds its network again while every bootstrap node is
 * down. One file for each network, so that two networks never meet through us:
 *   nodes-<16 hex of BLAKE2b-256 of the network's name>.json
 *   {"schema": "dnet.nodes/1", "network": NAME, "savedAt": ISO time, "nodes": ["192.0.2.1:1776", ...]}
 * A file that is anything else is of no use, and is left out whole.
 */

import { randomUUID } from "node:crypto";
import { type FileHandle, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Address, formatAddress } from "../base/address.ts";
import { ip4Number } from "../base/ip4.ts";
import { parseJsonObject } from "../base/json.ts";
import { blake2b256 } from "../crypto/blake2b.ts";

/** Ten buckets' worth: far more than it takes to find the rest. */
export const MAX_SAVED_NODES = 200;

const SCHEMA = "dnet.nodes/1";
// A node takes 24 bytes at most, and the network's name is a list of bootstrap nodes that somebody typed.
const MAX_FILE_BYTES = 64 * 1024;
// Writing takes milliseconds: a file that is still unfinished after a minute belongs to a process that was killed.
const ABANDONED_AFTER_MS = 60_000;

export interface LoadedNodes {
  readonly nodes: readonly Address[];
  /** Why there are none although there is a file; completes a sentence that begins with its name. */
  readonly flaw: string | null;
}

export class SavedNodes {
  readonly path: string;
  readonly #network: string;

  /** `network` names what was joined, the same way each time. The directory is ours alone. */
  constructor(directory: string, network: string) {
    this.#network = network;
    const hash = blake2b256(new TextEncoder().encode(network)).toHex();
    this.path = join(directory, `nodes-${hash.slice(0, 16)}.json`);
  }

  /** Never throws: without its file a node is as good as a new one. */
  async load(): Promise<LoadedNodes> {
    try {
      const text = await readBounded(this.path);
      const nodes = text === null ? null : decodeSavedNodes(text, this.#network);
      return nodes ? { nodes, flaw: null } : { nodes: [], flaw: "is damaged, or of another network" };
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return { nodes: [], flaw: code === "ENOENT" ? null : `cannot be read: ${message}` };
    }
  }

  /**
   * Replaces the file as one step: whenever the process or the machine stops, the file is the old one or the new one.
   * Throws what the system says.
   */
  async save(nodes: readonly Address[]): Promise<void> {
    await this.#removeAbandoned();
    // A name of its own: other nodes of this machine, some in containers where everyone is process 1, may save too.
    const unfinished = `${this.path}.${randomUUID()}.tmp`;
    try {
      await writeDurably(unfinished, encodeSavedNodes(nodes, this.#network));
      await rename(unfinished, this.path);
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
    await syncDirectory(dirname(this.path));
  }

  async #removeAbandoned(): Promise<void> {
    const folder = dirname(this.path);
    for (const name of await readdir(folder)) {
      if (!name.startsWith(`${basename(this.path)}.`) || !name.endsWith(".tmp")) continue;
      const path = join(folder, name);
      const found = await stat(path).catch(() => null);
      if (found && Date.now() - found.mtimeMs > ABANDONED_AFTER_MS) await rm(path, { force: true });
    }
  }
}

/** The first 200 nodes. */
export function encodeSavedNodes(nodes: readonly Address[], network: string): string {
  const texts = nodes.slice(0, MAX_SAVED_NODES).map((node) => formatAddress(node));
  return `${JSON.stringify({ schema: SCHEMA, network, savedAt: new Date().toISOString(), nodes: texts })}\n`;
}

/** Null for anything but at most 200 nodes of that network. */
export function decodeSavedNodes(text: string, network: string): Address[] | null {
  const content = parseJsonObject(text);
  if (content?.["schema"] !== SCHEMA || content["network"] !== network) return null;
  const texts = content["nodes"];
  if (!Array.isArray(texts) || texts.length > MAX_SAVED_NODES) return null;
  const nodes = texts.map((node: unknown) => parseNode(node));
  return nodes.every((node) => node !== null) ? nodes : null;
}

function parseNode(text: unknown): Address | null {
  const [, host = "", digits = ""] = (typeof text === "string" && /^([\d.]{7,15}):(\d{1,5})$/.exec(text)) || [];
  const port = Number(digits);
  return ip4Number(host) >= 0 && port > 0 && port <= 65_535 ? { host, port } : null;
}

/** Null for more than a file of ours has. */
async function readBounded(path: string): Promise<string | null> {
  const file = await open(path, "r");
  try {
    const bytes = Buffer.alloc(MAX_FILE_BYTES + 1);
    const length = await readFully(file, bytes);
    return length <= MAX_FILE_BYTES ? bytes.toString("utf8", 0, length) : null;
  } finally {
    await file.close();
  }
}

async function readFully(file: FileHandle, into: Buffer): Promise<number> {
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(into, length, into.length - length, null);
    length += bytesRead;
    if (bytesRead === 0 || length === into.length) return length;
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** So that the new name lasts too (fsync(2)). */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
