/** A mapping by PCP. Source: RFC 6887 §11. */
import type { Address } from "../base/address.ts";
import { decodeNatPmpResponse } from "../wire/nat-pmp.ts";
import { decodePcpResponse, encodePcpMap, PCP_NONCE_BYTES, PCP_PORT } from "../wire/pcp.ts";
import { LIFETIME_S, type MappingOwner, type MappingProtocol, type RouterLink } from "./protocol.ts";
import { Question } from "./question.ts";

export class Pcp implements MappingProtocol {
  readonly name = "PCP";
  readonly #router: RouterLink;
  readonly #owner: MappingOwner;
  /** Nobody else can renew, move or delete the mapping, and no answer can be made up by who does not see it. */
  readonly #nonce: Uint8Array;
  #external: Address;
  #askedS = 0;
  #question: Question | null = null;

  constructor(router: RouterLink, owner: MappingOwner) {
    this.#router = router;
    this.#owner = owner;
    this.#nonce = router.random.bytes(PCP_NONCE_BYTES);
    this.#external = { host: "0.0.0.0", port: router.internal.port };
  }

  map(now: number): void {
    this.#ask(now, LIFETIME_S);
  }

  unmap(now: number): void {
    this.#ask(now, 0);
  }

  receive(now: number, datagram: Uint8Array): void {
    if (!this.#question) return;
    if (decodeNatPmpResponse(datagram)) return this.#deny(now); // it knows the older protocol alone
    const answer = decodePcpResponse(datagram);
    if (answer?.type !== "map" || answer.internalPort !== this.#router.internal.port) return;
    if (!this.#nonce.every((byte, i) => byte === answer.nonce[i])) return;
    const { result, lifetimeS, external, epochS } = answer;
    // An answer from before we took it back is none to that.
    if (result === 0 && lifetimeS > 0 && this.#askedS === 0) return;
    this.#owner.heardEpoch(now, epochS);
    if (result !== 0 || lifetimeS === 0 || !external) return this.#deny(now);
    if (external.port === 0 || !this.#router.isUsable(external.host)) {
      this.#send(0); // of no use to us, so the router may forget it
      return this.#deny(now);
    }
    this.#question = null;
    this.#external = external;
    this.#owner.granted(now, { external, lifetimeMs: lifetimeS * 1_000 });
  }

  responded(): void {
    // It speaks no HTTP.
  }

  advance(now: number): void {
    this.#question?.advance(now);
  }

  deadline(): number {
    return this.#question?.deadline() ?? Infinity;
  }

  #ask(now: number, lifetimeS: number): void {
    this.#askedS = lifetimeS;
    const send = () => this.#send(lifetimeS);
    this.#question = new Question(now, { repeats: true }, send, (at) => this.#deny(at));
  }

  #send(lifetimeS: number): void {
    const { gateway, internal } = this.#router;
    const request = { internal, nonce: this.#nonce, lifetimeS, external: this.#external };
    this.#router.send({ host: gateway, port: PCP_PORT }, encodePcpMap(request));
  }

  #deny(now: number): void {
    this.#question = null;
    this.#owner.denied(now);
  }
}
