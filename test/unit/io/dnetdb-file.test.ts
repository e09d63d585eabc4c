/** DNetDB's file, and processes that write to it and are killed. */
import { Database, type SQLiteError } from "bun:sqlite";
import { afterEach, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDnetDb, refusalOf } from "../../../src/io/dnetdb-file.ts";
import { recordId } from "../../../src/overlay/dnetdb/ids.ts";
import { Store } from "../../../src/overlay/dnetdb/store.ts";
import { encodeTransaction, type OutputReference } from "../../../src/overlay/dnetdb/transaction.ts";
import { verifyStore } from "../../../src/overlay/dnetdb/verify.ts";
import { stepsOf } from "../../support/dnetdb.ts";
import { mint, step, tell } from "../../support/dnetdb-steps.ts";
import { SeededRandom } from "../../support/random.ts";

/** Of processes; 200 take a minute and a half. */
const KILLS = Number(Bun.env["DNET_KILLS"] ?? 25);
/** SQLite's. */
const PAGE_BYTES = 4_096;

const directories: string[] = [];
const newFile = () => {
  const directory = mkdtempSync(join(tmpdir(), "dnetdb-"));
  directories.push(directory);
  return join(directory, "dnet.db");
};
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

const refusedWith = (code: string) => expect.objectContaining({ code });

test("EV-03 whatever was acknowledged is there after kill -9 at any moment, and the store verifies", async () => {
  const path = newFile();
  const random = new SeededRandom(1);
  let acknowledged = 0;
  for (let round = 0; round < KILLS; round++) {
    const program = [
      process.execPath,
      join(import.meta.dir, "../../support/dnetdb-writer.ts"),
      path,
      "7",
      `${acknowledged}`,
    ];
    const child = Bun.spawn(program, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
    const last = acknowledged + 1 + random.below(40);
    const decoder = new TextDecoder();
    let text = "";
    for await (const bytes of child.stdout) {
      text += decoder.decode(bytes, { stream: true });
      const whole = text
        .slice(0, text.lastIndexOf("\n") + 1)
        .trim()
        .split("\n")
        .filter(Boolean);
      const heard = Number(whole.at(-1) ?? acknowledged);
      acknowledged = Math.max(acknowledged, heard);
      if (heard >= last) child.kill("SIGKILL"); // in the midst of one of the next steps
    }
    await child.exited;
    const file = openDnetDb(path);
    let at = 0;
    for (const { transaction } of stepsOf(7)) {
      if (at++ === acknowledged) break;
      if (!file.store.transaction(transaction.id))
        throw new Error(`round ${round}: step ${at} of ${acknowledged} is lost`);
    }
    if (round % 5 === 4 || round === KILLS - 1) expect([round, file.verify()]).toEqual([round, []]);
    file.close();
  }
  expect(acknowledged).toBeGreaterThan(KILLS);
}, 300_000);

test("the file and its log are their owner's alone, and one that is open to others is refused", () => {
  const path = newFile();
  const file = openDnetDb(path);
  for (const { transaction, body } of stepsOf(1)) {
    file.store.accept(transaction.time, encodeTransaction(transaction), body);
    if (transaction.outputs[0]!.script.op === "OP_DNET_NODE") break;
  }
  for (const each of [path, `${path}-wal`, `${path}-shm`]) {
    expect([each, existsSync(each), statSync(each).mode & 0o777]).toEqual([each, true, 0o600]);
  }
  file.close();
  expect(existsSync(`${path}-wal`)).toBe(false); // all of it is in the file, which opens without reading a log
  chmodSync(path, 0o640);
  expect(() => openDnetDb(path)).toThrow(refusedWith("STORE_OPEN_TO_OTHERS"));
});

test("a file that is damaged, or no store at all, is named so and left as it is", () => {
  const path = newFile();
  writeFileSync(path, "this is no database, and long enough for nobody to take it for an empty one", { mode: 0o600 });
  expect(() => openDnetDb(path)).toThrow(refusedWith("STORE_DAMAGED"));
  expect(readFileSync(path, "utf8")).toStartWith("this is no database");
  expect(() => openDnetDb("/proc/nowhere/dnet.db")).toThrow(refusedWith("STORE_DENIED"));
});

test("a page that is overwritten is found when a small file is opened, and in a large one when it is verified; a missing end is found in both", () => {
  const small = newFile();
  openDnetDb(small).close();
  const large = `${small}-large`;
  copyFileSync(small, large);
  const database = new Database(large);
  database.run("INSERT INTO bodies VALUES (randomblob(32), randomblob(32), zeroblob(?))", [20 << 20]);
  database.close();
  chmodSync(large, 0o600);
  for (const path of [small, large]) {
    const [overwritten, torn] = [`${path}-overwritten`, `${path}-torn`];
    for (const each of [overwritten, torn]) copyFileSync(path, each);
    truncateSync(torn, statSync(torn).size - PAGE_BYTES);
    expect(() => openDnetDb(torn)).toThrow(refusedWith("STORE_DAMAGED"));
    const file = openSync(overwritten, "r+");
    writeSync(file, new Uint8Array(PAGE_BYTES), 0, PAGE_BYTES, 3 * PAGE_BYTES); // the fourth, an index
    closeSync(file);
    if (path === small) expect(() => openDnetDb(overwritten)).toThrow(refusedWith("STORE_DAMAGED"));
    else {
      const opened = openDnetDb(overwritten);
      expect(opened.verify()).toMatchObject([{ table: "file" }]);
      opened.close();
    }
  }
});

test("processes that are the first at once make one store, and none of them takes it for damaged", async () => {
  const program = join(import.meta.dir, "../../support/dnetdb-opener.ts");
  for (let round = 0; round < 3; round++) {
    const path = newFile();
    const first = Array.from({ length: 4 }, () =>
      Bun.spawn([process.execPath, program, path], { stdout: "pipe", stderr: "pipe" }),
    );
    const ids = await Promise.all(first.map((child) => new Response(child.stdout).text()));
    const errors = await Promise.all(first.map((child) => new Response(child.stderr).text()));
    expect(errors).toEqual(["", "", "", ""]);
    expect(new Set(ids)).toHaveLength(1);
  }
});

test("while one process judges a step, no other takes one that spends the same", () => {
  const path = newFile();
  openDnetDb(path).close();
  const [mine, theirs] = [new Database(path), new Database(path)];
  const other = new Store(theirs);
  const token = mint();
  const dnet = recordId(token.id);
  const create = step(token, { op: "OP_DNET_CREATE", dnet, name: "home" });
  const [policy, end] = [step(create, { op: "OP_DNET_POLICY", dnet }), step(create, { op: "OP_DNET_CLOSE", dnet })];
  for (const each of [token, create]) tell(other, each);
  /** Has looked at what the step spends. */
  class Judging extends Store {
    override output(reference: OutputReference) {
      const known = super.output(reference);
      expect(() => tell(other, end)).toThrow("locked");
      return known;
    }
  }
  expect(tell(new Judging(mine), policy)).toBe("accepted");
  expect(["accepted", "lost"]).toContain(tell(other, end));
  expect(verifyStore(mine, new Database(":memory:"))).toEqual([]);
  for (const database of [mine, theirs]) database.close();
});

test("what SQLite says while a store is used, for a person", () => {
  const path = newFile();
  openDnetDb(path).close();
  const codeOf = (sql: readonly string[], options: { readonly readonly?: true } = {}): string | undefined => {
    const database = new Database(path, { readwrite: !options.readonly, ...options });
    try {
      for (const each of sql) database.run(each);
      return "none";
    } catch (error) {
      return refusalOf(path, error as SQLiteError)?.code;
    } finally {
      database.close();
    }
  };
  expect(codeOf(["CREATE TABLE x (y)"], { readonly: true })).toBe("STORE_DENIED");
  expect(codeOf(["PRAGMA max_page_count = 1", "CREATE TABLE x AS SELECT zeroblob(100000)"])).toBe("STORE_IO");
  const other = new Database(path);
  other.run("BEGIN IMMEDIATE");
  expect(codeOf(["BEGIN IMMEDIATE"])).toBe("STORE_BUSY");
  other.close();
  expect(codeOf(["SELECT nonsense"])).toBeUndefined();
});
