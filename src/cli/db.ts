import { group } from "./command.ts";
import { dbAt } from "./db-at.ts";
import { dbCheckProof } from "./db-check-proof.ts";
import { dbCollect } from "./db-collect.ts";
import { dbDiff } from "./db-diff.ts";
import { dbEvidence } from "./db-evidence.ts";
import { dbExport, dbImport } from "./db-export.ts";
import { dbFetch } from "./db-fetch.ts";
import { dbLog } from "./db-log.ts";
import { dbProve } from "./db-prove.ts";
import { dbPublish } from "./db-publish.ts";
import { dbServe } from "./db-serve.ts";
import { dbSign } from "./db-sign.ts";
import { dbSubmit } from "./db-submit.ts";
import { dbSync } from "./db-sync.ts";
import { dbVerify } from "./db-verify.ts";
import { dbWitness } from "./db-witness.ts";

export const db = group({
  name: "db",
  summary: "Read, check, sign and share DNetDB's records",
  subcommands: [
    dbLog,
    dbAt,
    dbDiff,
    dbVerify,
    dbEvidence,
    dbProve,
    dbCheckProof,
    dbExport,
    dbImport,
    dbSign,
    dbSubmit,
    dbServe,
    dbSync,
    dbPublish,
    dbFetch,
    dbWitness,
    dbCollect,
  ],
});
