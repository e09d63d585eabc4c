/** What follows from the steps that stand: the answers to the rules' questions, and to those of the roles. */
import { type Prefix, parsePrefix } from "../../base/ip.ts";
import { Reader } from "../../wire/reader.ts";
import { type Lock, lockBytes, readLock } from "./lock.ts";
import { type MemberReference, operandBytes, operandOf, type Slot } from "./operands.ts";
import type { RecordFacts, StepFacts } from "./rules.ts";
import { OPS, type OpName } from "./script.ts";
import type { Sql } from "./sql.ts";

export interface RecordView {
  readonly id: Uint8Array;
  /** Null when it is sealed. */
  readonly name: string | null;
  readonly isDnet: boolean;
  readonly lock: Lock;
  /** The transaction that its next step spends. */
  readonly head: Uint8Array;
  /** Steps since the creation, which is 0. */
  readonly height: number;
  readonly epoch: number;
  readonly isClosed: boolean;
  /** Of a public dnet. */
  readonly range4: Prefix | null;
  /** A cloud's or relay's own. */
  readonly key: Uint8Array | null;
}

/** An address that is taken, by whom and since when. */
export interface SlotView {
  readonly slot: Slot;
  /** Null: it is reserved by an invitation. */
  readonly member: MemberReference | null;
  /** The invitation that reserved it, joined or not; null where the owner named the member. */
  readonly invitation: Uint8Array | null;
  /** The transaction that set it so, and its height. */
  readonly bytes: Uint8Array;
  readonly height: number;
}

export interface Authorisation {
  readonly dnet: Uint8Array;
  /** Ms since 1970; null for never. */
  readonly expiresAt: number | null;
  /** Null for none. */
  readonly quotaBytes: number | null;
  /** The step that says so. */
  readonly bytes: Uint8Array;
}

const AUTHORISATION =
  "SELECT dnet, expires_at AS expiresAt, quota_bytes AS quotaBytes, bytes FROM authorisations JOIN transactions ON id = set_by";
/** A height. */
const NOW = Infinity;
const HELD = "since <= ? AND (until IS NULL OR until > ?)";

export class State {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  // Answers

  view(id: Uint8Array): RecordView | null {
    const row = this.#sql.get<RecordRow>("SELECT * FROM records WHERE id = ?", id);
    return row && viewOf(row);
  }

  facts(id: Uint8Array): RecordFacts | null {
    const sql = "SELECT name, epoch, range FROM records WHERE id = ?";
    const row = this.#sql.get<{ name: string | null; epoch: number; range: string | null }>(sql, id);
    return row && { isPrivate: row.name === null, epoch: row.epoch, range4: rangeFrom(row.range) };
  }

  /** As they were when the record's steps had come to that height. */
  factsAt(height: number): StepFacts {
    return {
      record: (id) => {
        const facts = this.facts(id);
        return facts && { ...facts, epoch: this.epochAt(id, height) };
      },
      hasSlot: (dnet, slot) => this.hasSlot(dnet, slot, height),
      isAttached: (dnet, ovx) => this.isAttached(dnet, ovx, height),
      isAuthorised: (ovx, dnet) => this.isAuthorised(ovx, dnet, height),
    };
  }

  records(kind: "dnet" | "ovx"): RecordView[] {
    const sql = "SELECT * FROM records WHERE is_dnet = ? ORDER BY name, id";
    return this.#sql.all<RecordRow>(sql, kind === "dnet" ? 1 : 0).map(viewOf);
  }

  /** How many records this lock has begun, whoever owns them now. */
  begunBy(lock: Lock): number {
    const sql = "SELECT COUNT(*) AS count FROM records WHERE begun_by = ?";
    return this.#sql.get<{ count: number }>(sql, lockBytes(lock))!.count;
  }

  /** What a record takes; 0 for one that is not here. */
  bytesOf(record: Uint8Array): number {
    return this.#sql.get<{ bytes: number }>("SELECT bytes FROM records WHERE id = ?", record)?.bytes ?? 0;
  }

  /** Addresses that are taken, in the order in which they came to be. */
  slots(dnet: Uint8Array): SlotView[] {
    const sql =
      "SELECT slot, member, invitation, bytes, height FROM slots JOIN transactions ON id = set_by WHERE dnet = ? AND until IS NULL ORDER BY height, slot";
    return this.#sql.all<SlotRow>(sql, dnet).map((row) => ({
      ...row,
      slot: operandOf("slot", row.slot),
      member: row.member && operandOf("member", row.member),
    }));
  }

  /** A member's addresses; none for who is none. */
  slotsOf(dnet: Uint8Array, member: MemberReference): Slot[] {
    const sql = "SELECT slot FROM slots WHERE dnet = ? AND member = ? AND until IS NULL ORDER BY slot";
    return this.#sql.all<SlotRow>(sql, dnet, operandBytes("member", member)).map(({ slot }) => operandOf("slot", slot));
  }

  hasSlot(dnet: Uint8Array, slot: Slot, height = NOW): boolean {
    const sql = `SELECT 1 FROM slots WHERE dnet = ? AND slot = ? AND ${HELD}`;
    return this.#sql.has(sql, dnet, operandBytes("slot", slot), height, height);
  }

  /** Clouds and relays that are attached now, in the order of their attachment, each with the step that did it. */
  attached(dnet: Uint8Array): { readonly ovx: Uint8Array; readonly bytes: Uint8Array }[] {
    const sql =
      "SELECT ovx, bytes FROM attachments JOIN transactions ON id = set_by WHERE dnet = ? AND until IS NULL ORDER BY since";
    return this.#sql.all(sql, dnet);
  }

  /** Those that are attached now, and then those that any step here attaches, whether it stands or not. */
  everAttached(dnet: Uint8Array): Uint8Array[] {
    const sql = `SELECT DISTINCT ovx FROM ever_attached WHERE dnet = ?1 ORDER BY ovx NOT IN
      (SELECT ovx FROM attachments WHERE dnet = ?1 AND until IS NULL)`;
    return this.#sql.all<{ ovx: Uint8Array }>(sql, dnet).map(({ ovx }) => ovx);
  }

  /** Those that were when the dnet's steps had come to that height; Infinity for now. */
  attachedAt(dnet: Uint8Array, height: number): Uint8Array[] {
    const sql = `SELECT ovx FROM attachments WHERE dnet = ? AND ${HELD}`;
    return this.#sql.all<{ ovx: Uint8Array }>(sql, dnet, height, height).map(({ ovx }) => ovx);
  }

  isAttached(dnet: Uint8Array, ovx: Uint8Array, height = NOW): boolean {
    const sql = `SELECT 1 FROM attachments WHERE dnet = ? AND ovx = ? AND ${HELD}`;
    return this.#sql.has(sql, dnet, ovx, height, height);
  }

  /** By any step here, whether it stands or not. */
  wasAttached(dnet: Uint8Array, ovx: Uint8Array): boolean {
    return this.#sql.has("SELECT 1 FROM ever_attached WHERE dnet = ? AND ovx = ?", dnet, ovx);
  }

  /** The dnets that a cloud or relay serves. */
  authorised(ovx: Uint8Array): Authorisation[] {
    return this.#sql.all<Authorisation>(`${AUTHORISATION} WHERE ovx = ? AND until IS NULL ORDER BY dnet`, ovx);
  }

  authorisation(ovx: Uint8Array, dnet: Uint8Array): Authorisation | null {
    return this.#sql.get<Authorisation>(`${AUTHORISATION} WHERE ovx = ? AND dnet = ? AND until IS NULL`, ovx, dnet);
  }

  isAuthorised(ovx: Uint8Array, dnet: Uint8Array, height = NOW): boolean {
    const sql = `SELECT 1 FROM authorisations WHERE ovx = ? AND dnet = ? AND ${HELD}`;
    return this.#sql.has(sql, ovx, dnet, height, height);
  }

  /** Steps of that op whose bodies say what is so now, oldest first: every key, otherwise the newest. */
  settings(record: Uint8Array, op: OpName): Uint8Array[] {
    const sql =
      "SELECT bytes FROM settings JOIN transactions ON id = set_by WHERE settings.record = ? AND op = ? AND until IS NULL ORDER BY since";
    return this.#sql.all<{ bytes: Uint8Array }>(sql, record, OPS[op].code).map(({ bytes }) => bytes);
  }

  /** By any step here, whether it stands or not. */
  isKeyOf(ovx: Uint8Array, key: Uint8Array): boolean {
    return this.#sql.has("SELECT 1 FROM ovx_keys WHERE ovx = ? AND key = ?", ovx, key);
  }

  /** Whether it says something of clouds. */
  isHeard(record: Uint8Array, step: Uint8Array): boolean {
    const sql =
      "SELECT 1 FROM ever_attached WHERE dnet = ?1 AND step = ?2 UNION ALL SELECT 1 FROM ovx_keys WHERE ovx = ?1 AND step = ?2";
    return this.#sql.has(sql, record, step);
  }

  /** Each key has an epoch of its own, one after another from 1 on. */
  epochAt(dnet: Uint8Array, height: number): number {
    const sql = "SELECT COUNT(*) AS epoch FROM settings WHERE record = ? AND op = ? AND since <= ?";
    return this.#sql.get<{ epoch: number }>(sql, dnet, OPS.OP_DNET_KEY.code, height)!.epoch;
  }
}

interface RecordRow {
  readonly id: Uint8Array;
  readonly name: string | null;
  readonly is_dnet: number;
  readonly lock: Uint8Array;
  readonly head: Uint8Array;
  readonly height: number;
  readonly epoch: number;
  readonly is_closed: number;
  readonly range: string | null;
  readonly key: Uint8Array | null;
}

interface SlotRow {
  readonly slot: Uint8Array;
  readonly member: Uint8Array | null;
  readonly invitation: Uint8Array | null;
  readonly bytes: Uint8Array;
  readonly height: number;
}

function viewOf(row: RecordRow): RecordView {
  const { id, name, head, height, epoch, key } = row;
  const [isDnet, isClosed] = [row.is_dnet === 1, row.is_closed === 1];
  const lock = readLock(new Reader(row.lock))!;
  return { id, name, isDnet, lock, head, height, epoch, isClosed, range4: rangeFrom(row.range), key };
}

function rangeFrom(text: string | null): Prefix | null {
  return text === null ? null : parsePrefix(text);
}
