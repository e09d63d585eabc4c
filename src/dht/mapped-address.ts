/**
 * The address at which our router says that it lets strangers in to the server socket (a port mapping): of use once strangers have come
 * in by it. The routers in front of that one, if any, may keep them out; and whoever is on our own network may pass as the router.
 *
 * It says nothing of what we ask others from: behind a NAT that gives each destination another port, they see us elsewhere. So a node
 * that is reached by its mapping alone stays firewalled, and ephemeral; it is its servers that are open.
 */
import { type Address, sameAddress } from "../base/address.ts";
import type { Bootstrap } from "./bootstrap.ts";
import type { Contacts } from "./contacts.ts";
import { PortProbe } from "./port-probe.ts";
import type { Requests, SocketName } from "./requests.ts";

/** Ticks of 5 s until one that nobody came in by is tried again: a minute. */
const RETRY_TICKS = 12;

export interface MappedAddressOptions {
  readonly contacts: Contacts;
  readonly requests: Requests;
  readonly bootstrap: Bootstrap;
  /** It is of use now, or no longer. */
  readonly onChange: () => void;
}

export class MappedAddress {
  /** Where strangers reach us by it; null while none have shown it. */
  reached: Address | null = null;
  readonly #options: MappedAddressOptions;
  #claimed: Address | null = null;
  #probe: PortProbe | null = null;
  #ticks = 0;

  constructor(options: MappedAddressOptions) {
    this.#options = options;
  }

  /** What the router says; null when there is no mapping any more. */
  claim(now: number, address: Address | null): void {
    this.#claimed = address;
    this.check(now);
  }

  /** Tries it anew, as after a change of network. */
  check(now: number): void {
    this.#ticks = 0;
    this.#probe = null; // an answer to what was asked before counts no more
    this.#conclude(null);
    const claimed = this.#claimed;
    if (!claimed) return;
    const probe = PortProbe.start(now, {
      ...this.#options,
      port: claimed.port,
      onDone: (_now, found) => {
        if (this.#probe !== probe) return;
        this.#probe = null;
        this.#conclude(found?.host === claimed.host ? claimed : null);
      },
    });
    this.#probe = probe;
  }

  /** A tick of 5 s has passed. */
  tick(now: number): void {
    if (this.#claimed && !this.reached && !this.#probe && ++this.#ticks >= RETRY_TICKS) this.check(now);
  }

  /** A datagram arrived on that socket. */
  heard(socket: SocketName, from: Address): void {
    this.#probe?.heard(socket, from);
  }

  #conclude(reached: Address | null): void {
    const before = this.reached;
    this.reached = reached;
    const isSame = before && reached ? sameAddress(before, reached) : before === reached;
    if (!isSame) this.#options.onChange();
  }
}
