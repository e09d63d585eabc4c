/**
 * A way to a peer by IPv6, beside hole punching and between two dnets alone: each names an address of its own in the handshake, and a
 * HyperDHT names none. There is no NAT there, but there are firewalls, which let in what seems to answer what went out (RFC 6092
 * §3.2.3). So both send to each other, the server as soon as it has heard of the client, the client when it has the answer; what comes
 * through shows that the way is open.
 *
 * An address that a peer names may be somebody else's. To one address of it go three datagrams of one byte, in all 147 bytes with their
 * headers: fewer than the handshake had in which it was named. More go there only for what comes from there, one for one.
 */
import { type Address, sameAddress } from "../base/address.ts";
import { isGlobalIp6 } from "../base/address-classes.ts";
import type { ConnectionSurroundings, Way } from "./connection-surroundings.ts";

const PROBES_AT_MS = [0, 200, 600] as const;
/** For how long something may come of it: the client's last probe leaves so much later than the server's first, and is answered. */
const HOPES_MS = 2_000;

export class Ip6Probes {
  /** Nothing will come of it after that. */
  readonly hopesUntil: number;
  /** The peer, as it names itself. */
  readonly #to: Address;
  readonly #probe: ConnectionSurroundings["probe"];
  readonly #startedAt: number;
  #sent = 0;

  /** Null when we have no address there, or `theirs` names none. */
  static start(now: number, around: ConnectionSurroundings, theirs: readonly Address[]): Ip6Probes | null {
    const to = theirs.find(({ host, port }) => isGlobalIp6(host) && port !== 0);
    return to && around.addresses6().length > 0 ? new Ip6Probes(now, around, to) : null;
  }

  private constructor(now: number, around: ConnectionSurroundings, to: Address) {
    this.hopesUntil = now + HOPES_MS;
    this.#to = to;
    this.#probe = around.probe;
    this.#startedAt = now;
    this.advance(now);
  }

  /** Whether what came that way is from the peer. */
  isPeer({ socket, to: from }: Way): boolean {
    return socket === "six" && sameAddress(from, this.#to);
  }

  advance(now: number): void {
    for (; now >= this.deadline(); this.#sent++) this.#probe("six", this.#to, "far");
  }

  deadline(): number {
    return this.#startedAt + (PROBES_AT_MS[this.#sent] ?? Infinity);
  }
}
