/** Which addresses and names of a dnet are taken, while more are given out. */
import { sameBytes } from "../../base/bytes.ts";
import { DnetError } from "../../base/error.ts";
import { formatIp, formatPrefix } from "../../base/ip.ts";
import { formatPublicKey } from "../../base/public-key.ts";
import { freeIp4s, isInRange, isWithin, memberIp6, ula48 } from "./addresses.ts";
import { foldName } from "./dnet-reading.ts";
import type { DnetView } from "./dnet-view.ts";
import type { MemberReference, Slot } from "./operands.ts";
import { memberTag, slotTag } from "./sealing.ts";
import type { Store } from "./store.ts";

/** What stands for an address in a dnet's scripts. */
export function slotFor({ slotKey }: DnetView, ip: Uint8Array): Slot {
  return slotKey ? slotTag(slotKey, ip) : { kind: "address", ip };
}

/** What stands for a member. */
export function memberFor({ slotKey }: DnetView, publicKey: Uint8Array): MemberReference {
  return slotKey ? memberTag(slotKey, publicKey) : { kind: "key", publicKey };
}

export class Roster {
  readonly #store: Store;
  readonly #view: DnetView;
  /** By addresses in hex: whose it is, for a person, and by whose key. */
  readonly #holders = new Map<string, { readonly who: string; readonly publicKey: Uint8Array | null }>();
  readonly #names = new Map<string, string>();
  readonly #free: Generator<Uint8Array, undefined> | null;

  constructor(store: Store, view: DnetView) {
    this.#store = store;
    this.#view = view;
    for (const { publicKey, name, addresses } of view.members) {
      const who = name ?? formatPublicKey(publicKey);
      for (const ip of addresses) this.#holders.set(ip.toHex(), { who, publicKey });
      if (name) this.#names.set(foldName(name), formatPublicKey(publicKey));
    }
    for (const { address, name } of view.invitations) {
      this.#holders.set(address.toHex(), { who: name ? `${name}, who is invited` : "an invitation", publicKey: null });
      if (name) this.#names.set(foldName(name), "an invitation");
    }
    this.#free = view.range4 && freeIp4s(view.range4, (ip) => this.#isTaken(ip));
  }

  /** Throws DnetError when another has it. */
  takeName(name: string | null, publicKey: Uint8Array): void {
    if (name === null) return;
    const holder = this.#names.get(foldName(name));
    const by = formatPublicKey(publicKey);
    if (holder !== undefined && holder !== by) {
      throw new DnetError("NAME_TAKEN", `${name} is the name of ${holder} in this dnet`, {
        hint: "another name",
      });
    }
    this.#names.set(foldName(name), by);
  }

  /** The given address, or else a free one: of IPv4 where the dnet has a range, otherwise the one that follows from the key. */
  takeAddress(given: Uint8Array | null, publicKey: Uint8Array, who: string): Uint8Array {
    const ip = given ?? this.#anyAddress(publicKey);
    this.#check(ip, publicKey);
    this.#holders.set(ip.toHex(), { who, publicKey });
    return ip;
  }

  #anyAddress(publicKey: Uint8Array): Uint8Array {
    const { id, range4 } = this.#view;
    if (!this.#free) return memberIp6(id, publicKey);
    const free = this.#free.next().value;
    if (free) return free;
    throw new DnetError("RANGE_FULL", `no address of ${formatPrefix(range4!)} is free`, {
      hint: "give one of IPv6, or remove members or invitations that are no more wanted",
    });
  }

  #check(ip: Uint8Array, publicKey: Uint8Array): void {
    const { id, range4 } = this.#view;
    const text = formatIp(ip);
    if (!isInRange(id, range4, ip)) {
      const range = ip.length === 4 ? range4 : ula48(id);
      const flaw = !range
        ? "is of IPv4, of which this dnet has no range"
        : isWithin(range, ip)
          ? `is the first or last address of ${formatPrefix(range)}, which are nobody's`
          : `is not in the range ${formatPrefix(range)} of this dnet`;
      throw new DnetError("OUT_OF_RANGE", `${text} ${flaw}`, {
        hint: "name another address, or none: a free one is taken",
        failure: "usage",
      });
    }
    const holder = this.#holders.get(ip.toHex());
    const isOwn = holder?.publicKey && sameBytes(holder.publicKey, publicKey);
    // The one that follows from its key can be given to a member, once.
    if ((!holder || isOwn) && !this.#store.hasSlot(id, slotFor(this.#view, ip))) return;
    throw new DnetError("ADDRESS_TAKEN", `${text} is taken: it belongs to ${holder?.who ?? "another member"}`, {
      hint: "name another address, or none: a free one is taken",
    });
  }

  #isTaken(ip: Uint8Array): boolean {
    return this.#holders.has(ip.toHex()) || this.#store.hasSlot(this.#view.id, slotFor(this.#view, ip));
  }
}
