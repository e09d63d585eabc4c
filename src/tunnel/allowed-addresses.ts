import { network, type Prefix } from "../base/ip.ts";
import { RadixTrie } from "./radix-trie.ts";

/**
 * Which peer owns which addresses ("cryptokey routing", WireGuard paper §2): a packet goes to the peer whose longest prefix
 * holds its destination, and is taken from a peer only if the same look-up of its source finds that peer.
 */
export class AllowedAddresses {
  readonly #trie4 = new RadixTrie(32);
  readonly #trie6 = new RadixTrie(128);
  // What is looked up, kept here so that a look-up allocates nothing.
  readonly #key4 = new Int32Array(1);
  readonly #key6 = new Int32Array(4);

  /** Gives the prefix to `peer`; a peer that had the very same one loses it. Bits beyond its length do not count. */
  insert(prefix: Prefix, peer: number): void {
    const { bytes, bits } = network(prefix);
    if (bytes.length === 4) this.#trie4.insert(readKey(this.#key4, bytes, 0), bits, peer);
    else this.#trie6.insert(readKey(this.#key6, bytes, 0), bits, peer);
  }

  removePeer(peer: number): void {
    this.#trie4.removeValue(peer);
    this.#trie6.removeValue(peer);
  }

  /** The peer that owns an IPv4 address, given as an integer with its first byte highest; -1 when nobody does. */
  lookup4(address: number): number {
    this.#key4[0] = address;
    return this.#trie4.lookup(this.#key4);
  }

  /** The peer that owns the IPv6 address in the 16 bytes at `offset`; -1 when nobody does. */
  lookup6(bytes: Uint8Array, offset: number): number {
    return this.#trie6.lookup(readKey(this.#key6, bytes, offset));
  }
}

function readKey(into: Int32Array, bytes: Uint8Array, offset: number): Int32Array {
  for (let word = 0, at = offset; word < into.length; word++, at += 4) {
    into[word] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  }
  return into;
}
