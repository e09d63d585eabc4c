import { expect, test } from "bun:test";
import { version } from "../../../package.json";
import { dnet } from "./fake-context.ts";

test("the version names dnet, Bun, the platform and the C library", async () => {
  const { stdout } = await dnet(["version"]);
  expect(stdout).toStartWith(`dnet ${version}`);
  expect(stdout).toContain(`bun ${Bun.version}, ${process.platform} ${process.arch}`);
  expect((await dnet(["--version"])).stdout).toBe(stdout);
});

test("as JSON it has a schema first, and the same from --version", async () => {
  const outcome = await dnet(["version", "--json"]);
  expect(outcome.stdout).toStartWith('{"schema":"dnet.version/1","version":');
  expect(outcome.json()).toMatchObject({ version, bun: Bun.version, platform: process.platform, arch: process.arch });
  expect((await dnet(["--json", "--version"])).stdout).toBe(outcome.stdout);
});
