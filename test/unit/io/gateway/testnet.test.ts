import { expect, test } from "bun:test";
import { Gateway, testnet } from "../../../../src/index.ts";

test("OM-39 a network of twenty is up within two seconds, knows itself, and is gone when it is destroyed", async () => {
  const startedAt = performance.now();
  const network = await testnet(20);
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  expect(network.nodes).toHaveLength(20);
  for (const node of network.nodes) {
    expect(node).toMatchObject({ ephemeral: false, firewalled: false, bootstrapped: true, hardened: false });
    expect(node.remoteAddress()).toEqual(node.address());
  }
  expect(network.nodes[0]!.size).toBe(19);
  const { port } = network.bootstrap[0]!;
  await network.destroy();
  expect(network.nodes.every(({ destroyed }) => destroyed)).toBe(true);
  const free = await Bun.udpSocket({ hostname: "127.0.0.1", port });
  free.close();
});

test("OM-39 others join it by its bootstrap list, and what one node stores another finds", async () => {
  await using network = await testnet(3, { maxAge: 60_000 });
  const visitor = new Gateway({ bootstrap: network.bootstrap, host: "127.0.0.1", port: 0, ephemeral: true });
  const { hash, closestNodes } = await visitor.immutablePut(Uint8Array.of(1, 2, 3));
  expect(closestNodes).toHaveLength(3);
  expect((await network.nodes[2]!.immutableGet(hash))?.value).toEqual(Uint8Array.of(1, 2, 3));
  await visitor.destroy();
});

test("OM-39 one that cannot be made leaves nothing behind", async () => {
  await expect(testnet(2, { concurrency: 0 })).rejects.toMatchObject({ code: "BAD_OPTION" });
});
