import { expect, test } from "bun:test";
import { formatC2pkh, formatId, keyHash, parseC2pkh, parseId, recordId } from "../../../../src/overlay/dnetdb/ids.ts";
import { formatLock, lockTo, MAX_KEYS, parseLock } from "../../../../src/overlay/dnetdb/lock.ts";
import { isName } from "../../../../src/overlay/dnetdb/operands.ts";
import {
  decodeScript,
  encodeScript,
  formatScript,
  MAX_SCRIPT_BYTES,
  OPS,
  type OpName,
  parseScript,
} from "../../../../src/overlay/dnetdb/script.ts";
import { anyLock, anyScript } from "../../../support/dnetdb.ts";
import { SeededRandom } from "../../../support/random.ts";

const NAMES = Object.keys(OPS) as OpName[];
const owner = keyHash(new Uint8Array(32).fill(1));
const lock = lockTo([owner])!;

test("DN-25 a key's address is Bitcoin's base58check of its hash; whatever letter is mistaken is found", () => {
  const text = formatC2pkh(owner);
  expect(text).toMatch(/^D[1-9A-HJ-NP-Za-km-z]{33}$/);
  expect(parseC2pkh(text)).toEqual(owner);
  for (let i = 0; i < text.length; i++) {
    for (const letter of "1Dz9k") {
      const typo = text.slice(0, i) + letter + text.slice(i + 1);
      if (typo !== text) expect([typo, parseC2pkh(typo)]).toEqual([typo, null]);
    }
  }
  for (const wrong of ["", text.slice(1), `${text}1`, text.toLowerCase(), "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"]) {
    expect(parseC2pkh(wrong)).toBeNull();
  }
});

test("DN-03 a record's id is the base58 of SHA-256 of the transaction that its creation spends", () => {
  const spent = new Uint8Array(32).fill(7);
  expect(recordId(spent)).toEqual(new Uint8Array(Bun.SHA256.hash(spent) as Uint8Array));
  expect(parseId(formatId(recordId(spent)))).toEqual(recordId(spent));
  for (const wrong of ["", "0", formatId(new Uint8Array(31)), formatId(new Uint8Array(33).fill(1)), "l".repeat(43)]) {
    expect(parseId(wrong)).toBeNull();
  }
});

test("DN-06 DN-07 scripts read as they were designed, and the op with its operands comes first, in both forms", () => {
  const dnet = new Uint8Array(32).fill(3);
  const publicKey = new Uint8Array(32).fill(5);
  const id = formatId(dnet);
  const key = "ywnokbefywnokbefywnokbefywnokbefywnokbefywnokbefywno";
  const create = { op: "OP_DNET_CREATE", dnet, name: "home", lock } as const;
  expect(formatScript(create)).toBe(`OP_DNET_CREATE ${id} home OP_DROP OP_CHECK ${formatC2pkh(owner)}`);
  for (const [text, ip] of [
    ["10.1.2.3", Uint8Array.of(10, 1, 2, 3)],
    ["fd00::1", Uint8Array.of(0xfd, ...new Uint8Array(14), 1)],
  ] as const) {
    const member = { kind: "key", publicKey } as const;
    const node = { op: "OP_DNET_NODE", dnet, slot: { kind: "address", ip }, member, lock } as const;
    const line = formatScript(node);
    expect(line).toBe(`OP_DNET_NODE ${id} ${text} ${key} OP_DROP OP_CHECK ${formatC2pkh(owner)}`);
    expect(parseScript(line)).toEqual(node);
    expect(encodeScript(node).toHex()).toStartWith(
      `11${dnet.toHex()}0${ip.length === 4 ? 4 : 6}${ip.toHex()}01${publicKey.toHex()}`,
    );
  }
});

test("every op round-trips in binary and in text, with any operands and any lock", () => {
  const random = new SeededRandom(1);
  for (const op of NAMES) {
    for (let i = 0; i < 100; i++) {
      const script = anyScript(random, op);
      const bytes = encodeScript(script);
      expect(bytes.length).toBeLessThanOrEqual(MAX_SCRIPT_BYTES);
      expect(decodeScript(bytes)).toEqual(script);
      expect(parseScript(formatScript(script))).toEqual(script);
    }
  }
});

test("whatever is accepted is in its one form: cut short, longer, or with a byte changed, it is another script or none", () => {
  const random = new SeededRandom(2);
  for (const op of NAMES) {
    const bytes = encodeScript(anyScript(random, op));
    for (let length = 0; length < bytes.length; length++) expect(decodeScript(bytes.subarray(0, length))).toBeNull();
    expect(decodeScript(new Uint8Array([...bytes, 0]))).toBeNull();
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at]! ^= 1 + random.below(255);
      const script = decodeScript(changed);
      if (script) expect(encodeScript(script)).toEqual(changed);
    }
  }
  for (let i = 0; i < 5_000; i++) {
    const noise = random.bytes(1 + random.below(120));
    noise[0] = OPS[random.pick(NAMES)].code;
    const script = decodeScript(noise);
    if (script) expect(encodeScript(script)).toEqual(noise);
  }
});

test("text that is not just so is no script", () => {
  const line = formatScript({ op: "OP_DNET_CREATE", dnet: new Uint8Array(32), name: "home", lock });
  for (const wrong of [
    "",
    line.toLowerCase(),
    ` ${line}`,
    `${line} `,
    line.replace(" ", "  "),
    line.replace("OP_DROP ", ""),
    line.replace("OP_DNET_CREATE", "OP_DNET_CREAT"),
    line.replace("home", "ho me"),
    line.replace("home", ""),
    `${line} ${formatC2pkh(owner)}`,
    line.replace(" OP_CHECK", " OP_CHECK 1"),
    line.slice(0, -1),
  ]) {
    expect([wrong, parseScript(wrong)]).toEqual([wrong, null]);
  }
});

test("a lock is to one key, or to k of up to 16, sorted, none twice", () => {
  const random = new SeededRandom(3);
  const hashes = Array.from({ length: MAX_KEYS + 1 }, () => random.bytes(20));
  expect(lockTo([])).toBeNull();
  expect(lockTo(hashes)).toBeNull();
  expect(lockTo([hashes[0]!, hashes[0]!])).toBeNull();
  expect([lockTo(hashes.slice(0, 2), 3), lockTo(hashes.slice(0, 2), 0), lockTo(hashes.slice(0, 2), 1.5)]).toEqual([
    null,
    null,
    null,
  ]);
  const some = lockTo(hashes.slice(0, 5), 3)!;
  expect(lockTo(hashes.slice(0, 5).reverse(), 3)).toEqual(some);
  const words = formatLock(some).split(" ");
  expect(parseLock([...words.slice(0, 2), ...words.slice(2).reverse()])).toEqual(some);
  for (const k of ["0", "6", "03", "x", "100"]) expect(parseLock([words[0]!, k, ...words.slice(2)])).toBeNull();
  for (let i = 0; i < 200; i++) {
    const any = anyLock(random);
    expect(parseLock(formatLock(any).split(" "))).toEqual(any);
  }
});

test("names are short, in any alphabet, and look like one thing only", () => {
  for (const good of ["a", "9", "home", "Büro-2", "x.y_z", "網", "п".repeat(31)])
    expect([good, isName(good)]).toEqual([good, true]);
  for (const bad of ["", "-", "-a", ".a", "a b", "a\n", "a/b", "é".normalize("NFD"), "п".repeat(32), "a\u0000", "🙂"]) {
    expect([bad, isName(bad)]).toEqual([bad, false]);
  }
});
