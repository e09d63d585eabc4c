import { expect, test } from "bun:test";
import { openMessageCipher } from "../../../ffi/secretstream.ts";
import { portableCipher } from "../../../src/crypto/secretstream.ts";
import { messageCipher } from "../../../src/io/message-cipher.ts";
import { isRoot, needsRoot } from "../../support/namespaces.ts";
import { withoutLibcrypto } from "../../support/without-libcrypto.ts";

test("the system's libcrypto seals messages where there is one, and it is looked for once", () => {
  expect(messageCipher() === portableCipher).toBe(openMessageCipher() === null);
  expect(messageCipher()).toBe(messageCipher());
});

test.skipIf(!isRoot)(`where there is none, noble does${needsRoot}`, () => {
  const path = (name: string) => JSON.stringify(Bun.resolveSync(name, import.meta.dir));
  const script = `
    const { messageCipher } = await import(${path("../../../src/io/message-cipher.ts")});
    const { portableCipher } = await import(${path("../../../src/crypto/secretstream.ts")});
    console.log(messageCipher() === portableCipher);`;
  const { stdout } = Bun.spawnSync(withoutLibcrypto([process.execPath, "--eval", script]));
  expect(stdout.toString().trim()).toBe("true");
});
