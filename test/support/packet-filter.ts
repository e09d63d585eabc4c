/** What the kernel's packet filter (nftables) does for tests: it loses packets, marks them, counts them. */
import type { Namespace } from "./namespaces.ts";

/** A table of our own in one namespace; it goes with it. */
export class PacketFilter {
  readonly #namespace: Namespace;

  constructor(namespace: Namespace) {
    this.#namespace = namespace;
    this.#make();
  }

  /** Adds a rule in the words of nft(8). */
  rule(hook: "input" | "forward" | "output", words: string): void {
    this.#nft(`add rule inet dnet ${hook} ${words}`);
  }

  /** Counts the packets that match, from now on, under a name. */
  count(hook: "input" | "forward" | "output", name: string, match: string): void {
    this.#nft(`add counter inet dnet ${name}`);
    this.rule(hook, `${match} counter name ${name}`);
  }

  counted(name: string): number {
    const [, packets] = /packets (\d+)/.exec(this.#nft(`list counter inet dnet ${name}`)) ?? [];
    return Number(packets);
  }

  /** Takes all rules and counters away. */
  clear(): void {
    this.#nft("delete table inet dnet");
    this.#make();
  }

  #make(): void {
    const chain = (hook: string) => `chain ${hook} { type filter hook ${hook} priority 0; }`;
    this.#nft(`add table inet dnet { ${["input", "forward", "output"].map(chain).join("; ")}; }`);
  }

  #nft(words: string): string {
    return this.#namespace.run("nft", words);
  }
}
