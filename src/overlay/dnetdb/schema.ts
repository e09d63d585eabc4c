/** The tables of a store, and how one of an earlier version becomes one of this. */
import type { Database } from "bun:sqlite";
import { DnetError } from "../../base/error.ts";
import type { Sql } from "./sql.ts";

/** Each brings a store from one version to the next; the first makes it. Never changed once released, only added to. */
const MIGRATIONS: readonly string[] = [
  `
  -- This store's own name, by which other replicas know how far they have read it.
  CREATE TABLE identity (store BLOB NOT NULL);
  -- Every transaction that was accepted. Its place: the record that it is of (a mint: that it can begin), the height (a mint: -1; a join: its
  -- invitation's), the kind (0 mint, 1 step, 2 join, 3 of a later version). It stands (1), or has lost to another that spends the same, or
  -- follows one that has (0, or 2 when it would break a rule where it would stand). Parent: the transaction that it spends from; body: the hash. Sequence: the order in which they got
  -- the place that they have.
  CREATE TABLE transactions (
    sequence INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, record BLOB, height INTEGER, kind INTEGER NOT NULL,
    stands INTEGER NOT NULL, parent BLOB, body BLOB, bytes BLOB NOT NULL
  );
  CREATE INDEX transactions_by_place ON transactions (record, height, kind);
  CREATE INDEX transactions_that_lost ON transactions (record) WHERE stands <> 1;
  -- What follows from those that stand. The head is the step whose first output the next one spends. What is not of the chain (joins, losers,
  -- statements) is in a digest: the exclusive or of what each is known by. Changed is the newest sequence of all; bytes is what all of it takes;
  -- begun by is the lock of the creation: for the bound, as a transfer makes a record anyone's who was never asked.
  CREATE TABLE records (
    id BLOB PRIMARY KEY, name TEXT, is_dnet INTEGER NOT NULL, lock BLOB NOT NULL, begun_by BLOB NOT NULL, head BLOB NOT NULL,
    height INTEGER NOT NULL, epoch INTEGER NOT NULL, is_closed INTEGER NOT NULL, range TEXT, key BLOB, digest BLOB NOT NULL,
    changed INTEGER NOT NULL, bytes INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX records_by_change ON records (changed);
  CREATE INDEX records_by_beginner ON records (begun_by);
  CREATE INDEX records_by_name ON records (name);
  -- What holds, or held, from the step at one height (since) until that at another (null: it does now). So a step can be held against what
  -- came before it, wherever that is, and steps can be taken back.
  -- Addresses that are taken, in binary as scripts have them: by members, or (member null) by invitations; and by which transaction.
  CREATE TABLE slots (
    dnet BLOB, slot BLOB, since INTEGER, until INTEGER, member BLOB, invitation BLOB, set_by BLOB NOT NULL, PRIMARY KEY (dnet, slot, since)
  ) WITHOUT ROWID;
  -- With all that a member is asked by: else SQLite looks at every address of the dnet (1.2 ms of 10,000 instead of 10 µs).
  CREATE INDEX slots_by_member ON slots (dnet, member, until);
  CREATE TABLE attachments (
    dnet BLOB, ovx BLOB, since INTEGER, until INTEGER, set_by BLOB NOT NULL, PRIMARY KEY (dnet, ovx, since)
  ) WITHOUT ROWID;
  CREATE TABLE authorisations (
    ovx BLOB, dnet BLOB, since INTEGER, until INTEGER, expires_at INTEGER, quota_bytes INTEGER, set_by BLOB NOT NULL,
    PRIMARY KEY (ovx, dnet, since)
  ) WITHOUT ROWID;
  -- Steps whose body says what is so now, beside those of slots and attachments: the creation, every key, the newest policy and update.
  CREATE TABLE settings (
    record BLOB, op INTEGER, since INTEGER, until INTEGER, set_by BLOB NOT NULL, PRIMARY KEY (record, op, since)
  ) WITHOUT ROWID;
  -- Clouds and relays that any step here attaches, whether it stands or not: what they say is kept.
  CREATE TABLE ever_attached (dnet BLOB, ovx BLOB, step BLOB, PRIMARY KEY (dnet, ovx, step)) WITHOUT ROWID;
  -- Every key that any step here gives to a cloud or relay, whether it stands or not: what it says with it holds.
  CREATE TABLE ovx_keys (ovx BLOB, key BLOB, step BLOB, PRIMARY KEY (ovx, key, step)) WITHOUT ROWID;
  -- By record, as hashes come in no order: those of one record are near each other, and their bytes stand in the order in which they came.
  -- With a million here, SQLite alone takes 31 µs of CPU for one transaction more; where they are by hash alone 48, within the index 59.
  CREATE TABLE bodies (record BLOB, hash BLOB, bytes BLOB NOT NULL, PRIMARY KEY (record, hash));
  -- What clouds say that they have accepted: the newest statement of each about the chain of a record, and one about each join and loser.
  CREATE TABLE statements (
    transaction_id BLOB, ovx BLOB, record BLOB NOT NULL, is_join INTEGER NOT NULL, block INTEGER NOT NULL,
    sequence INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (transaction_id, ovx)
  ) WITHOUT ROWID;
  CREATE INDEX statements_by_record ON statements (record, is_join, ovx);
  -- Block headers of clouds: all of our own, some of others.
  CREATE TABLE headers (ovx BLOB, height INTEGER, size INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (ovx, height)) WITHOUT ROWID;
  -- Two headers of one cloud that cannot both be.
  CREATE TABLE forked_clouds (ovx BLOB PRIMARY KEY, sequence INTEGER NOT NULL, bytes BLOB NOT NULL) WITHOUT ROWID;
  -- The tree of a cloud that this machine is: its leaves, and the hashes of its complete subtrees.
  CREATE TABLE log (ovx BLOB, position INTEGER, transaction_id BLOB NOT NULL, PRIMARY KEY (ovx, position)) WITHOUT ROWID;
  CREATE UNIQUE INDEX log_by_transaction ON log (transaction_id, ovx);
  -- How far it has come through the transactions here, by their sequence.
  CREATE TABLE sealed (ovx BLOB PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE log_nodes (ovx BLOB, level INTEGER, position INTEGER, hash BLOB NOT NULL, PRIMARY KEY (ovx, level, position)) WITHOUT ROWID;
  -- How far we have read the logs of other replicas.
  CREATE TABLE cursors (name BLOB PRIMARY KEY, sequence INTEGER NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
  `,
];

/** Makes the tables, or brings them up to date; `newId` names a store that is made now. Throws DnetError for one of a later version. */
export function migrate(database: Database, sql: Sql, newId: Uint8Array): void {
  if (versionOf(sql) === MIGRATIONS.length) return;
  sql.atomically(() => {
    // Asked again: another process may have done it meanwhile.
    for (const migration of MIGRATIONS.slice(versionOf(sql))) database.run(migration);
    if (!sql.has("SELECT 1 FROM identity")) sql.run("INSERT INTO identity VALUES (?)", newId);
    database.run(`PRAGMA user_version = ${MIGRATIONS.length}`);
  });
}

function versionOf(sql: Sql): number {
  const { user_version: version } = sql.get<{ user_version: number }>("PRAGMA user_version")!;
  const known = MIGRATIONS.length;
  if (version <= known) return version;
  throw new DnetError("STORE_TOO_NEW", `the store is of version ${version}; this dnet knows up to ${known}`, {
    failure: "configuration",
    hint: "update dnet",
  });
}
