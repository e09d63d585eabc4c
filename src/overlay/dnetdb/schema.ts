/** The tables of a store, and how one of an earlier version becomes one of this. */
import type { Database } from "bun:sqlite";
import { DnetError } from "../../base/error.ts";

/** Each brings a store from one version to the next; the first makes it. Never changed once released, only added to. */
const MIGRATIONS: readonly string[] = [
  `
  -- Every transaction that was accepted, or is of a version that we do not know; record and height are null for mints and the unknown.
  CREATE TABLE transactions (
    sequence INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, bytes BLOB NOT NULL, record BLOB, height INTEGER
  );
  CREATE INDEX transactions_of_record ON transactions (record, height);
  CREATE TABLE outputs (
    transaction_id BLOB, output INTEGER, script BLOB NOT NULL, time INTEGER NOT NULL, spent_by BLOB,
    PRIMARY KEY (transaction_id, output)
  ) WITHOUT ROWID;
  CREATE TABLE mints (lock BLOB, transaction_id BLOB, PRIMARY KEY (lock, transaction_id)) WITHOUT ROWID;
  -- The head is the transaction whose first output the record's next step spends.
  CREATE TABLE records (
    id BLOB PRIMARY KEY, name TEXT, is_dnet INTEGER NOT NULL, head BLOB NOT NULL, height INTEGER NOT NULL,
    epoch INTEGER NOT NULL, is_closed INTEGER NOT NULL
  ) WITHOUT ROWID;
  -- Addresses that are taken, in binary as scripts have them: by members, or (member null) by invitations.
  CREATE TABLE slots (
    dnet BLOB, slot BLOB, member BLOB, invitation BLOB, PRIMARY KEY (dnet, slot)
  ) WITHOUT ROWID;
  CREATE INDEX slots_of_members ON slots (dnet, member);
  CREATE TABLE attachments (dnet BLOB, ovx BLOB, PRIMARY KEY (dnet, ovx)) WITHOUT ROWID;
  CREATE TABLE authorisations (
    ovx BLOB, dnet BLOB, expires_at INTEGER, quota_bytes INTEGER, PRIMARY KEY (ovx, dnet)
  ) WITHOUT ROWID;
  CREATE TABLE bodies (hash BLOB PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID;
  -- A second transaction that spends what was spent: proof that its signer has said two things.
  CREATE TABLE evidence (transaction_id BLOB PRIMARY KEY, bytes BLOB NOT NULL, accepted BLOB NOT NULL) WITHOUT ROWID;
  `,
];

/** Makes the tables, or brings them up to date. Throws DnetError for a store that a later version has written. */
export function migrate(database: Database): void {
  const { user_version: version } = database.query("PRAGMA user_version").get() as { user_version: number };
  if (version > MIGRATIONS.length) {
    throw new DnetError(
      "STORE_TOO_NEW",
      `the store is of version ${version}; this dnet knows up to ${MIGRATIONS.length}`,
      {
        failure: "configuration",
        hint: "update dnet",
      },
    );
  }
  const bring = database.transaction((from: number) => {
    for (const migration of MIGRATIONS.slice(from)) database.run(migration);
    database.run(`PRAGMA user_version = ${MIGRATIONS.length}`);
  });
  if (version < MIGRATIONS.length) bring(version);
}
