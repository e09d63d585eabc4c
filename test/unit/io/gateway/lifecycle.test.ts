/** Opening, suspending, resuming and ending, when they come in each other's way. */
import { expect, test } from "bun:test";
import { Gateway } from "../../../../src/index.ts";

const HOST = "127.0.0.1";

/** A gateway that nobody knows, and what it tells of its suspensions. */
async function alone() {
  const gateway = new Gateway({ host: HOST, port: 0, bootstrap: [] });
  const told: string[] = [];
  for (const event of ["suspend", "resume"] as const) gateway.on(event, () => told.push(event));
  await gateway.ready();
  return { gateway, told, port: gateway.address()!.port };
}

async function expectFree(port: number): Promise<void> {
  const socket = await Bun.udpSocket({ hostname: HOST, port });
  socket.close();
}

test("OM-35 two calls of resume open the sockets once, and the last call wins", async () => {
  const { gateway, told, port } = await alone();
  await gateway.suspend();
  await Promise.all([gateway.resume(), gateway.resume()]);
  expect([told, gateway.suspended, gateway.address()!.port]).toEqual([["suspend", "resume"], false, port]);
  await Promise.all([gateway.suspend(), gateway.resume(), gateway.suspend()]);
  expect([told.slice(2), gateway.suspended]).toEqual([["suspend", "resume", "suspend"], true]);
  await expectFree(port);
  await gateway.destroy();
});

test("OM-03 OM-35 destroyed while it resumes, it leaves no socket open", async () => {
  const codes = new Set<string | undefined>();
  for (let steps = 0; steps < 20; steps++) {
    const { gateway, port } = await alone();
    await gateway.suspend();
    const resumed = gateway.resume().catch((error) => error);
    for (let i = 0; i < steps; i++) await null; // somewhere on its way
    await gateway.destroy({ force: true });
    codes.add((await resumed)?.code);
    await expectFree(port);
  }
  expect(codes).toEqual(new Set([undefined, "NODE_DESTROYED"])); // before or after it, and between
});
