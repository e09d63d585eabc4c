/**
 * A home router on a simulated clock: it knows some of the three protocols, has an outside address, and keeps mappings for as long as it
 * granted them. Written from RFC 6887, RFC 6886 and WANIPConnection:1, and not from the code that it tries.
 */
import type { Address } from "../../src/base/address.ts";
import { type Mapping, PortMapper, type PortMapperOptions } from "../../src/portmap/port-mapper.ts";
import type { HttpResponse, ProtocolName } from "../../src/portmap/protocol.ts";
import type { HttpRequest } from "../../src/wire/upnp.ts";
import { SeededRandom } from "./random.ts";

export const GATEWAY = "192.168.1.1";
export const INTERNAL: Address = { host: "192.168.1.7", port: 1776 };
const LOCATION = `http://${GATEWAY}:5000/root.xml`;
const WAN_IP = "urn:schemas-upnp-org:service:WANIPConnection:1";

interface Entry {
  readonly nonce: string | null;
  readonly internalPort: number;
  endsAt: number;
}

export class FakeRouter {
  outside = "88.99.3.86";
  /** Outside ports that are taken, by us or others. */
  readonly mappings = new Map<number, Entry>();
  /** Of each protocol, what it was asked, in order. */
  readonly asked: string[] = [];
  startedAt = 0;
  /** The longest that it grants, in seconds. */
  maxLifetimeS = Infinity;
  onlyPermanent = false;
  /** What its description says beside the one connection that works. */
  extraServices = "";
  readonly speaks: Set<ProtocolName>;

  constructor(...speaks: ProtocolName[]) {
    this.speaks = new Set(speaks);
  }

  /** Forgets everything, as after a power cut. */
  restart(now: number): void {
    this.startedAt = now;
    this.mappings.clear();
  }

  live(now: number): number[] {
    return [...this.mappings].filter(([, { endsAt }]) => endsAt > now).map(([port]) => port);
  }

  /** Its answer to a datagram; null when it says nothing. */
  datagram(now: number, to: Address, bytes: Uint8Array): Uint8Array | null {
    if (to.port === 1900) return this.#search(new TextDecoder().decode(bytes));
    if (to.host !== GATEWAY || to.port !== 5351) return null;
    return bytes[0] === 2 ? this.#pcp(now, bytes) : this.#natPmp(now, bytes);
  }

  http(now: number, { method, url, headers, body }: HttpRequest): HttpResponse | null {
    if (!this.speaks.has("UPnP")) return null;
    if (method === "GET")
      return url === LOCATION ? { status: 200, body: this.#description() } : { status: 404, body: "" };
    const action = /#(\w+)"$/.exec(headers["SOAPAction"] ?? "")?.[1] ?? "";
    this.asked.push(`UPnP ${action}`);
    const argument = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(body)?.[1] ?? "";
    switch (action) {
      case "GetExternalIPAddress":
        return ok(action, `<NewExternalIPAddress>${this.outside}</NewExternalIPAddress>`);
      case "AddPortMapping": {
        const [port, lease] = [Number(argument("NewExternalPort")), Number(argument("NewLeaseDuration"))];
        const known = this.mappings.get(port);
        if (known && known.internalPort !== Number(argument("NewInternalPort"))) return fault(718);
        if (this.onlyPermanent && lease !== 0) return fault(725);
        const endsAt = lease === 0 ? Infinity : now + lease * 1_000;
        this.mappings.set(port, { nonce: null, internalPort: Number(argument("NewInternalPort")), endsAt });
        return ok(action, "");
      }
      case "DeletePortMapping":
        return this.mappings.delete(Number(argument("NewExternalPort"))) ? ok(action, "") : fault(714);
      default:
        return fault(401);
    }
  }

  epochS(now: number): number {
    return Math.floor((now - this.startedAt) / 1_000);
  }

  #pcp(now: number, bytes: Uint8Array): Uint8Array | null {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (!this.speaks.has("PCP")) return this.speaks.has("NAT-PMP") ? natPmpError(bytes[1]!, 1, this.epochS(now)) : null;
    const [lifetimeS, nonce] = [view.getUint32(4), bytes.subarray(24, 36).toHex()];
    const [internalPort, wanted] = [view.getUint16(40), view.getUint16(42)];
    this.asked.push(`PCP ${lifetimeS}`);
    const answer = { nonce: bytes.subarray(24, 36), internalPort, epochS: this.epochS(now), outside: this.outside };
    const mine = [...this.mappings].find(([, entry]) => entry.internalPort === internalPort && entry.endsAt > now);
    if (mine && mine[1].nonce !== nonce) return pcpMapResponse({ ...answer, result: 2, lifetimeS: 0, externalPort: 0 });
    if (lifetimeS === 0) {
      if (mine) this.mappings.delete(mine[0]);
      return pcpMapResponse({ ...answer, result: 0, lifetimeS: 0, externalPort: 0 });
    }
    const externalPort = mine?.[0] ?? this.#freePort(now, wanted);
    const grantedS = Math.min(lifetimeS, this.maxLifetimeS);
    this.mappings.set(externalPort, { nonce, internalPort, endsAt: now + grantedS * 1_000 });
    return pcpMapResponse({ ...answer, result: 0, lifetimeS: grantedS, externalPort });
  }

  #natPmp(now: number, bytes: Uint8Array): Uint8Array | null {
    if (!this.speaks.has("NAT-PMP")) return null;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes[1] === 0) {
      this.asked.push("NAT-PMP address");
      return natPmpAddress(this.outside, this.epochS(now));
    }
    const [internalPort, wanted, lifetimeS] = [view.getUint16(4), view.getUint16(6), view.getUint32(8)];
    this.asked.push(`NAT-PMP ${lifetimeS}`);
    const mine = [...this.mappings].find(([, entry]) => entry.internalPort === internalPort && entry.endsAt > now);
    if (lifetimeS === 0) {
      if (mine) this.mappings.delete(mine[0]);
      return natPmpMap({ epochS: this.epochS(now), internalPort, externalPort: 0, lifetimeS: 0 });
    }
    const externalPort = mine?.[0] ?? this.#freePort(now, wanted);
    const grantedS = Math.min(lifetimeS, this.maxLifetimeS);
    this.mappings.set(externalPort, { nonce: null, internalPort, endsAt: now + grantedS * 1_000 });
    return natPmpMap({ epochS: this.epochS(now), internalPort, externalPort, lifetimeS: grantedS });
  }

  #freePort(now: number, wanted: number): number {
    let port = wanted;
    while (this.live(now).includes(port)) port++;
    return port;
  }

  #search(text: string): Uint8Array | null {
    this.asked.push("UPnP search");
    const isSearch = text.startsWith("M-SEARCH * HTTP/1.1\r\n") && text.includes('MAN: "ssdp:discover"\r\n');
    return isSearch && this.speaks.has("UPnP") ? searchReply(LOCATION) : null;
  }

  #description(): string {
    const service = `<service><serviceType>${WAN_IP}</serviceType><controlURL>/control</controlURL></service>`;
    return `<?xml version="1.0"?><root><device><serviceList>${this.extraServices}${service}</serviceList></device></root>`;
  }
}

export interface PcpMapAnswer {
  readonly result: number;
  readonly lifetimeS: number;
  readonly epochS: number;
  readonly nonce: Uint8Array;
  readonly internalPort: number;
  readonly externalPort: number;
  readonly outside: string;
}

export function pcpMapResponse(answer: PcpMapAnswer): Uint8Array {
  const bytes = new Uint8Array(60);
  const view = new DataView(bytes.buffer);
  bytes.set([2, 0x81, 0, answer.result]);
  view.setUint32(4, answer.lifetimeS);
  view.setUint32(8, answer.epochS);
  bytes.set(answer.nonce, 24);
  bytes[36] = 17;
  view.setUint16(40, answer.internalPort);
  view.setUint16(42, answer.externalPort);
  bytes.set([0xff, 0xff, ...answer.outside.split(".").map(Number)], 54);
  return bytes;
}

export function pcpAnnouncement(epochS: number): Uint8Array {
  const bytes = new Uint8Array(24);
  bytes.set([2, 0x80]);
  new DataView(bytes.buffer).setUint32(8, epochS);
  return bytes;
}

export function natPmpAddress(outside: string, epochS: number): Uint8Array {
  const bytes = new Uint8Array(12);
  bytes.set([0, 128]);
  new DataView(bytes.buffer).setUint32(4, epochS);
  bytes.set(outside.split(".").map(Number), 8);
  return bytes;
}

export function natPmpMap(answer: {
  readonly epochS: number;
  readonly internalPort: number;
  readonly externalPort: number;
  readonly lifetimeS: number;
}): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  bytes.set([0, 129]);
  view.setUint32(4, answer.epochS);
  view.setUint16(8, answer.internalPort);
  view.setUint16(10, answer.externalPort);
  view.setUint32(12, answer.lifetimeS);
  return bytes;
}

export function natPmpError(opcode: number, result: number, epochS: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  bytes.set([0, 128 + (opcode & 0x7f)]);
  view.setUint16(2, result);
  view.setUint32(4, epochS);
  return bytes;
}

export function searchReply(location: string): Uint8Array {
  const st = "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1";
  return new TextEncoder().encode(
    `HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\n${st}\r\nLocation: ${location}\r\n\r\n`,
  );
}

function ok(action: string, inner: string): HttpResponse {
  const envelope = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>`;
  return {
    status: 200,
    body: `${envelope}<u:${action}Response xmlns:u="x">${inner}</u:${action}Response></s:Body></s:Envelope>`,
  };
}

function fault(code: number): HttpResponse {
  return {
    status: 500,
    body: `<s:Envelope><s:Body><s:Fault><detail><errorCode>${code}</errorCode></detail></s:Fault></s:Body></s:Envelope>`,
  };
}

/** A mapper and the router that it asks, on one clock; each answer takes a millisecond. */
export class MappedHost {
  now = 0;
  readonly router: FakeRouter;
  readonly mapper: PortMapper;
  /** `at what`, oldest first. */
  readonly events: string[] = [];
  /** What left the host, of all kinds: `at kind`. */
  readonly sent: string[] = [];
  mapping: Mapping | null = null;
  #later: { readonly at: number; readonly happens: () => void }[] = [];

  constructor(router: FakeRouter, options: Partial<PortMapperOptions> = {}) {
    const given = { random: new SeededRandom(1), gateway: GATEWAY, internal: INTERNAL, isPublic: true, ...options };
    this.router = router;
    this.mapper = new PortMapper(0, given);
    this.#take();
  }

  /** Goes on to `until`, doing on the way whatever is due. */
  run(until: number): void {
    for (;;) {
      const next = Math.max(this.now, Math.min(this.mapper.deadline(), this.#later[0]?.at ?? Infinity));
      if (next > until) break;
      this.now = next;
      if ((this.#later[0]?.at ?? Infinity) <= next) this.#later.shift()!.happens();
      else this.mapper.advance(next);
      this.#take();
    }
    this.now = until;
  }

  do(input: (mapper: PortMapper, now: number) => void): void {
    input(this.mapper, this.now);
    this.#take();
  }

  #take(): void {
    for (const output of this.mapper.drain()) {
      switch (output.type) {
        case "send": {
          this.sent.push(`${this.now} ${output.to.host}:${output.to.port}`);
          const answer = this.router.datagram(this.now, output.to, output.datagram);
          if (answer) this.#soon(() => this.mapper.receive(this.now, { host: GATEWAY, port: output.to.port }, answer));
          break;
        }
        case "http": {
          this.sent.push(`${this.now} ${output.request.method}`);
          const answer = this.router.http(this.now, output.request);
          this.#soon(() => this.mapper.responded(this.now, output.id, answer));
          break;
        }
        case "mapped": {
          const { external, protocol } = output.mapping;
          this.mapping = output.mapping;
          this.events.push(`${this.now} mapped ${external.host}:${external.port} ${protocol}`);
          break;
        }
        default:
          this.mapping = null;
          this.events.push(`${this.now} ${output.type}`);
      }
    }
  }

  #soon(happens: () => void): void {
    this.#later.push({ at: this.now + 1, happens });
    this.#later.sort((a, b) => a.at - b.at);
  }
}
