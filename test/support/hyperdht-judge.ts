/**
 * Gives a node of ours and one of theirs the same datagrams, and compares all that either sends because of them, field by field.
 * They need not agree on what is their own: ids and tokens, and that one's table has the other where the other's has the one.
 */
import { expect } from "bun:test";
import { type Address, sameAddress } from "../../src/base/address.ts";
import { nodeId } from "../../src/dht/peer.ts";
import { decodeRequest, decodeResponse, INTERNAL, type Request } from "../../src/wire/rpc.ts";
import { BothKinds, KINDS, type Kind, type Network } from "./hyperdht-both.ts";
import { type Arrived, bareRequest, Probe } from "./hyperdht-probe.ts";
import type { Asked } from "./hyperdht-signed.ts";

/** What comes of a datagram: an answer, without error or with that one; a request; an answer to another address. */
export type Outcome =
  | "silence"
  | "answer"
  | "answer elsewhere"
  | "request"
  | "error 1"
  | "error 2"
  | "error 16"
  | "error 17";
export type Ask = (asked: Asked) => Partial<Request> | Uint8Array;
export type Case = readonly [name: string, outcome: Outcome, ask: Ask];
export type Pair = { readonly [kind in Kind]: Address };

export class Judge implements AsyncDisposable {
  private constructor(
    readonly both: BothKinds,
    readonly probe: Probe,
    readonly network: Network,
    /** Persistent nodes. */
    readonly pair: Pair,
  ) {}

  static async start(): Promise<Judge> {
    const both = await BothKinds.start();
    const network = await both.network("theirs", { ours: 2, theirs: 1 });
    const [, ours, , theirs] = network.addresses;
    return new Judge(both, await Probe.open(), network, { ours: ours!, theirs: theirs! });
  }

  /** A new node of each kind that stays ephemeral. */
  async ephemeralPair(): Promise<Pair> {
    const joined = KINDS.map(async (kind) => (await this.both.visitor(kind, this.network)).address());
    const [ours, theirs] = await Promise.all(joined);
    return { ours: ours!, theirs: theirs! };
  }

  /** Asks both nodes, case by case. Both must do the same, and what the case says. */
  async compare(cases: readonly Case[], pair = this.pair): Promise<void> {
    for (const [name, outcome, ask] of cases) {
      const [ours, theirs] = [await this.outcomes(pair.ours, ask), await this.outcomes(pair.theirs, ask)];
      expect({ name, did: ours }).toEqual({ name, did: theirs });
      const expected = outcome === "silence" ? [] : [outcome];
      expect({ name, did: ours.map((did) => did.outcome) }).toEqual({ name, did: expected });
    }
  }

  async outcomes(address: Address, ask: Ask) {
    // A wrong token is answered with a valid one, by ephemeral nodes too.
    const wrong = { isInternal: true, command: INTERNAL.ping, token: new Uint8Array(32) };
    const { token } = (await this.probe.ask(address, wrong))!;
    const asked = ask({ address, id: nodeId(address), token: token! });
    const datagram = asked instanceof Uint8Array ? asked : bareRequest(address, asked);
    return (await this.probe.send(address, datagram)).map((arrived) => this.#describe(arrived, address));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.probe[Symbol.dispose]();
    await this.both[Symbol.asyncDispose]();
  }

  #describe({ at, datagram }: Arrived, node: Address) {
    const response = decodeResponse(datagram);
    const { id, token, to, value, ...others } = (response ?? decodeRequest(datagram))!;
    const answer = response?.error ? `error ${response.error}` : "answer";
    const isOfPair = (address: Address) => Object.values(this.pair).some((each) => sameAddress(each, address));
    const closerNodes = response?.closerNodes.filter((each) => !isOfPair(each)).toSorted((a, b) => a.port - b.port);
    return {
      outcome: !response ? "request" : at === "other" ? `${answer} elsewhere` : answer,
      at,
      to: sameAddress(to, this.probe[at].address) ? "where it came" : to,
      id: id && (id.toHex() === nodeId(node).toHex() ? "its own" : id.toHex()),
      hasToken: token !== null,
      value: value?.toHex() ?? null,
      ...others,
      ...(closerNodes && { closerNodes, namesNodes: response!.closerNodes.length > 0 }),
    };
  }
}
