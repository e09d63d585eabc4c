/**
 * How a dnet is read. What stands in clear comes from the store, which has it by the rules; what is sealed is opened with what
 * the reader has, and held against its tags and range here: no one else can. What does not fit is left out, and reported.
 */
import { sameBytes } from "../../base/bytes.ts";
import { formatIp, type Prefix } from "../../base/ip.ts";
import { formatPublicKey, PUBLIC_KEY_BYTES } from "../../base/public-key.ts";
import { isInRange, memberIp6 } from "./addresses.ts";
import {
  type CreateContent,
  decodeCreate,
  decodeInvite,
  decodePlace,
  type InviteContent,
  type Place,
} from "./contents.ts";
import type { DnetView, InvitationView, MemberView, Reads } from "./dnet-view.ts";
import { formatC2pkh, keyHash } from "./ids.ts";
import { type KeptStep, newestStep, readStep } from "./kept-step.ts";
import type { Keyring } from "./keyring.ts";
import { readAttached } from "./ovx-view.ts";
import { DEFAULT_POLICY, type Policy, parsePolicy } from "./policy.ts";
import { recordOf, sameSlot } from "./rules.ts";
import type { Script } from "./script.ts";
import { memberTag, openPart, slotTag } from "./sealing.ts";
import type { SlotView } from "./state.ts";
import type { Store } from "./store.ts";

/** More say no more. */
const MAX_FLAWS = 100;

/** Two names that differ in capitals alone are one: DNS does not tell them apart (RFC 4343). */
export function foldName(name: string): string {
  return name.toLowerCase();
}

/** An address that is taken, as the reader sees it. */
interface Holding {
  readonly step: KeptStep;
  readonly place: Partial<Place>;
  /** Null for an invitation. */
  readonly publicKey: Uint8Array | null;
  readonly seedKey: Uint8Array | null;
}

type MemberDraft = Omit<MemberView, "name" | "addresses" | "given"> & {
  name: string | null;
  readonly given: Uint8Array[];
};

/** One reading of one dnet, which has to be here. */
export class DnetReading {
  readonly #store: Store;
  readonly #dnet: Uint8Array;
  readonly #isPrivate: boolean;
  readonly #keyring: Keyring;
  readonly #flaws: string[] = [];
  #sealed = 0;
  #creation: CreateContent | null = null;
  #range4: Prefix | null = null;
  readonly #members = new Map<string, MemberDraft>();
  readonly #invitations: InvitationView[] = [];
  /** Who has it, by folded names. */
  readonly #names = new Map<string, string>();

  constructor(store: Store, dnet: Uint8Array, keyring: Keyring) {
    this.#store = store;
    this.#dnet = dnet;
    this.#isPrivate = store.record(dnet)!.isPrivate;
    this.#keyring = keyring;
  }

  read(): DnetView {
    const record = this.#store.view(this.#dnet)!;
    const creation = newestStep(this.#store, this.#dnet, "OP_DNET_CREATE")!;
    const part = this.#open(creation, "members");
    this.#creation = part && decodeCreate(part);
    this.#range4 = this.#isPrivate ? (this.#creation?.range4 ?? null) : record.range4;
    if (part && !this.#creation?.slotKey && this.#isPrivate)
      this.#flaw("what the dnet was created with is not of this form");
    for (const slot of this.#store.slots(this.#dnet)) this.#readSlot(slot);
    const { id, epoch, height, head, isClosed, lock } = record;
    return {
      ...{ id, epoch, height, head, isClosed, lock },
      name: this.#isPrivate ? (this.#creation?.name ?? null) : record.name,
      isPrivate: this.#isPrivate,
      reads: this.#reads(epoch),
      networkKey: this.#keyring.networkKey,
      range4: this.#range4,
      slotKey: this.#creation?.slotKey ?? null,
      members: this.#membersWithIp6(),
      invitations: this.#invitations,
      sealed: this.#sealed,
      ovxs: this.#store.attached(this.#dnet).map(({ ovx }) => readAttached(this.#store, this.#dnet, ovx)),
      policy: this.#readPolicy(),
      flaws: this.#flaws,
    };
  }

  #reads(epoch: number): Reads {
    if (!this.#isPrivate) return "everything";
    const { ring } = this.#keyring;
    if (ring.size === 0) return "nothing";
    const keys = ring.get(epoch);
    if (!keys) return "past";
    return keys.body && this.#creation?.slotKey ? "everything" : "keys";
  }

  #readSlot(view: SlotView): void {
    const step = readStep(this.#store, view.bytes);
    const holding = this.#isPrivate ? this.#openHolding(view, step) : this.#clearHolding(view, step);
    if (!holding) return;
    if (holding.publicKey) this.#addMember(holding, holding.publicKey);
    else this.#addInvitation(holding);
  }

  /** The script has all but the names. */
  #clearHolding({ slot, member, invitation }: SlotView, step: KeptStep): Holding | null {
    if (slot.kind === "tag" || member?.kind === "tag") return null; // the rules let none in
    const place = this.#placeOf(step);
    const name = place?.ip && sameBytes(place.ip, slot.ip) ? this.#nameOf(place, invitation, step) : null;
    return {
      step,
      place: { ip: slot.ip, name },
      publicKey: member?.publicKey ?? null,
      seedKey: place?.seedKey ?? null,
    };
  }

  /** Null when it is sealed, or does not fit. */
  #openHolding({ slot, member, invitation }: SlotView, step: KeptStep): Holding | null {
    const slotKey = this.#creation?.slotKey;
    const publicKey = member && this.#open(step, "admission");
    const place = this.#placeOf(step);
    const isHidden = !slotKey || !place;
    if (member ? publicKey === null : isHidden) {
      this.#sealed++;
      return null;
    }
    const what = `the step ${step.transaction.id.toHex().slice(0, 16)}`;
    if (publicKey && publicKey.length !== PUBLIC_KEY_BYTES) return this.#flaw(`${what} has no public key`);
    // Who has the admission key alone sees keys and cannot check their tags.
    if (isHidden) return { step, place: {}, publicKey, seedKey: null };
    if (!place.ip) return this.#flaw(`${what} has no address`);
    const at = formatIp(place.ip);
    if (!sameSlot(slotTag(slotKey, place.ip), slot)) return this.#flaw(`${what} has ${at}, and another's tag`);
    if (!isInRange(this.#dnet, this.#range4, place.ip))
      return this.#flaw(`${at} of ${what} is not in the dnet's range`);
    const tag = publicKey && memberTag(slotKey, publicKey).tag;
    if (tag && member?.kind === "tag" && !sameBytes(tag, member.tag)) {
      return this.#flaw(`${what} has the key ${formatPublicKey(publicKey)}, and another's tag`);
    }
    return {
      step,
      place: { ip: place.ip, name: this.#nameOf(place, invitation, step) },
      publicKey,
      seedKey: place.seedKey ?? null,
    };
  }

  /** Null when it is sealed or not here; with nothing in it when it is there and none. */
  #placeOf(step: KeptStep): Partial<InviteContent> | null {
    const part = this.#open(step, "members");
    if (!part) return null;
    return (step.script.op === "OP_DNET_INVITE" ? decodeInvite(part) : decodePlace(part)) ?? {};
  }

  /** Who joins is called what the owner has said, and else what it says itself. */
  #nameOf({ name = null }: Partial<Place>, invitation: Uint8Array | null, step: KeptStep): string | null {
    if (step.script.op !== "OP_DNET_JOIN") return name;
    const bytes = invitation && this.#store.transaction(invitation);
    return (bytes && this.#placeOf(readStep(this.#store, bytes))?.name) || name;
  }

  #addMember({ step, place }: Holding, publicKey: Uint8Array): void {
    const hex = publicKey.toHex();
    const name = this.#claimName(place.name ?? null, hex);
    const given = place.ip ? [place.ip] : [];
    const known = this.#members.get(hex);
    if (known) {
      known.name ??= name;
      known.given.push(...given);
      return;
    }
    const { transaction, script } = step;
    this.#members.set(hex, {
      publicKey,
      c2pkh: formatC2pkh(keyHash(publicKey)),
      name,
      given,
      how: script.op === "OP_DNET_JOIN" ? "joined" : "added",
      at: transaction.time,
      transaction: transaction.id,
    });
  }

  /** Gives each member the address of its key, which can be no other's. */
  #membersWithIp6(): MemberView[] {
    const members = [...this.#members.values()];
    const derived = members.map(({ publicKey }) => memberIp6(this.#dnet, publicKey));
    const owners = new Map(derived.map((ip, i) => [ip.toHex(), i]));
    return members.map((member, i) => {
      const addresses = member.given.filter((ip) => {
        const owner = ip.length === 16 ? owners.get(ip.toHex()) : undefined;
        if (owner !== undefined && owner !== i)
          this.#flaw(`${formatIp(ip)} was given to one, and follows from another's key`);
        return owner === undefined;
      });
      return { ...member, addresses: [...addresses, derived[i]!] };
    });
  }

  #addInvitation({ step, place, seedKey }: Holding): void {
    const { transaction, script } = step;
    const { expiresAt } = script as Script<"OP_DNET_INVITE">;
    const name = this.#claimName(place.name ?? null, transaction.id.toHex());
    const { id, time: at } = transaction;
    this.#invitations.push({ address: place.ip!, name, expiresAt, at, transaction: id, seedKey });
  }

  /** Whoever had a name first keeps it: the names of members are where their traffic goes. */
  #claimName(name: string | null, by: string): string | null {
    if (name === null) return null;
    const folded = foldName(name);
    const holder = this.#names.get(folded) ?? by;
    if (holder !== by) return this.#flaw(`two are named ${name}; the first keeps the name`);
    this.#names.set(folded, by);
    return name;
  }

  #readPolicy(): Policy | null {
    const step = newestStep(this.#store, this.#dnet, "OP_DNET_POLICY");
    if (!step) return DEFAULT_POLICY;
    const part = this.#open(step, "members");
    if (!part) return null;
    const policy = parsePolicy(new TextDecoder().decode(part));
    if (!policy) this.#flaw("the policy is none that this dnet knows");
    return policy ?? DEFAULT_POLICY;
  }

  #open({ script, body }: KeptStep, part: "admission" | "members"): Uint8Array | null {
    const isOfForm = body && (body.epoch !== null) === this.#isPrivate;
    return isOfForm ? openPart(body, part, recordOf(script)!, script.op, this.#keyring.ring) : null;
  }

  #flaw(line: string): null {
    if (this.#flaws.length < MAX_FLAWS) this.#flaws.push(line);
    return null;
  }
}
