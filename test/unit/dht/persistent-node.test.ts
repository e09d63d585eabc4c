/** A persistent node's answers, datagram for datagram, against those of the reference (`test/vectors/hyperdht.json`). */
import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { DhtNode } from "../../../src/dht/node.ts";
import { Tokens } from "../../../src/dht/tokens.ts";
import { nodeOptions } from "../../support/dht-node.ts";
import { vectors } from "../../support/vectors.ts";

interface Script {
  readonly self: Address & { readonly id: string };
  readonly secret0: string;
  readonly secret1: string;
  readonly steps: readonly {
    readonly name: string;
    readonly from: Address;
    readonly in: string;
    readonly out: readonly { readonly to: Address; readonly hex: string }[];
  }[];
}

const script = vectors<Script>("persistentNode");

/** The reference's node as the script has it: its clock stands still, so its secrets never change. */
function persistentNode(): DhtNode {
  const tokens = new Tokens(0, Uint8Array.fromHex(script.secret0), Uint8Array.fromHex(script.secret1));
  const node = new DhtNode(
    0,
    nodeOptions({ publicAddress: script.self, isEphemeral: false, isFirewalled: false, tokens }),
  );
  node.start(0, script.self.port);
  node.drain();
  return node;
}

test("OM-18 OM-23 OM-37 a persistent node answers every datagram of the script with the reference's bytes", () => {
  const node = persistentNode();
  expect(node.id?.toHex()).toBe(script.self.id);
  for (const step of script.steps) {
    node.receive(0, "server", step.from, Uint8Array.fromHex(step.in));
    const sent = node.drain().flatMap((output) => (output.type === "send" ? output : []));
    const out = sent.map(({ to: { host, port }, datagram }) => ({ to: { host, port }, hex: datagram.toHex() }));
    expect({ name: step.name, out }).toEqual({ name: step.name, out: [...step.out] });
  }
});
