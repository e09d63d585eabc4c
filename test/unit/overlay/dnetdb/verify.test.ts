/** A whole store, verified from its first transaction on. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { recordId } from "../../../../src/overlay/dnetdb/ids.ts";
import { Store } from "../../../../src/overlay/dnetdb/store.ts";
import { encodeTransaction } from "../../../../src/overlay/dnetdb/transaction.ts";
import { verifyStore } from "../../../../src/overlay/dnetdb/verify.ts";
import { anyKeyPair, lockOf } from "../../../support/dnetdb.ts";
import { BODY, invitation, ip, key, NOW, step } from "../../../support/dnetdb-steps.ts";
import { SeededRandom } from "../../../support/random.ts";

const alice = anyKeyPair(new SeededRandom(1));
const anyKey = new SeededRandom(2).bytes(32);

/** Where it was in the order of arrival, and what it takes. */
const NOT_DERIVED = ["transactions.sequence", "records.changed", "records.bytes"];

test("DN-47 a store verifies itself, and one that was tampered with in any column of any table does not", () => {
  const filled = () => {
    const database = new Database(":memory:");
    const db = new Store(database);
    const chance = new SeededRandom(3);
    const token = step(null, { op: "OP_MINT" }, { time: NOW - 500 });
    const dnet = recordId(token.id);
    const create = step(token, { op: "OP_DNET_CREATE", dnet, name: "home" });
    const guest = anyKeyPair(chance);
    const invite = invitation(create, dnet, ip(9), guest);
    const join = step(
      invite,
      { op: "OP_DNET_JOIN", dnet, slot: ip(9), member: key(alice) },
      { lock: lockOf(alice), signers: [guest], output: 1 },
    );
    const attach = step(invite, { op: "OP_DNET_OVX", dnet, ovx: dnet });
    const cloudToken = step(null, { op: "OP_MINT" }, { time: NOW - 400 });
    const ovx = recordId(cloudToken.id);
    const cloud = step(cloudToken, { op: "OP_OVX_CREATE", ovx, name: "cloud", key: anyKey });
    const auth = step(cloud, { op: "OP_OVX_AUTH", ovx, dnet, expiresAt: null, quotaBytes: 7 });
    const spare = step(null, { op: "OP_MINT" }, { time: NOW - 300 });
    for (const each of [token, create, invite, join, attach, cloudToken, cloud, auth, spare]) {
      expect(db.accept(NOW, encodeTransaction(each), each.bodyHash && BODY).status).toBe("accepted");
    }
    db.accept(NOW, Uint8Array.of(9, 9), null);
    return database;
  };
  const flaws = (database: Database) => verifyStore(database, new Database(":memory:"));
  expect(flaws(filled())).toEqual([]);
  const tables = [
    "transactions",
    "records",
    "slots",
    "attachments",
    "authorisations",
    "settings",
    "ever_attached",
    "ovx_keys",
    "bodies",
  ];
  let changed = 0;
  for (const table of tables) {
    const columns = filled().query(`PRAGMA table_info(${table})`).all() as { name: string }[];
    for (const { name } of columns.filter((column) => !NOT_DERIVED.includes(`${table}.${column.name}`))) {
      const database = filled();
      const [row] = database.query(`SELECT ${name} AS value FROM ${table} WHERE ${name} IS NOT NULL LIMIT 1`).all() as {
        value: unknown;
      }[];
      if (!row) continue;
      const { value } = row;
      const other =
        value instanceof Uint8Array
          ? value.with(value.length - 1, value.at(-1)! ^ 1)
          : typeof value === "string"
            ? `${value}x`
            : Number(value) + 7;
      database.run(`UPDATE ${table} SET ${name} = ? WHERE ${name} = ?`, [other as never, value as never]);
      expect([table, name, flaws(database).length > 0]).toEqual([table, name, true]);
      changed++;
    }
    const without = filled();
    const [{ name: first }] = columns as [{ name: string }];
    const some = table === "transactions" ? "WHERE kind = 1" : ""; // of a token that nobody spent, nothing follows
    without.run(`DELETE FROM ${table} WHERE ${first} = (SELECT ${first} FROM ${table} ${some} LIMIT 1)`);
    const isFound = flaws(without).length > 0;
    if (table !== "bodies") expect([table, isFound]).toEqual([table, true]); // bodies may be collected
  }
  expect(changed).toBeGreaterThan(25);
});
