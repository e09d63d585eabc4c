/** The arguments of a gateway's calls and its connections', checked before anything is sent: each refusal names what was found and what was expected. */
import type { Address } from "../../base/address.ts";
import { sameBytes } from "../../base/bytes.ts";
import { DnetError } from "../../base/error.ts";
import { addressKey } from "../../base/ip4.ts";
import { parsePublicKey } from "../../base/public-key.ts";
import type { FoundMutable } from "../../dht/operations.ts";
import type { QueryOptions } from "../../dht/query.ts";
import { MAX_MESSAGE_BYTES } from "../../transport/secret-channel.ts";
import { decodeHyperdhtAddress } from "../../wire/hyperdht-address.ts";
import { systemRandom } from "../entropy.ts";
import { MAX_VALUE_BYTES, type QuerySettings, type Relays } from "./settings.ts";

/** A key, a hash, a topic or a target. */
export function checkBytes(name: string, bytes: Uint8Array): Uint8Array {
  if (bytes instanceof Uint8Array && bytes.length === 32) return bytes;
  throw refused(`${name} is ${found(bytes)}; expected 32 bytes`);
}

export function checkValue(value: Uint8Array): Uint8Array {
  if (value instanceof Uint8Array && value.length <= MAX_VALUE_BYTES) return value;
  throw new DnetError("BAD_VALUE", `the value is ${found(value)}; expected at most ${MAX_VALUE_BYTES} bytes`, {
    failure: "usage",
    hint: "store more under several hashes, and their hashes in one value",
  });
}

export function checkSeq(seq: number): number {
  if (Number.isSafeInteger(seq) && seq >= 0) return seq;
  throw refused(`seq is ${seq}; expected an integer from 0`);
}

/** Throws DnetError when what the network has keeps a value with that `seq` from being stored. */
export function checkSucceeds(seq: number, value: Uint8Array, stored: FoundMutable): void {
  const hint = "read the latest value, then put with its seq + 1";
  if (stored.seq > seq) {
    throw new DnetError("SEQ_TOO_LOW", `the network has seq ${stored.seq}, and this is ${seq}`, { hint });
  }
  if (stored.seq === seq && !sameBytes(stored.value, value)) {
    throw new DnetError("SEQ_REUSED", `the network has another value with seq ${seq}`, { hint });
  }
}

export function checkDelay(delayMs: number, maxMs: number): number {
  if (Number.isInteger(delayMs) && delayMs >= 0 && delayMs <= maxMs) return delayMs;
  throw new DnetError("BAD_DELAY", `the delay is ${delayMs} ms; expected an integer from 0 to ${maxMs}`);
}

/** `what` is to be sent there. */
export function checkNode(node: Address, what: string): void {
  if (addressKey(node) > 0 && node.port !== 0) return;
  throw refused(`${what} cannot be sent: expected an IPv4 address and a port from 1 to 65535`);
}

/** The settings of a walk, as the walk takes them. */
export function checkQuerySettings(settings: QuerySettings, what: string): Partial<QueryOptions> {
  const { nodes, concurrency, retries, onlyClosestNodes, ...unknown } = settings;
  const [name] = Object.keys(unknown);
  if (name) {
    throw new DnetError("UNKNOWN_OPTION", `${what} has no option ${JSON.stringify(name)}`, {
      failure: "usage",
      hint: "one of: nodes, concurrency, retries, onlyClosestNodes",
    });
  }
  return {
    ...(nodes && { nodes }),
    ...(concurrency && { concurrency }),
    ...(retries !== undefined && { retries }),
    ...(onlyClosestNodes && { onlyTheseNodes: true }),
  };
}

/** The key of whoever is to be connected to, and the nodes that its address names. */
export function parseRemote(remote: Uint8Array | string): { publicKey: Uint8Array; nodes: readonly Address[] } {
  const bytes = typeof remote === "string" ? parsePublicKey(remote) : remote;
  const address = bytes && decodeHyperdhtAddress(bytes);
  if (address) return { publicKey: address.publicKey.slice(), nodes: address.nodes ?? [] };
  const given = typeof remote === "string" ? JSON.stringify(remote) : `${remote?.length} bytes`;
  throw refused(`the key is ${given}; expected 32 bytes, 64 hex or 52 z-base-32 characters`);
}

/** One of the relays that may be used, by its key; null when there is none. */
export function pickRelay(relays: Relays | undefined): Uint8Array | null {
  const given =
    relays === undefined ? [] : typeof relays === "string" || relays instanceof Uint8Array ? [relays] : relays;
  const keys = given.map((relay) => parseRemote(relay).publicKey);
  return keys[Math.floor((keys.length * systemRandom.bytes(1)[0]!) / 256)] ?? null;
}

/** One message of a connection. */
export function checkMessage(message: Uint8Array): void {
  if (message instanceof Uint8Array && message.length <= MAX_MESSAGE_BYTES) return;
  throw refused(`the message is ${found(message)}; expected at most ${MAX_MESSAGE_BYTES} bytes`);
}

function found(bytes: unknown): string {
  return bytes instanceof Uint8Array ? `${bytes.length} bytes` : typeof bytes;
}

function refused(message: string): DnetError {
  return new DnetError("BAD_ARGUMENT", message, { failure: "usage" });
}
