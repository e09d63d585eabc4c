/** Nodes of both kinds, ours and the real hyperdht's: each kind in a process of its own, told the same things in the same words. */
import type { Address } from "../../src/base/address.ts";
import {
  type HyperdhtNode,
  type HyperdhtOptions,
  HyperdhtProcess,
  PROGRAMS,
  type ShortTimes,
} from "./hyperdht-process.ts";

export type Kind = "ours" | "theirs";
export const KINDS = ["ours", "theirs"] as const;
/** Who does something, and who sees it. */
export const BOTH_WAYS = [
  ["ours", "theirs"],
  ["theirs", "ours"],
] as const;

const REACHABLE = { ephemeral: false, firewalled: false };

export interface Network {
  readonly bootstrap: readonly Address[];
  /** The persistent nodes, the bootstrap node first. */
  readonly nodes: readonly HyperdhtNode[];
  readonly addresses: readonly Address[];
}

export class BothKinds implements AsyncDisposable {
  #made = 0;

  private constructor(
    readonly ours: HyperdhtProcess,
    readonly theirs: HyperdhtProcess,
  ) {}

  /** In a network namespace if one is named. */
  static async start({ netns = null }: { readonly netns?: string | null } = {}): Promise<BothKinds> {
    const [ours, theirs] = KINDS.map((kind) => HyperdhtProcess.start({ netns, program: PROGRAMS[kind] }));
    return new BothKinds(await ours!, await theirs!);
  }

  /** A network that a node of the kind `first` begins and so many others join; all are ready and persistent. */
  async network(first: Kind, counts: { readonly [kind in Kind]?: number } = {}): Promise<Network> {
    const begun = await this[first].bootstrapper(this.#name(first));
    const bootstrap = [await begun.address()];
    const nodes = [begun, ...(await this.#joinAll({ bootstrap }, counts))];
    return { bootstrap, nodes, addresses: await Promise.all(nodes.map((node) => node.address())) };
  }

  /** One more node, ready; adaptive and believed firewalled unless `options` say otherwise. */
  async join(
    kind: Kind,
    { bootstrap }: Pick<Network, "bootstrap">,
    options: HyperdhtOptions = {},
    shorten: ShortTimes = {},
  ): Promise<HyperdhtNode> {
    const node = await this[kind].node(this.#name(kind), { bootstrap, ...options }, shorten);
    await node.ready();
    return node;
  }

  /** A node that stays ephemeral: it stores nothing, and so what it asks is answered by all that do. */
  visitor(kind: Kind, network: Pick<Network, "bootstrap">): Promise<HyperdhtNode> {
    return this.join(kind, network, { ephemeral: true });
  }

  /** What went wrong in either process without an answer to tell it. */
  get failures(): unknown[] {
    return KINDS.flatMap((kind) => this[kind].events.filter(({ event }) => event === "failure"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(KINDS.map((kind) => this[kind].stop()));
  }

  #joinAll(network: Pick<Network, "bootstrap">, counts: { readonly [kind in Kind]?: number }) {
    const kinds = KINDS.flatMap((kind) => Array<Kind>(counts[kind] ?? 0).fill(kind));
    return Promise.all(kinds.map((kind) => this.join(kind, network, REACHABLE)));
  }

  #name(kind: Kind): string {
    return `${kind}-${++this.#made}`;
  }
}
