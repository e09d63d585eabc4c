/**
 * UPnP as far as one port mapping needs it: finding a router (SSDP), its description, and the actions of its WAN connection (SOAP). All
 * of it is text. Sources: UPnP Device Architecture 1.1 §1.3, §2, §3; WANIPConnection:1 §2.4.
 *
 *   we       M-SEARCH * HTTP/1.1, to port 1900 of the router and of 239.255.255.250
 *   router   HTTP/1.1 200 OK, LOCATION: http://192.168.1.1:5000/description.xml
 *   we       GET /description.xml
 *   router   ... <service> <serviceType>...:WANIPConnection:1</serviceType> <controlURL>/control</controlURL> </service> ...
 *   we       POST /control, SOAPACTION: "...:WANIPConnection:1#AddPortMapping"
 *
 * What comes back is not parsed as XML but looked through for the few elements that matter: nothing in it is followed or expanded, and
 * the time that takes grows with its length alone.
 */
export const SSDP_PORT = 1900;
export const SSDP_GROUP = "239.255.255.250";

const SEARCH_TARGET = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"; // version 2 answers to it as well
/** Longer is no answer to a search. */
const MAX_REPLY_BYTES = 2_048;
/** Connections of one router that are looked at. Full: the others are left out. */
const MAX_SERVICES = 8;
const SERVICE_TYPE = /^urn:schemas-upnp-org:service:WAN(IP|PPP)Connection:\d{1,2}$/;

/** One of a router's connections to the world. */
export interface WanService {
  readonly type: string;
  readonly controlUrl: string;
}

export interface HttpRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers: { readonly [name: string]: string };
  readonly body: string;
}

export type SoapArguments = readonly (readonly [name: string, value: string | number])[];

/** Asks routers at `host` (an address, or SSDP_GROUP) to say where their descriptions are. */
export function encodeSearch(host: string): Uint8Array {
  const headers = [`HOST: ${host}:${SSDP_PORT}`, 'MAN: "ssdp:discover"', "MX: 1", `ST: ${SEARCH_TARGET}`];
  return new TextEncoder().encode(["M-SEARCH * HTTP/1.1", ...headers, "", ""].join("\r\n"));
}

/** Where the router's description is: an http URL at `host`; null for anything else. */
export function decodeSearchReply(bytes: Uint8Array, host: string): string | null {
  if (bytes.length > MAX_REPLY_BYTES) return null;
  const [status = "", ...headers] = new TextDecoder().decode(bytes).split("\r\n");
  if (!/^HTTP\/1\.[01] 200\b/.test(status)) return null;
  const location = headers.find((header) => /^location:/i.test(header));
  return location === undefined ? null : urlAt(host, location.slice("location:".length).trim(), undefined);
}

/** The connections that a description names, with control URLs at `host`: those by IP first, as the router has them. */
export function decodeDescription(xml: string, location: string, host: string): WanService[] {
  const services: WanService[] = [];
  let [type, path] = ["", ""];
  for (const { name, isEnd, text } of tags(xml)) {
    if (name === "service" && !isEnd) [type, path] = ["", ""];
    else if (name === "serviceType" && !isEnd) type = text;
    else if (name === "controlURL" && !isEnd) path = text;
    else if (name === "service" && SERVICE_TYPE.test(type) && services.length < MAX_SERVICES) {
      const controlUrl = path ? urlAt(host, path, location) : null;
      if (controlUrl) services.push({ type, controlUrl });
    }
  }
  return services.toSorted((a, b) => Number(isPpp(a)) - Number(isPpp(b)));
}

/** One action; `values` must need no escaping. */
export function encodeAction({ type, controlUrl }: WanService, action: string, values: SoapArguments): HttpRequest {
  const inner = values.map(([name, value]) => `<${name}>${value}</${name}>`).join("");
  const body =
    '<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ' +
    's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>' +
    `<u:${action} xmlns:u="${type}">${inner}</u:${action}></s:Body></s:Envelope>\r\n`;
  const headers = { "Content-Type": 'text/xml; charset="utf-8"', SOAPAction: `"${type}#${action}"` };
  return { method: "POST", url: controlUrl, headers, body };
}

/** What stands in the first element of that name, whatever its namespace; null when there is none. */
export function elementText(xml: string, element: string): string | null {
  for (const { name, isEnd, text } of tags(xml)) if (name === element && !isEnd) return text;
  return null;
}

/** The number of a SOAP fault; 0 when it has none. */
export function faultCode(xml: string): number {
  const code = elementText(xml, "errorCode") ?? "";
  return /^\d{1,4}$/.test(code) ? Number(code) : 0;
}

function isPpp({ type }: WanService): boolean {
  return type.includes("WANPPP");
}

/** An absolute http URL, if it leads to `host`. */
function urlAt(host: string, text: string, base: string | undefined): string | null {
  const url = URL.canParse(text, base) ? new URL(text, base) : null;
  return url?.protocol === "http:" && url.hostname === host ? url.href : null;
}

/** Every tag with its name, without its namespace, and the text after it. No tag spans a `<`: none is looked at from two places. */
function* tags(xml: string): Generator<{ name: string; isEnd: boolean; text: string }> {
  for (const [, slash, fullName, text] of xml.matchAll(/<(\/?)([^\s<>/]+)(?:[\s/][^<>]*)?>([^<]*)/g)) {
    const name = fullName!.slice(fullName!.lastIndexOf(":") + 1);
    yield { name, isEnd: slash === "/", text: text!.trim().replaceAll("&amp;", "&") };
  }
}
