/** A store's file in which one bit is another: it is refused, or found by `verify`, or says the same as before. */
import { Database } from "bun:sqlite";
import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DnetError } from "../../../src/base/error.ts";
import { openDnetDb } from "../../../src/io/dnetdb-file.ts";
import { encodeTransaction } from "../../../src/overlay/dnetdb/transaction.ts";
import { stepsOf } from "../../support/dnetdb.ts";
import { SeededRandom } from "../../support/random.ts";

const FLIPS = Number(process.env["DNET_FLIPS"] ?? 150);
const STEPS = 250;
const folder = mkdtempSync(join(tmpdir(), "dnet-flips-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Where in the log a change stands, what it takes, and what others are known by: nothing that a store answers by. */
const NO_MATTER = ["sequence", "changed", "bytes of records", "store", "name of cursors", "used"];

/** All that a store is asked about, in one text. */
function meaningOf(path: string): string {
  const database = new Database(path, { readonly: true });
  try {
    const tables = database.query("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all();
    return (tables as { name: string }[])
      .map(({ name }) => {
        const rows = database.query(`SELECT * FROM ${name}`).all() as { [column: string]: unknown }[];
        const texts = rows.map((row) =>
          Object.entries(row)
            .filter(([column]) => !NO_MATTER.includes(column) && !NO_MATTER.includes(`${column} of ${name}`))
            .map(([, value]) => (value instanceof Uint8Array ? value.toHex() : String(value)))
            .join(" "),
        );
        return `${name}\n${texts.sort().join("\n")}`;
      })
      .join("\n\n");
  } finally {
    database.close();
  }
}

test("EV-03 any bit that is another in a store's file is found, or changes nothing", () => {
  const path = join(folder, "whole.sqlite");
  const file = openDnetDb(path);
  let left = STEPS;
  for (const { transaction, body } of stepsOf(3)) {
    file.store.accept(transaction.time, encodeTransaction(transaction), body);
    if (--left === 0) break;
  }
  file.close();
  const whole = readFileSync(path);
  const meaning = meaningOf(path);
  const random = new SeededRandom(1);
  const outcomes = { refused: 0, found: 0, same: 0 };
  for (let i = 0; i < FLIPS; i++) {
    const at = random.below(whole.length);
    const flipped = join(folder, `flipped-${i}.sqlite`);
    writeFileSync(flipped, Buffer.from(whole).fill(whole[at]! ^ (1 << random.below(8)), at, at + 1));
    chmodSync(flipped, 0o600);
    const outcome = look(flipped, meaning);
    if (outcome === "unseen") throw new Error(`a flipped bit of byte ${at} changes what the store says, unseen`);
    outcomes[outcome]++;
  }
  expect(outcomes.refused + outcomes.found).toBeGreaterThan(FLIPS / 4);
}, 60_000);

function look(path: string, meaning: string): "refused" | "found" | "same" | "unseen" {
  try {
    const file = openDnetDb(path);
    try {
      if (file.verify().length > 0) return "found";
    } finally {
      file.close();
    }
    return meaningOf(path) === meaning ? "same" : "unseen";
  } catch (error) {
    if (error instanceof DnetError || (error as Error).name === "SQLiteError") return "refused";
    throw error;
  }
}
