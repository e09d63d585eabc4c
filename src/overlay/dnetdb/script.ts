/**
 * What an output says and who may spend it: an op with its operands, then the lock. The README beside this file has the tables.
 *   binary  op u8 ‖ operands ‖ lock
 *   text    OP_DNET_NODE <dnet_id> <virtual_ip> <PubKey> OP_DROP <lock>
 * Each meaning has one binary form and one text; whatever else there is, is none.
 */
import { Reader } from "../../wire/reader.ts";
import { Writer } from "../../wire/writer.ts";
import { formatLock, type Lock, parseLock, readLock, writeLock } from "./lock.ts";
import { OPERANDS, type OperandKind, type OperandValue } from "./operands.ts";

/** Each op's number, and its operands in their order. */
export const OPS = {
  OP_MINT: { code: 0x01, operands: {} },
  OP_DNET_CREATE: { code: 0x10, operands: { dnet: "id", name: "name" } },
  OP_DNET_NODE: { code: 0x11, operands: { dnet: "id", slot: "slot", member: "member" } },
  OP_DNET_NODE_REMOVE: { code: 0x12, operands: { dnet: "id", slot: "slot" } },
  OP_DNET_OVX: { code: 0x13, operands: { dnet: "id", ovx: "id" } },
  OP_DNET_OVX_REMOVE: { code: 0x14, operands: { dnet: "id", ovx: "id" } },
  OP_DNET_INVITE: { code: 0x15, operands: { dnet: "id", slot: "slot", expiresAt: "moment" } },
  OP_DNET_JOIN: { code: 0x16, operands: { dnet: "id", slot: "slot", member: "member" } },
  OP_DNET_KEY: { code: 0x17, operands: { dnet: "id", epoch: "epoch" } },
  OP_DNET_POLICY: { code: 0x18, operands: { dnet: "id" } },
  OP_DNET_TRANSFER: { code: 0x19, operands: { dnet: "id" } },
  OP_DNET_CLOSE: { code: 0x1a, operands: { dnet: "id" } },
  OP_OVX_CREATE: { code: 0x20, operands: { ovx: "id", name: "name", key: "key" } },
  OP_OVX_UPDATE: { code: 0x21, operands: { ovx: "id", key: "key" } },
  OP_OVX_AUTH: { code: 0x22, operands: { ovx: "id", dnet: "id", expiresAt: "moment", quotaBytes: "quota" } },
  OP_OVX_REVOKE: { code: 0x23, operands: { ovx: "id", dnet: "id" } },
  OP_OVX_CLOSE: { code: 0x24, operands: { ovx: "id" } },
} as const satisfies { readonly [op: string]: { code: number; operands: { readonly [name: string]: OperandKind } } };

export type OpName = keyof typeof OPS;

/** One of the ops, with its operands by name, and the lock of the output. */
export type Script<Op extends OpName = OpName> = Op extends OpName
  ? { readonly op: Op; readonly lock: Lock } & {
      readonly [Name in keyof (typeof OPS)[Op]["operands"]]: OperandValue<
        Extract<(typeof OPS)[Op]["operands"][Name], OperandKind>
      >;
    }
  : never;

const DROP = "OP_DROP";
const NAMES = Object.keys(OPS) as OpName[];
/** An op, three operands of 33 bytes, a lock to 16 keys: what any script fits into. */
export const MAX_SCRIPT_BYTES = 512;

export function encodeScript(script: Script): Uint8Array {
  const w = new Writer().u8(OPS[script.op].code);
  for (const [kind, value] of operandsOf(script)) OPERANDS[kind].write(w, value as never);
  writeLock(w, script.lock);
  return w.finish();
}

/** Null for anything but one whole script in its one form. */
export function decodeScript(bytes: Uint8Array): Script | null {
  const r = new Reader(bytes);
  const code = r.u8();
  const op = NAMES.find((name) => OPS[name].code === code);
  if (!op) return null;
  const script: { [name: string]: unknown } = { op };
  for (const [name, kind] of Object.entries(OPS[op].operands)) {
    script[name] = OPERANDS[kind as OperandKind].read(r);
    if (script[name] === undefined) return null;
  }
  script["lock"] = readLock(r);
  return r.ok && r.remaining === 0 && script["lock"] ? (script as unknown as Script) : null;
}

export function formatScript(script: Script): string {
  const operands = operandsOf(script).map(([kind, value]) => OPERANDS[kind].format(value as never));
  return [script.op, ...operands, DROP, formatLock(script.lock)].join(" ");
}

/** Null for anything but what `formatScript` writes, give or take the order of a lock's keys. */
export function parseScript(text: string): Script | null {
  const words = text.split(" ");
  const op = NAMES.find((name) => name === words[0]);
  if (!op) return null;
  const script: { [name: string]: unknown } = { op };
  let at = 1;
  for (const [name, kind] of Object.entries(OPS[op].operands)) {
    script[name] = OPERANDS[kind as OperandKind].parse(words[at++] ?? "");
    if (script[name] === undefined) return null;
  }
  script["lock"] = words[at] === DROP ? parseLock(words.slice(at + 1)) : null;
  return script["lock"] ? (script as unknown as Script) : null;
}

function operandsOf(script: Script): [OperandKind, unknown][] {
  const values = script as unknown as { readonly [name: string]: unknown };
  return Object.entries(OPS[script.op].operands).map(([name, kind]) => [kind as OperandKind, values[name]]);
}
