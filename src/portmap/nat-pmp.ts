/**
 * A mapping by NAT-PMP: the router's outside address, then the port there. Source: RFC 6886 §3. Whoever is on our own network may
 * pass as the router: nothing here is secret. So what this says is to be tried by strangers before it is believed.
 */
import { decodeNatPmpResponse, encodeNatPmpAddress, encodeNatPmpMap } from "../wire/nat-pmp.ts";
import { PCP_PORT } from "../wire/pcp.ts";
import { LIFETIME_S, type MappingOwner, type MappingProtocol, type RouterLink } from "./protocol.ts";
import { Question } from "./question.ts";

export class NatPmp implements MappingProtocol {
  readonly name = "NAT-PMP";
  readonly #router: RouterLink;
  readonly #owner: MappingOwner;
  #host = "";
  #externalPort: number;
  #asked: "address" | "map" | "unmap" = "address";
  #question: Question | null = null;

  constructor(router: RouterLink, owner: MappingOwner) {
    this.#router = router;
    this.#owner = owner;
    this.#externalPort = router.internal.port;
  }

  /** The address, too, each time: it may have become another. */
  map(now: number): void {
    this.#ask(now, "address", encodeNatPmpAddress());
  }

  unmap(now: number): void {
    const { port } = this.#router.internal;
    this.#ask(now, "unmap", encodeNatPmpMap({ internalPort: port, externalPort: 0, lifetimeS: 0 }));
  }

  receive(now: number, datagram: Uint8Array): void {
    const answer = this.#question && decodeNatPmpResponse(datagram);
    if (!answer) return;
    this.#owner.heardEpoch(now, answer.epochS);
    const { port } = this.#router.internal;
    if (answer.type === "refusal") return this.#deny(now);
    if (answer.type === "address") {
      if (this.#asked !== "address") return;
      if (!this.#router.isUsable(answer.host)) return this.#deny(now);
      this.#host = answer.host;
      const request = { internalPort: port, externalPort: this.#externalPort, lifetimeS: LIFETIME_S };
      return this.#ask(now, "map", encodeNatPmpMap(request));
    }
    const { internalPort, externalPort, lifetimeS } = answer;
    if (internalPort !== port || this.#asked === "address") return;
    // An answer from before we took it back is none to that.
    if (this.#asked === "unmap" && lifetimeS > 0) return;
    if (lifetimeS === 0 || externalPort === 0) return this.#deny(now);
    this.#question = null;
    this.#externalPort = externalPort;
    this.#owner.granted(now, {
      external: { host: this.#host, port: externalPort },
      lifetimeMs: lifetimeS * 1_000,
    });
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

  #ask(now: number, asked: "address" | "map" | "unmap", datagram: Uint8Array): void {
    this.#asked = asked;
    const send = () => this.#router.send({ host: this.#router.gateway, port: PCP_PORT }, datagram);
    this.#question = new Question(now, { repeats: true }, send, (at) => this.#deny(at));
  }

  #deny(now: number): void {
    this.#question = null;
    this.#owner.denied(now);
  }
}
