import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { compareBytes } from "../../../src/base/bytes.ts";
import { peerAt, sharedBits } from "../../../src/dht/peer.ts";
import { RoutingTable, type TableNode } from "../../../src/dht/routing-table.ts";
import { encodeAddresses, K } from "../../../src/wire/rpc.ts";
import { SeededRandom } from "../../support/random.ts";
import { vectors } from "../../support/vectors.ts";

const vector = vectors<{
  k: number;
  ownId: string;
  nodes: (Address & { row: number; added: boolean })[];
  size: number;
  queries: { target: string; closestInOrder: Address[] }[];
}>("routingTable");
const ownId = Uint8Array.fromHex(vector.ownId);

function tableNode(address: Address): TableNode {
  return { ...peerAt(address), addedTick: 1, pingedTick: 1, sampledTick: 0, downHints: 0 };
}

function vectorTable(): RoutingTable {
  const table = new RoutingTable(ownId, { isDiverse: false });
  for (const { host, port } of vector.nodes) table.add(tableNode({ host, port }));
  return table;
}

const addresses = (nodes: Iterable<Address>) => [...nodes].map(({ host, port }) => ({ host, port }));
const random = new SeededRandom(1);
const someNode = () => tableNode({ host: [...random.bytes(4)].join("."), port: 1 + random.below(65_535) });

test("nodes go to the reference's rows, and the ones it refuses are refused", () => {
  const table = new RoutingTable(ownId, { isDiverse: false });
  for (const { host, port, row, added } of vector.nodes) {
    const node = tableNode({ host, port });
    expect(sharedBits(ownId, node.id)).toBe(row);
    expect(table.add(node)).toBe(added);
    expect(table.rowOf(node.id).includes(node)).toBe(added);
  }
  expect([table.size, K]).toEqual([vector.size, vector.k]);
});

test("the closest are the reference's, in its order, as nodes and as bytes", () => {
  const table = vectorTable();
  for (const { target, closestInOrder } of vector.queries) {
    const id = Uint8Array.fromHex(target);
    expect(addresses(table.closest(id))).toEqual(closestInOrder);
    expect(table.closestEncoded(id)).toEqual(encodeAddresses(closestInOrder));
    expect(table.closestEncoded(id)).toEqual(encodeAddresses(closestInOrder)); // as remembered
  }
});

test("what is remembered of the closest is right after every change", () => {
  const table = vectorTable();
  const targets = vector.queries.map(({ target }) => Uint8Array.fromHex(target));
  for (let round = 0; round < 200; round++) {
    const nodes = [...table.nodes()];
    if (random.chance(0.5) && nodes.length > 0) table.remove(random.pick(nodes));
    else table.add(someNode());
    for (const target of targets) {
      const closest = table.closest(target);
      expect(table.closestEncoded(target)).toEqual(closest.length > 0 ? encodeAddresses(closest) : null);
    }
  }
});

test("an empty table has no closest", () => {
  const table = new RoutingTable(ownId, { isDiverse: false });
  expect([table.closest(ownId), table.closestEncoded(ownId), table.recent(5)]).toEqual([[], null, []]);
});

test("a row stays sorted by id, holds twenty, and takes one more when one leaves", () => {
  const table = new RoutingTable(ownId, { isDiverse: false });
  const refused: TableNode[] = [];
  for (let i = 0; i < 300; i++) {
    const node = someNode();
    if (!table.add(node)) refused.push(node);
  }
  const id = refused[0]!.id;
  const row = table.rowOf(id);
  expect(row).toHaveLength(K);
  expect([...row].sort((a, b) => compareBytes(a.id, b.id))).toEqual([...row]);
  table.remove(row[7]!);
  expect(table.add(refused[0]!)).toBe(true);
  expect(row).toHaveLength(K);
});

test("nodes come in the order in which they were last heard", () => {
  const table = new RoutingTable(ownId, { isDiverse: false });
  const [a, b, c] = [someNode(), someNode(), someNode()];
  for (const node of [a, b, c]) table.add(node);
  table.touch(a);
  expect(addresses(table.nodes())).toEqual(addresses([b, c, a]));
  expect(addresses(table.recent(2))).toEqual(addresses([a, c]));
  table.remove(c);
  table.remove(c);
  expect([addresses(table.nodes()), table.get(c.key), table.get(a.key)]).toEqual([addresses([b, a]), undefined, a]);
});

test("with diversity on, one /24 has two places of the whole table, and gets them back", () => {
  const table = new RoutingTable(ownId, { isDiverse: true });
  const neighbours = Array.from({ length: 50 }, (_, i) => tableNode({ host: `5.9.17.${i}`, port: 1_000 + i }));
  expect(neighbours.filter((node) => table.add(node))).toHaveLength(2);
  expect(table.hasRoomForPrefix(neighbours[9]!)).toBe(false);
  expect(table.add(tableNode({ host: "5.9.18.1", port: 1 }))).toBe(true);
  table.remove(neighbours[0]!);
  expect([table.add(neighbours[9]!), table.add(neighbours[8]!)]).toEqual([true, false]);
});

test("a table that is not diverse takes a whole network of one /24", () => {
  const table = new RoutingTable(ownId, { isDiverse: false });
  const neighbours = Array.from({ length: 15 }, (_, i) => tableNode({ host: "127.0.0.1", port: 1_000 + i }));
  expect(neighbours.filter((node) => table.add(node))).toHaveLength(15);
});
