/** The nodes that a node without friends begins with: by address, or by a name that the shell resolves. Specification §4.6. */
import type { Address } from "../base/address.ts";
import { sameAddress } from "../base/address.ts";
import { ip4Number } from "../base/ip4.ts";

/** `suggested` is an address that the name had once: tried at once, replaced by what the name means now when it does not answer. */
export interface BootstrapNode extends Address {
  readonly suggested: string | null;
}

/** How long a name is left alone after it was asked for. */
const ASK_AGAIN_MS = 10_000;

interface Entry {
  readonly node: BootstrapNode;
  readonly isName: boolean;
  address: Address | null;
  askedAt: number;
  isAsking: boolean;
}

export class Bootstrap {
  readonly #entries: Entry[];
  readonly #resolve: (host: string) => void;

  /** `resolve` asks the shell for the address of a name; the answer comes to `resolved`. */
  constructor(nodes: readonly BootstrapNode[], resolve: (host: string) => void) {
    this.#resolve = resolve;
    this.#entries = nodes.map((node) => {
      const isName = ip4Number(node.host) < 0;
      const host = isName ? node.suggested : node.host;
      const address = host === null ? null : { host, port: node.port };
      return { node, isName, address, askedAt: -Infinity, isAsking: false };
    });
  }

  get size(): number {
    return this.#entries.length;
  }

  /** Whether an answer is awaited without which an entry has no address. */
  get isResolving(): boolean {
    return this.#entries.some(({ isAsking, address }) => isAsking && !address);
  }

  /** All that are known; asks again for names that have no address. */
  addresses(now: number): Address[] {
    for (const entry of this.#entries) if (!entry.address) this.#ask(now, entry);
    return this.#entries.flatMap(({ address }) => address ?? []);
  }

  /** The shell's answer: an IPv4 address, or null when the name has none just now. */
  resolved(host: string, ip: string | null): void {
    for (const entry of this.#entries) {
      if (entry.node.host !== host || !entry.isName) continue;
      entry.isAsking = false;
      if (ip !== null) entry.address = { host: ip, port: entry.node.port };
    }
  }

  /** An address did not answer: perhaps its name means another by now. */
  failed(now: number, address: Address): void {
    for (const entry of this.#entries) {
      if (entry.isName && entry.address && sameAddress(entry.address, address)) this.#ask(now, entry);
    }
  }

  #ask(now: number, entry: Entry): void {
    if (!entry.isName || entry.isAsking || now < entry.askedAt + ASK_AGAIN_MS) return;
    entry.isAsking = true;
    entry.askedAt = now;
    this.#resolve(entry.node.host);
  }
}
