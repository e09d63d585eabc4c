import type { Address } from "../../../src/base/address.ts";
import type { Happening } from "./event-queue.ts";
import type { Host } from "./host.ts";
import type { Attachment } from "./realm.ts";

/** A datagram on its way. NATs rewrite `from` and `to` as it passes them. */
export class Flight implements Happening {
  /** Where it arrives next. */
  next: Attachment | null = null;
  /** Whether it comes across the public realm, so that the line of who receives it delays it too. */
  isFar = false;

  constructor(
    readonly sender: Host,
    public from: Address,
    public to: Address,
    readonly datagram: Uint8Array,
    public ttl: number,
  ) {}

  happen(): void {
    this.next!.arrive(this);
  }

  copy(): Flight {
    const copy = new Flight(this.sender, this.from, this.to, new Uint8Array(this.datagram), this.ttl);
    copy.isFar = this.isFar;
    return copy;
  }
}

/** Why a datagram did not arrive. */
export type DropReason =
  | "asleep" // an end's lid is closed
  | "offline" // an end has no network
  | "partitioned" // the ends lie in different parts
  | "intercepted" // the test wanted it so (`dropWhen`)
  | "lost" // by chance
  | "too-big" // beyond the MTU
  | "ttl" // no hops were left
  | "private" // a private address that is not of the sender's site
  | "unreachable" // nobody has that address
  | "closed" // no socket listens on that port
  | "nat-full" // the NAT has no room for one more mapping
  | "unmapped" // the NAT knows no mapping of that port
  | "filtered" // the NAT knows it, and does not let that sender in
  | "no-hairpin"; // the NAT does not turn datagrams round

export type Fate = "delivered" | DropReason;
