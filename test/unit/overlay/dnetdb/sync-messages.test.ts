/** What replicas say to each other, as bytes. */
import { expect, test } from "bun:test";
import { MAX_BODY_BYTES } from "../../../../src/overlay/dnetdb/contents.ts";
import {
  decodeSyncMessage,
  encodeSyncMessage,
  type Item,
  itemBytes,
  MAX_FRAME_BYTES,
  MAX_HEADS,
  MAX_INTERESTS,
  MAX_LOCATOR,
  MAX_WANTED_BODIES,
  type SyncMessage,
} from "../../../../src/overlay/dnetdb/sync-messages.ts";
import { MAX_TRANSACTION_BYTES } from "../../../../src/overlay/dnetdb/transaction.ts";
import { SeededRandom } from "../../../support/random.ts";

const fill = (value: number, length = 32) => new Uint8Array(length).fill(value);
const record = fill(0xaa);

const VECTORS: readonly (readonly [message: SyncMessage, hex: string])[] = [
  [{ type: "hello", store: fill(1, 16) }, `0001${"01".repeat(16)}`],
  [{ type: "follow", round: 2, cursor: 2 ** 32 + 3, records: "all" }, "0102000000030000000100000000"],
  [{ type: "follow", round: 1, cursor: 0, records: [record] }, `01010000000000000000000000010100${"aa".repeat(32)}`],
  [{ type: "next", cursor: 258 }, "020201000000000000"],
  [
    {
      type: "heads",
      round: 1,
      upTo: 9,
      isAll: true,
      heads: [{ record, height: 7, head: fill(2), digest: fill(3, 16) }],
    },
    `03010000000900000000000000010100${"aa".repeat(32)}07000000${"02".repeat(32)}${"03".repeat(16)}`,
  ],
  [
    { type: "want", record, part: "steps", after: [{ height: 5, id: fill(4) }] },
    `04${"aa".repeat(32)}010105000000${"04".repeat(32)}`,
  ],
  [{ type: "want", record, part: "beside", cursor: 6 }, `04${"aa".repeat(32)}020600000000000000`],
  [{ type: "want", record, part: "bodies", hashes: [fill(5)] }, `04${"aa".repeat(32)}0301${"05".repeat(32)}`],
  [
    {
      type: "items",
      record,
      part: "steps",
      end: "more",
      next: 8,
      items: [
        { kind: "transaction", bytes: fill(6, 3), body: null },
        { kind: "transaction", bytes: fill(6, 1), body: fill(7, 2) },
        { kind: "statement", bytes: fill(8, 2) },
        { kind: "body", body: fill(9, 1) },
      ],
    },
    `05${"aa".repeat(32)}010008000000000000000400${"010300060606"}${"02010006020000000707"}${"0302000808"}${"040100000009"}`,
  ],
  [{ type: "goodbye", reason: "SILENT" }, "060653494c454e54"],
];

test("every message has these bytes, and comes back from them; no part of them, and nothing longer, is one", () => {
  for (const [message, hex] of VECTORS) {
    expect(encodeSyncMessage(message).toHex()).toBe(hex);
    const bytes = Uint8Array.fromHex(hex);
    expect(decodeSyncMessage(bytes)).toEqual(message);
    expect(decodeSyncMessage(Uint8Array.of(...bytes, 0))).toBeNull();
    for (let end = 0; end < bytes.length; end++) {
      const part = decodeSyncMessage(bytes.subarray(0, end));
      expect(part).toBeNull();
    }
  }
});

test("whatever is read is written back as the same bytes, and nothing makes the reader throw", () => {
  const random = new SeededRandom(1);
  const inputs = VECTORS.map(([, hex]) => Uint8Array.fromHex(hex));
  for (let round = 0; round < 30_000; round++) {
    const bytes = random.chance(0.2) ? random.bytes(random.below(200)) : random.pick(inputs).slice();
    for (let i = random.below(4); i > 0 && bytes.length > 0; i--) bytes[random.below(bytes.length)] = random.below(256);
    const message = decodeSyncMessage(bytes);
    if (message) expect(encodeSyncMessage(message).toHex()).toBe(bytes.toHex());
  }
});

test("EV-57 lists and parts beyond their bounds are refused", () => {
  const most = <Each>(count: number, each: Each) => Array.from({ length: count }, () => each);
  const head = { record, height: 0, head: fill(0), digest: fill(0, 16) };
  const steps = (count: number): SyncMessage => ({
    type: "want",
    record,
    part: "steps",
    after: most(count, { height: 0, id: record }),
  });
  const heads = (count: number): SyncMessage => ({
    type: "heads",
    round: 0,
    upTo: 0,
    isAll: true,
    heads: most(count, head),
  });
  const follow = (count: number): SyncMessage => ({
    type: "follow",
    round: 0,
    cursor: 0,
    records: most(count, record),
  });
  const items = (...all: Item[]): SyncMessage => ({
    type: "items",
    record,
    part: "unasked",
    end: "all",
    next: 0,
    items: all,
  });
  const isRead = (message: SyncMessage) => decodeSyncMessage(encodeSyncMessage(message)) !== null;
  expect([isRead(steps(MAX_LOCATOR)), isRead(steps(MAX_LOCATOR + 1))]).toEqual([true, false]);
  expect([isRead(heads(MAX_HEADS)), isRead(heads(MAX_HEADS + 1))]).toEqual([true, false]);
  expect([isRead(follow(MAX_INTERESTS)), isRead(follow(MAX_INTERESTS + 1))]).toEqual([true, false]);
  expect(isRead({ type: "want", record, part: "bodies", hashes: most(MAX_WANTED_BODIES, record) })).toBe(true);
  const [bytes, body] = [fill(1, MAX_TRANSACTION_BYTES), fill(2, MAX_BODY_BYTES)];
  const longest = items({ kind: "transaction", bytes, body: null }, { kind: "transaction", bytes, body });
  expect(encodeSyncMessage(longest).length).toBeLessThanOrEqual(MAX_FRAME_BYTES);
  expect(isRead(longest)).toBe(true);
  expect(isRead(items({ kind: "transaction", bytes: fill(1, MAX_TRANSACTION_BYTES + 1), body: null }))).toBe(false);
  expect(isRead(items({ kind: "transaction", bytes, body: fill(2, MAX_BODY_BYTES + 1) }))).toBe(false);
  expect(isRead(items({ kind: "body", body: fill(2, MAX_BODY_BYTES + 1) }))).toBe(false);
  expect(decodeSyncMessage(new Uint8Array(MAX_FRAME_BYTES + 1))).toBeNull();
});

test("what an item takes in a frame is not counted too low", () => {
  const empty = encodeSyncMessage({ type: "items", record, part: "steps", end: "all", next: 0, items: [] }).length;
  const all: Item[] = [
    { kind: "transaction", bytes: fill(1, 100), body: null },
    { kind: "transaction", bytes: fill(1, 100), body: fill(2, 50) },
    { kind: "statement", bytes: fill(1, 100) },
    { kind: "body", body: fill(2, 50) },
  ];
  for (const item of all) {
    const message = encodeSyncMessage({ type: "items", record, part: "steps", end: "all", next: 0, items: [item] });
    expect(itemBytes(item)).toBeGreaterThanOrEqual(message.length - empty);
  }
});
