import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");

const PROGRAM = `
  import { Gateway, testnet } from "dnet";
  await using network = await testnet(3);
  const gateway = new Gateway({ bootstrap: network.bootstrap, host: "127.0.0.1", port: 0 });
  const topic = Gateway.hash(new TextEncoder().encode("a topic"));
  await gateway.announce(topic).finished();
  const keys = new Set();
  for await (const { peers } of gateway.lookup(topic)) for (const { publicKey } of peers) keys.add(publicKey.toHex());
  console.log(keys.size, keys.has(gateway.defaultKeyPair.publicKey.toHex()));
  await gateway.destroy();
`;

test("OM-39 another program uses dnet as a package: three nodes, an announcement, a lookup, and it ends by itself", async () => {
  const directory = mkdtempSync(join(tmpdir(), "dnet-package-"));
  try {
    mkdirSync(join(directory, "node_modules"));
    symlinkSync(ROOT, join(directory, "node_modules/dnet"));
    writeFileSync(join(directory, "program.ts"), PROGRAM);
    const child = Bun.spawn([process.execPath, "program.ts"], { cwd: directory, stdout: "pipe", stderr: "inherit" });
    const [text, exitCode] = await Promise.all([new Response(child.stdout).text(), child.exited]);
    expect({ text, exitCode }).toEqual({ text: "1 true\n", exitCode: 0 });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
