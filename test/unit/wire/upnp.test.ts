import { expect, test } from "bun:test";
import {
  decodeDescription,
  decodeSearchReply,
  elementText,
  encodeAction,
  encodeSearch,
  faultCode,
} from "../../../src/wire/upnp.ts";
import { searchReply } from "../../support/fake-router.ts";
import { SeededRandom } from "../../support/random.ts";

const HOST = "192.168.1.1";
const LOCATION = `http://${HOST}:5000/rootDesc.xml`;
const WAN = "urn:schemas-upnp-org:service:WANIPConnection:1";
const bytes = (text: string) => new TextEncoder().encode(text);
const service = (type: string, url: string) =>
  `<service>\n<serviceType>${type}</serviceType>\n<serviceId>x</serviceId><controlURL>${url}</controlURL>\n</service>`;

test("a search is the one of UPnP Device Architecture 1.1 §1.3.2", () => {
  expect(new TextDecoder().decode(encodeSearch("239.255.255.250"))).toBe(
    'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\n' +
      "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n",
  );
});

test("a reply says where the description is, in a header of any case, and at the router alone", () => {
  expect(decodeSearchReply(searchReply(LOCATION), HOST)).toBe(LOCATION);
  expect(decodeSearchReply(bytes(`HTTP/1.0 200 OK\r\nLOCATION:${LOCATION}\r\n\r\n`), HOST)).toBe(LOCATION);
  const elsewhere = [
    "http://192.168.1.66/",
    "https://192.168.1.1/",
    "http://192.168.1.1.evil.example/",
    "file:///etc/passwd",
  ];
  const disguised = ["http://192.168.1.1@evil.example/", "//192.168.1.1/", "", "x", "http://[::1]/", "javascript:1"];
  for (const url of [...elsewhere, ...disguised]) expect(decodeSearchReply(searchReply(url), HOST)).toBeNull();
  for (const text of ["", "HTTP/1.1 200 OK", "NOTIFY * HTTP/1.1\r\nLOCATION: http://192.168.1.1/\r\n\r\n"]) {
    expect(decodeSearchReply(bytes(text), HOST)).toBeNull();
  }
  expect(decodeSearchReply(searchReply(`${LOCATION}${"a".repeat(2_048)}`), HOST)).toBeNull();
});

test("a description's WAN connections are found at any depth, those by IP first", () => {
  const ppp = service("urn:schemas-upnp-org:service:WANPPPConnection:1", "/ppp");
  const other = service("urn:schemas-upnp-org:service:Layer3Forwarding:1", "/l3f");
  const xml = `<root xmlns="x"><device>${other}<deviceList><device>${ppp}${service(WAN, "ctl?a=1&amp;b=2")}</device></deviceList></device></root>`;
  expect(decodeDescription(xml, LOCATION, HOST)).toEqual([
    { type: WAN, controlUrl: `http://${HOST}:5000/ctl?a=1&b=2` },
    { type: "urn:schemas-upnp-org:service:WANPPPConnection:1", controlUrl: `http://${HOST}:5000/ppp` },
  ]);
});

test("connections elsewhere, without a URL, or of a type that would not go into a header are left out, and so is the ninth", () => {
  const bad = [
    service(WAN, "http://192.168.1.66/"),
    service(WAN, ""),
    service(`${WAN}"\r\nX: y`, "/a"),
    service("", "/b"),
  ];
  expect(decodeDescription(bad.join(""), LOCATION, HOST)).toEqual([]);
  expect(decodeDescription(service(WAN, "/c").repeat(20), LOCATION, HOST)).toHaveLength(8);
});

test("an action is a SOAP envelope with its arguments in order", () => {
  const request = encodeAction({ type: WAN, controlUrl: LOCATION }, "DeletePortMapping", [
    ["NewRemoteHost", ""],
    ["NewExternalPort", 1776],
  ]);
  expect(request).toMatchObject({
    method: "POST",
    url: LOCATION,
    headers: { SOAPAction: `"${WAN}#DeletePortMapping"` },
  });
  expect(request.body).toContain(
    `<s:Body><u:DeletePortMapping xmlns:u="${WAN}"><NewRemoteHost></NewRemoteHost>` +
      "<NewExternalPort>1776</NewExternalPort></u:DeletePortMapping></s:Body>",
  );
});

test("what an answer says is found whatever its namespaces, and only where there is an element", () => {
  const xml = `<?xml version="1.0"?><s:Envelope><s:Body><u:R xmlns:u="x"><NewExternalIPAddress> 5.9.17.33\n</NewExternalIPAddress></u:R>`;
  expect(elementText(xml, "NewExternalIPAddress")).toBe("5.9.17.33");
  expect(
    elementText("<a:NewExternalIPAddress dt='string'>1.2.3.4</a:NewExternalIPAddress>", "NewExternalIPAddress"),
  ).toBe("1.2.3.4");
  expect(
    elementText("<NewExternalIPAddressX>1</NewExternalIPAddressX>NewExternalIPAddress", "NewExternalIPAddress"),
  ).toBeNull();
  expect(faultCode("<s:Fault><detail><UPnPError><errorCode>718</errorCode></UPnPError></detail></s:Fault>")).toBe(718);
  for (const text of ["", "<errorCode>x</errorCode>", "<errorCode>-1</errorCode>"]) expect(faultCode(text)).toBe(0);
});

test("no text makes a reader throw, or take longer than its length", () => {
  const random = new SeededRandom(1);
  const words = [
    "<",
    ">",
    "/",
    "<service>",
    "</service>",
    "<serviceType>",
    WAN,
    "<controlURL>",
    "a",
    " ",
    ":",
    "&amp;",
    "\r\n",
  ];
  for (let round = 0; round < 500; round++) {
    const text = Array.from({ length: random.below(60) }, () => random.pick(words)).join("");
    decodeDescription(text, LOCATION, HOST);
    elementText(text, "service");
    decodeSearchReply(bytes(`HTTP/1.1 200 OK\r\nLOCATION: ${text}`), HOST);
    decodeSearchReply(random.bytes(random.below(300)), HOST);
  }
  const longest = 65_536;
  for (const piece of ["<", "<a", "<a ", "a", " ", "</", "<service>", "<a><", "<a:", "<serviceType> "]) {
    const text = piece.repeat(longest / piece.length);
    const startedAt = performance.now();
    decodeDescription(text, LOCATION, HOST);
    expect(performance.now() - startedAt).toBeLessThan(500); // some 5 ms; by squares it would be minutes
  }
});
