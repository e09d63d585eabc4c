import { expect, test } from "bun:test";
import { deriveKey, type Purpose } from "../../../../src/overlay/dnetdb/network-key.ts";

const PURPOSES: Purpose[] = ["body", "admission", "topic", "gossip", "beacon", "tunnel"];

test("DN-54 each purpose has a key of its own, another in each dnet and of each network key", () => {
  const [one, two] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const keys = [one, two].flatMap((dnet) =>
    [one, two].flatMap((key) => PURPOSES.map((purpose) => deriveKey(dnet, key, purpose).toHex())),
  );
  expect(new Set(keys).size).toBe(4 * PURPOSES.length);
  expect(deriveKey(one, two, "body").toHex()).toBe("f7a6a5363d90b6b9abdc6d808bb430b26586bd9a2c5f5ffdad767fe6b169b1c4");
  expect(deriveKey(one, two, "admission").toHex()).toBe(
    "25270f1c79dd75ccee39c7ddc0f9d02909ec13ebd8d4c48650db17a6d3b95aaf",
  );
});
