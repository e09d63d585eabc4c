/**
 * A peer's key together with nodes that know the way to it: what programs hand to each other to connect.
 *   publicKey  32 bytes
 *   flags      uint     bit 0: nodes follow; a bare key, without flags, is read as well
 *   nodes      a count, then 6 bytes each
 * Source: hyperdht-address 1.1 index.js; specification §16. Bytes after the last field are ignored.
 */
import type { Address } from "../base/address.ts";
import { PUBLIC_KEY_BYTES } from "../base/public-key.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

export interface HyperdhtAddress {
  readonly publicKey: Uint8Array;
  readonly nodes: readonly Address[] | null;
}

const HAS_NODES = 1;
const MAX_NODES = 64;

export function encodeHyperdhtAddress({ publicKey, nodes }: HyperdhtAddress): Uint8Array {
  const w = new Writer().fixed(publicKey).uint(nodes ? HAS_NODES : 0);
  if (nodes) w.array(nodes, (node) => w.address4(node));
  return w.finish();
}

/** Returns null for anything but a whole address within its bounds. `publicKey` is a view. */
export function decodeHyperdhtAddress(bytes: Uint8Array): HyperdhtAddress | null {
  const r = new Reader(bytes);
  const publicKey = r.fixed(PUBLIC_KEY_BYTES);
  const flags = r.remaining > 0 ? r.uint() : 0;
  const nodes = flags & HAS_NODES ? r.array(MAX_NODES, () => r.address4()) : null;
  return r.ok ? { publicKey, nodes } : null;
}
