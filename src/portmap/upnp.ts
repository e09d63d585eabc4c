/**
 * A mapping by UPnP: search, description, outside address, mapping; each is a question of its own. Only the router itself is believed:
 * a device on our network that claims to be one is not asked. Source: WANIPConnection:1 §2.4.
 */
import { randomUint32 } from "../base/random.ts";
import {
  decodeDescription,
  decodeSearchReply,
  elementText,
  encodeAction,
  encodeSearch,
  faultCode,
  type HttpRequest,
  type SoapArguments,
  SSDP_GROUP,
  SSDP_PORT,
  type WanService,
} from "../wire/upnp.ts";
import { type HttpResponse, LIFETIME_S, type MappingOwner, type MappingProtocol, type RouterLink } from "./protocol.ts";
import { Question } from "./question.ts";

/** Somebody else has that port. */
const CONFLICT = 718;
/** Mappings of this router last until they are deleted. */
const ONLY_PERMANENT = 725;
/** Other ports that are tried when ours is taken. */
const OTHER_PORTS = 3;
const FIRST_PORT = 1_024;

export class Upnp implements MappingProtocol {
  readonly name = "UPnP";
  readonly #router: RouterLink;
  readonly #owner: MappingOwner;
  /** The router's connections that are still to be tried, from the one that is being asked. */
  #services: readonly WanService[] = [];
  /** The one that has our mapping. */
  #inUse: WanService | null = null;
  #host = "";
  #port: number;
  #leaseS = LIFETIME_S;
  #portsLeft = OTHER_PORTS;
  #question: Question | null = null;
  /** Takes the answer to the last request; null while a search is answered, or nothing is. */
  #onResponse: ((now: number, response: HttpResponse | null) => void) | null = null;

  constructor(router: RouterLink, owner: MappingOwner) {
    this.#router = router;
    this.#owner = owner;
    this.#port = router.internal.port;
  }

  map(now: number): void {
    this.#portsLeft = OTHER_PORTS;
    if (this.#services.length > 0) return this.#askAddress(now);
    this.#onResponse = null;
    const { gateway } = this.#router;
    // Some answer to the group alone; a switch that keeps groups apart may let only the other through.
    const search = () => {
      for (const host of [gateway, SSDP_GROUP]) this.#router.send({ host, port: SSDP_PORT }, encodeSearch(host));
    };
    this.#question = new Question(now, { repeats: true }, search, (at) => this.#deny(at));
  }

  unmap(now: number): void {
    const service = this.#inUse ?? this.#services[0];
    if (!service) return this.#deny(now);
    this.#act(now, service, "DeletePortMapping", this.#naming(), (at) => this.#deny(at));
  }

  receive(now: number, datagram: Uint8Array): void {
    if (!this.#question || this.#onResponse) return;
    const { gateway } = this.#router;
    const url = decodeSearchReply(datagram, gateway);
    if (!url) return;
    this.#request(now, { method: "GET", url, headers: {}, body: "" }, (at, response) => {
      this.#services = response?.status === 200 ? decodeDescription(response.body, url, gateway) : [];
      this.#askAddress(at);
    });
  }

  responded(now: number, response: HttpResponse | null): void {
    this.#onResponse?.(now, response);
  }

  advance(now: number): void {
    this.#question?.advance(now);
  }

  deadline(): number {
    return this.#question?.deadline() ?? Infinity;
  }

  /** First: where it is of no use to strangers, no mapping is made. */
  #askAddress(now: number): void {
    const [service] = this.#services;
    if (!service) return this.#deny(now);
    this.#act(now, service, "GetExternalIPAddress", [], (at, response) => {
      const host = response?.status === 200 ? elementText(response.body, "NewExternalIPAddress") : null;
      if (host !== null && this.#router.isUsable(host)) {
        this.#host = host;
        return this.#add(at, service);
      }
      this.#services = this.#services.slice(1); // a router may have several, and not all connected
      this.#askAddress(at);
    });
  }

  #add(now: number, service: WanService): void {
    const { host, port } = this.#router.internal;
    const values: SoapArguments = [
      ...this.#naming(),
      ["NewInternalPort", port],
      ["NewInternalClient", host],
      ["NewEnabled", 1],
      ["NewPortMappingDescription", "dnet"],
      ["NewLeaseDuration", this.#leaseS],
    ];
    this.#act(now, service, "AddPortMapping", values, (at, response) => {
      if (response?.status === 200) {
        this.#end();
        this.#inUse = service;
        return this.#owner.granted(at, {
          external: { host: this.#host, port: this.#port },
          lifetimeMs: LIFETIME_S * 1_000, // also of a permanent one: it is looked after in the same way
        });
      }
      const fault = response ? faultCode(response.body) : 0;
      if (fault === ONLY_PERMANENT && this.#leaseS > 0) this.#leaseS = 0;
      else if (fault === CONFLICT && this.#portsLeft-- > 0) this.#port = this.#otherPort();
      else return this.#deny(at);
      this.#add(at, service);
    });
  }

  #naming(): SoapArguments {
    return [
      ["NewRemoteHost", ""],
      ["NewExternalPort", this.#port],
      ["NewProtocol", "UDP"],
    ];
  }

  #otherPort(): number {
    return FIRST_PORT + (randomUint32(this.#router.random) % (65_536 - FIRST_PORT));
  }

  #act(
    now: number,
    service: WanService,
    action: string,
    values: SoapArguments,
    then: (now: number, response: HttpResponse | null) => void,
  ): void {
    this.#request(now, encodeAction(service, action, values), then);
  }

  #request(now: number, request: HttpRequest, then: (now: number, response: HttpResponse | null) => void): void {
    this.#onResponse = then;
    const send = () => this.#router.request(request);
    this.#question = new Question(now, { repeats: false }, send, (at) => then(at, null));
  }

  #end(): void {
    this.#question = null;
    this.#onResponse = null;
  }

  /** The next time it is looked for anew: after a restart it may be elsewhere. */
  #deny(now: number): void {
    this.#end();
    this.#services = [];
    this.#owner.denied(now);
  }
}
