/** What has happened in a record, step by step, in the words that this machine can read of it. */
import { countedBytes } from "../base/counted.ts";
import { formatIp } from "../base/ip.ts";
import { momentText } from "../base/moment-text.ts";
import { formatPublicKey } from "../base/public-key.ts";
import { decodeCreate, decodeInvite, decodeOvx, decodePlace } from "../overlay/dnetdb/contents.ts";
import { formatC2pkh, formatId, keyHash } from "../overlay/dnetdb/ids.ts";
import { type KeptStep, readStep } from "../overlay/dnetdb/kept-step.ts";
import { openKeyring } from "../overlay/dnetdb/keyring.ts";
import { OPERANDS, type Slot } from "../overlay/dnetdb/operands.ts";
import { recordOf } from "../overlay/dnetdb/rules.ts";
import type { OpName } from "../overlay/dnetdb/script.ts";
import { type EpochRing, openPart } from "../overlay/dnetdb/sealing.ts";
import type { DnetDbSession } from "./dnetdb-session.ts";
import { type Finality, finalityBy, neededFor } from "./finality.ts";
import { ownersText } from "./owners.ts";

export interface LoggedStep {
  /** Of the chain, the creation is 0; a mint has none, a join its invitation's. */
  readonly height: number | null;
  /** Ms since 1970, as its signer says. */
  readonly time: number;
  /** C2PKH. */
  readonly signers: readonly string[];
  readonly op: OpName;
  readonly effect: string;
  /** `lost`: its signer has said two things, and the other one stands. */
  readonly status: Finality["status"] | "lost";
  readonly witnesses: number;
  readonly needed: number;
  readonly transaction: Uint8Array;
}

/** In the record's order; what has lost to another comes last. */
export function historyOf(session: DnetDbSession, record: Uint8Array): LoggedStep[] {
  const { store } = session;
  const isPrivate = store.record(record)?.isPrivate && store.view(record)?.isDnet;
  const ring: EpochRing = isPrivate ? openKeyring(store, record, session.secrets(record)).ring : new Map();
  const teller = new Teller(ring, (ovx) => store.view(ovx)?.name ?? formatId(ovx));
  const needed = neededFor(session, record);
  let height = -1;
  const tell = (bytes: Uint8Array, isLost: boolean): LoggedStep => {
    const step = readStep(store, bytes);
    const { transaction, script } = step;
    if (!isLost && script.op !== "OP_MINT" && script.op !== "OP_DNET_JOIN") height++;
    const finality = finalityBy(session, needed, transaction.id);
    return {
      height: script.op === "OP_MINT" || isLost ? null : height,
      time: transaction.time,
      signers: transaction.signatures.map(({ publicKey }) => formatC2pkh(keyHash(publicKey))),
      op: script.op,
      effect: teller.effectOf(step),
      ...finality,
      status: isLost ? "lost" : finality.status,
      transaction: transaction.id,
    };
  };
  return [
    ...store.transactionsOf(record).map((bytes) => tell(bytes, false)),
    ...store.evidence(record).map(({ bytes }) => tell(bytes, true)),
  ];
}

/** Remembers who has which address, to tell who has gone. */
class Teller {
  readonly #ring: EpochRing;
  readonly #nameOfOvx: (ovx: Uint8Array) => string;
  readonly #holders = new Map<string, string>();

  constructor(ring: EpochRing, nameOfOvx: (ovx: Uint8Array) => string) {
    this.#ring = ring;
    this.#nameOfOvx = nameOfOvx;
  }

  effectOf(step: KeptStep): string {
    const { script } = step;
    switch (script.op) {
      case "OP_MINT":
        return "mints the token that the record begins with";
      case "OP_DNET_CREATE":
        return `creates the dnet ${script.name ?? this.#name(step)}`;
      case "OP_DNET_NODE":
        return `adds ${this.#take(step, script.slot, this.#key(step))}`;
      case "OP_DNET_JOIN":
        return `joins: ${this.#take(step, script.slot, this.#key(step))}`;
      case "OP_DNET_INVITE": {
        const until = script.expiresAt === null ? "" : `, until ${momentText(script.expiresAt)}`;
        return `invites ${this.#take(step, script.slot, "someone")}${until}`;
      }
      case "OP_DNET_NODE_REMOVE":
        return `removes ${this.#holders.get(slotText(script.slot)) ?? slotText(script.slot)}`;
      case "OP_DNET_OVX":
        return `attaches ${this.#nameOfOvx(script.ovx)}`;
      case "OP_DNET_OVX_REMOVE":
        return `detaches ${this.#nameOfOvx(script.ovx)}`;
      case "OP_DNET_KEY":
        return `gives out network key ${script.epoch}`;
      case "OP_DNET_POLICY":
        return "sets the policy";
      case "OP_DNET_TRANSFER":
        return `hands it over to ${ownersText(script.lock)}`;
      case "OP_DNET_CLOSE":
      case "OP_OVX_CLOSE":
        return "closes it for good";
      case "OP_OVX_CREATE":
        return `registers ${script.name ?? "it"}: ${this.#ovx(step, script.key)}`;
      case "OP_OVX_UPDATE":
        return `makes it a ${this.#ovx(step, script.key)}`;
      case "OP_OVX_AUTH": {
        const until = script.expiresAt === null ? "" : ` until ${momentText(script.expiresAt)}`;
        return `authorises ${formatId(script.dnet)}${until}${script.quotaBytes === null ? "" : `, ${countedBytes(script.quotaBytes)} at most`}`;
      }
      case "OP_OVX_REVOKE":
        return `revokes ${formatId(script.dnet)}`;
    }
  }

  #name(step: KeptStep): string {
    const part = this.#open(step, "members");
    return (part && decodeCreate(part)?.name) || "(sealed)";
  }

  /** Who is named by a step, and where; remembered for when the address is taken back. */
  #take(step: KeptStep, slot: Slot, key: string): string {
    const part = this.#open(step, "members");
    const place = part && (step.script.op === "OP_DNET_INVITE" ? decodeInvite(part) : decodePlace(part));
    const address = slot.kind === "address" ? formatIp(slot.ip) : place ? formatIp(place.ip) : null;
    // Who joins is called what the invitation says.
    const invited = this.#holders.get(slotText(slot))?.split(" ", 1)[0];
    const name =
      place?.name ?? (step.script.op === "OP_DNET_JOIN" && invited !== "someone" ? invited : undefined) ?? key;
    const text = address ? `${name} at ${address}` : `${name}, at ${step.body ? "a sealed" : "an unknown"} address`;
    this.#holders.set(slotText(slot), text);
    return text;
  }

  #key({ script, ...step }: KeptStep): string {
    if (script.op !== "OP_DNET_NODE" && script.op !== "OP_DNET_JOIN") return "";
    if (script.member.kind === "key") return formatPublicKey(script.member.publicKey);
    const part = this.#open({ script, ...step }, "admission");
    return part ? formatPublicKey(part) : "a member";
  }

  /** `public cloud at 192.0.2.1:50069, key ...`. */
  #ovx(step: KeptStep, key: Uint8Array): string {
    const part = this.#open(step, "admission");
    const { kind, isListed, addresses } = (part && decodeOvx(part)) ?? { kind: null, isListed: false, addresses: [] };
    const what =
      kind === null ? "cloud or relay" : `${isListed ? "public" : "private"} ${kind === "ovc" ? "cloud" : "relay"}`;
    return `${what}${addresses.length > 0 ? ` at ${addresses.join(", ")}` : ""}, key ${formatPublicKey(key)}`;
  }

  /** Null when it is sealed, or no more here. */
  #open({ script, body }: KeptStep, part: "admission" | "members"): Uint8Array | null {
    const found = body && openPart(body, part, recordOf(script)!, script.op, this.#ring);
    return found && found.length > 0 ? found : null;
  }
}

function slotText(slot: Slot): string {
  return OPERANDS.slot.format(slot);
}
