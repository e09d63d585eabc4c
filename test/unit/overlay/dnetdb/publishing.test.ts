/** When what goes into the DHT, in simulated time. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { KeptValues, MAX_KEPT, Publishing, type PublishingOutput } from "../../../../src/overlay/dnetdb/publishing.ts";
import { Store } from "../../../../src/overlay/dnetdb/store.ts";
import { SeededRandom } from "../../../support/random.ts";
import { Owner, START } from "../../../support/replicas.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

function scene(owners: number) {
  const store = new Store(new Database(":memory:"));
  const all = Array.from({ length: owners }, (_, i) => new Owner(i + 1));
  const keep = (step: { bytes: Uint8Array; body: Uint8Array | null }) => store.accept(START, step.bytes, step.body);
  for (const owner of all) owner.first.forEach(keep);
  const publishing = new Publishing(store);
  const seen: string[] = [];
  let now = 0;
  const name = ({ type, record }: PublishingOutput) =>
    `${type} ${all.findIndex((owner) => owner.record.toHex() === record.toHex())}`;
  const ends: { at: number; output: PublishingOutput }[] = [];
  /** Rings every timer until then; each thing given out takes so long. */
  const run = (until: number, { takesMs = 100, isDone = true } = {}) => {
    for (;;) {
      for (const output of publishing.drain()) {
        seen.push(`${now} ${name(output)}`);
        ends.push({ at: now + takesMs, output });
      }
      const next = Math.min(publishing.deadline(), ...ends.map(({ at }) => at));
      if (next > until) break;
      now = Math.max(now, next);
      const [ended] = ends.filter(({ at }) => at <= now);
      if (ended) {
        ends.splice(ends.indexOf(ended), 1);
        publishing.done(now, ended.output, isDone);
      }
      publishing.advance(now);
    }
    now = until;
  };
  const records = all.map(({ record }) => record);
  const change = (at: number) => {
    run(at);
    keep(all[0]!.add());
    publishing.changed(now);
  };
  return { store, publishing, records, run, seen, change, take: () => seen.splice(0) };
}

test("DN-26 a record is looked after at the start and each hour, and announced every eight minutes", () => {
  const { publishing, records, run, take } = scene(1);
  publishing.keep(0, { published: records, shared: records });
  run(2 * HOUR + MINUTE);
  const seen = take();
  expect(seen.filter((each) => each.endsWith("publish 0"))).toHaveLength(3);
  const announced = seen.filter((each) => each.endsWith("announce 0")).map((each) => Number.parseInt(each, 10));
  expect(announced.length).toBe(16);
  for (const [i, at] of announced.slice(1).entries()) expect(at - announced[i]!).toBeLessThan(10 * MINUTE);
});

test("DN-26 what has changed goes once it is quiet for three seconds, or after thirty", () => {
  const { publishing, records, run, change, take } = scene(1);
  publishing.keep(0, { published: records, shared: [] });
  run(MINUTE);
  take();
  change(60_000);
  change(61_000);
  change(62_000);
  run(2 * MINUTE);
  expect(take()).toEqual(["65000 publish 0"]);
  for (let at = 120_000; at <= 160_000; at += 2_000) change(at);
  run(3 * MINUTE);
  expect(take()).toEqual(["150000 publish 0", "163000 publish 0"]);
  publishing.changed(3 * MINUTE);
  run(4 * MINUTE);
  expect(take()).toEqual([]);
});

test("one record is put at a time, and four announcements", () => {
  const { publishing, records, run, take } = scene(10);
  publishing.keep(0, { published: records.slice(0, 3), shared: records });
  run(2_999, { takesMs: 1_000 });
  const seen = take();
  const atOnce = (at: number, type: string) => seen.filter((each) => each.startsWith(`${at} ${type}`)).length;
  expect([0, 1_000, 2_000].map((at) => atOnce(at, "publish"))).toEqual([1, 1, 1]);
  expect([0, 1_000, 2_000].map((at) => atOnce(at, "announce"))).toEqual([4, 4, 2]);
});

test("what failed is tried again after a minute", () => {
  const { publishing, records, run, take } = scene(1);
  publishing.keep(0, { published: records, shared: records });
  run(62_000, { isDone: false });
  expect(take()).toEqual(["0 publish 0", "0 announce 0", "60100 publish 0", "60100 announce 0"]);
});

test("what is no longer kept is left, and no more than so many are", () => {
  const { publishing, records, run, take } = scene(2);
  publishing.keep(0, { published: records, shared: records });
  run(MINUTE);
  take();
  publishing.keep(MINUTE, { published: records.slice(1), shared: [] });
  run(2 * HOUR);
  expect(new Set(take().map((each) => each.split(" ").slice(1).join(" ")))).toEqual(new Set(["publish 1"]));
  const random = new SeededRandom(1);
  const many = Array.from({ length: MAX_KEPT + 5 }, () => random.bytes(32));
  publishing.keep(2 * HOUR, { published: many, shared: many });
  run(2 * HOUR + 2 * MINUTE, { takesMs: 1 });
  expect(take().filter((each) => each.includes("announce"))).toHaveLength(MAX_KEPT);
});

test("DN-28 of a record's values only what is new is looked for, and each is put again well before 48 hours", () => {
  const values = new SeededRandom(2);
  const all = Array.from({ length: 5 }, () => values.bytes(100));
  const kept = new KeptValues();
  expect(kept.sort(0, all)).toEqual({ unknown: all, due: [] });
  for (const value of all) kept.note(0, value, true);
  expect(kept.sort(HOUR, all)).toEqual({ unknown: [], due: [] });
  const more = values.bytes(100);
  expect(kept.sort(HOUR, [...all.slice(1), more])).toEqual({ unknown: [more], due: [] });
  expect(kept.sort(HOUR, all).unknown).toEqual([all[0]!]); // it was no more of the record
  kept.note(HOUR, all[0]!, false); // nobody knows how old it is
  expect(kept.sort(5 * HOUR, all)).toEqual({ unknown: [], due: [all[0]!] });
  expect(kept.sort(16 * HOUR, all)).toEqual({ unknown: [], due: all });
});
