import { expect, test } from "bun:test";
import { DnetError } from "../../../src/base/error.ts";
import { formatPrefix } from "../../../src/base/ip.ts";
import { MAX_CONFIG_BYTES, parseWgQuick, tunnelNameOf } from "../../../src/cli/wg-quick.ts";
import { X25519Key } from "../../../src/crypto/x25519.ts";

// Bytes 0x01, 0x02, ... repeated 32 times, in base64.
const key = (byte: number) => new Uint8Array(32).fill(byte).toBase64();
const [PRIVATE, PRESHARED, PEER, OTHER] = [key(1), key(2), key(3), key(4)];
const INTERFACE = `[Interface]\nPrivateKey = ${PRIVATE}\n`;
const withPeer = (lines: string) => `${INTERFACE}[Peer]\nPublicKey = ${PEER}\n${lines}`;

/** The refusal of a file, without its `wg0.conf`; fails when it is accepted. */
function refused(text: string): string {
  try {
    parseWgQuick(text, "/etc/wireguard/wg0.conf");
  } catch (error) {
    expect(error).toBeInstanceOf(DnetError);
    const { code, failure, message } = error as DnetError;
    expect({ code, failure }).toEqual({ code: "CONFIG_INVALID", failure: "configuration" });
    expect(message).toStartWith("wg0.conf");
    return message.slice("wg0.conf".length);
  }
  throw new Error(`accepted: ${text}`);
}

test("a whole file is read: lists, repeats, comments, any case, any line end", () => {
  const text = [
    "\uFEFF# my tunnel",
    "[interface]",
    `privatekey=${PRIVATE} # hush`,
    "  ADDRESS = 10.0.0.1/24,fd00::0:1/64",
    "Address = 192.168.7.1",
    "ListenPort = 51820",
    "MTU = 1420",
    "",
    "[ Peer ]",
    `PublicKey = ${PEER}`,
    `PresharedKey = ${PRESHARED}`,
    "AllowedIPs = 10.0.0.2/32 , 10.0.0.77/24, 10.0.0.0/24",
    "AllowedIPs = ::/0",
    "Endpoint = [2001:DB8::0:1]:51820",
    "PersistentKeepalive = 25",
    "Suite = DNET",
    "SuperPackets = off",
    "[Peer]",
    `PublicKey = ${OTHER}`,
    "Endpoint = VPN.example.org:443",
    "PersistentKeepalive = off",
  ];
  const config = parseWgQuick(text.join("\r\n").replace("\uFEFF", ""), "some/where/wg-home.conf");
  expect(config).toMatchObject({ name: "wg-home", listenPort: 51820, mtu: 1420 });
  expect(config.privateKey.toBase64()).toBe(PRIVATE);
  expect(config.addresses.map(formatPrefix)).toEqual(["10.0.0.1/24", "fd00::1/64", "192.168.7.1/32"]);
  const [first, second] = config.peers;
  expect(first?.publicKey.toBase64()).toBe(PEER);
  expect(first?.presharedKey?.toBase64()).toBe(PRESHARED);
  expect(first?.allowedAddresses.map(formatPrefix)).toEqual(["10.0.0.2/32", "10.0.0.0/24", "::/0"]);
  expect(first).toMatchObject({
    endpoint: { host: "2001:db8::1", port: 51820 },
    persistentKeepaliveSeconds: 25,
    suite: "dnet",
    superPackets: false,
  });
  expect(second).toMatchObject({
    presharedKey: null,
    allowedAddresses: [],
    endpoint: { host: "vpn.example.org", port: 443 },
    persistentKeepaliveSeconds: 0,
    suite: "wireguard",
    superPackets: true,
  });
});

test("the least that is a tunnel is a private key", () => {
  expect(parseWgQuick(INTERFACE, "wg0.conf")).toMatchObject({ listenPort: null, mtu: null, addresses: [], peers: [] });
  expect(parseWgQuick(`${INTERFACE}ListenPort = 0`, "wg0.conf").listenPort).toBeNull();
});

test("a preshared key of zeros is none, as in the protocol", () => {
  expect(parseWgQuick(withPeer(`PresharedKey = ${key(0)}`), "wg0.conf").peers[0]?.presharedKey).toBeNull();
});

test("a value that is not what it should be is refused with its line and what was expected", () => {
  const port = "a port of 1 to 65535 after the colon";
  const refusals: [line: string, expected: string][] = [
    ["AllowedIPs = 10.0.0.0/33", "an address with a prefix length of at most 32"],
    ["AllowedIPs = fd00::/129", "an address with a prefix length of at most 128"],
    ["AllowedIPs = 10.0.0/8", "an IPv4 or IPv6 address, with or without a prefix length"],
    ["AllowedIPs = fe80::1%eth0/64", "an address without a zone (the part after %)"],
    ["Endpoint = 192.0.2.1", "HOST:PORT or [IPV6]:PORT"],
    ["Endpoint = 2001:db8::1", "[2001:db8::1]:PORT; an IPv6 address goes into brackets"],
    ["Endpoint = [192.0.2.1]:5", "an IPv6 address in the brackets"],
    ["Endpoint = [fe80::1%eth0]:5", "an IPv6 address in the brackets, without a zone"],
    ["Endpoint = 192.0.2.1:0", port],
    ["Endpoint = 192.0.2.1:65536", port],
    ["Endpoint = 192.0.2.256:5", "an IPv4 address or a DNS name before the colon"],
    ["Endpoint = -bad-.example:5", "an IPv4 address or a DNS name before the colon"],
    ["Endpoint = :5", "an IPv4 address or a DNS name before the colon"],
    ["PersistentKeepalive = 65536", "off, or 0 to 65535 seconds"],
    ["PersistentKeepalive = -1", "off, or 0 to 65535 seconds"],
    ["Suite = tls", "wireguard or dnet"],
    ["SuperPackets = on", "auto or off"],
  ];
  for (const [line, expected] of refusals)
    expect(refused(withPeer(line))).toBe(` line 5: ${line}: expected ${expected}`);
  for (const line of ["MTU = 575", "MTU = 65536", "MTU = 1420.5", "MTU = 0x500"]) {
    expect(refused(`${INTERFACE}${line}`)).toBe(` line 3: ${line}: expected 576 to 65535 bytes`);
  }
  expect(refused(`${INTERFACE}ListenPort = 70000`)).toBe(
    " line 3: ListenPort = 70000: expected a UDP port, 0 to 65535",
  );
  expect(refused(withPeer("AllowedIPs = 10.0.0.1/32,"))).toContain("AllowedIPs = : expected an IPv4");
});

test("IPv6 needs an MTU of 1280, and IPv4 alone does not", () => {
  expect(parseWgQuick(`${INTERFACE}MTU = 1000\nAddress = 10.0.0.1`, "wg0.conf").mtu).toBe(1000);
  expect(refused(`${INTERFACE}MTU = 1279\nAddress = 10.0.0.1, fd00::1`)).toContain(
    "line 3: MTU = 1279: expected at least 1280 bytes",
  );
});

test("keys of the wrong length or alphabet are refused, and no secret is ever shown", () => {
  const secret = "c2VjcmV0IHNlY3JldCBzZWNyZXQ";
  const hidden = "(hidden, 27 characters): expected a key: 44 characters of base64";
  expect(refused(`[Interface]\nPrivateKey = ${secret}`)).toBe(` line 2: PrivateKey = ${hidden}`);
  expect(refused(withPeer(`PresharedKey = ${secret}`))).toBe(` line 5: PresharedKey = ${hidden}`);
  expect(refused(`${INTERFACE}[Peer]\nPublicKey = abc`)).toContain("PublicKey = abc: expected a key");
  for (const bad of [PEER.slice(0, -1), `${PEER}=`, PEER.replace("w", "-"), `${PEER.slice(0, 42)}B=`, key(0)]) {
    expect(refused(`${INTERFACE}[Peer]\nPublicKey = ${bad}`)).toContain("line 4: PublicKey = ");
  }
  const lost = [
    `PrivatKey = ${secret}`,
    secret,
    `${PRIVATE}`,
    `PrivateKey ${PRIVATE}`,
    `PrivateKey: ${secret}`,
    `${secret} = PrivateKey`,
    `DNS = ${secret}`,
    `[${"x".repeat(100)}]`,
  ];
  for (const line of lost) {
    for (const text of [`[Interface]\n${line}`, line, withPeer(line)]) {
      expect(refused(text)).not.toContain(secret.slice(0, 12));
      expect(refused(text)).not.toContain(PRIVATE.slice(0, 12));
    }
  }
});

test("keys of wg-quick that dnet does not do are refused by name, with what to do instead", () => {
  for (const name of ["DNS", "Table", "PreUp", "PostUp", "PreDown", "PostDown", "SaveConfig", "FwMark"]) {
    try {
      parseWgQuick(`${INTERFACE}${name.toLowerCase()} = x`, "wg0.conf");
      throw new Error(`accepted ${name}`);
    } catch (error) {
      expect((error as DnetError).message).toBe(`wg0.conf line 3: dnet does not do ${name}`);
      expect((error as DnetError).hint).toStartWith("remove it");
    }
  }
});

test("unknown keys, keys in the wrong section and unknown sections are refused, with the nearest right one", () => {
  const hint = (text: string) => {
    try {
      parseWgQuick(text, "wg0.conf");
    } catch (error) {
      return (error as DnetError).hint;
    }
    return undefined;
  };
  expect(refused(withPeer("AlowedIPs = 10.0.0.1"))).toBe(" line 5: unknown key AlowedIPs in [Peer]");
  expect(hint(withPeer("AlowedIPs = 10.0.0.1"))).toBe("AllowedIPs");
  expect(refused(withPeer("MTU = 1420"))).toBe(" line 5: MTU belongs in [Interface], not in [Peer]");
  expect(refused(`${INTERFACE}Endpoint = a:1`)).toBe(" line 3: Endpoint belongs in [Peer], not in [Interface]");
  expect(refused(`${INTERFACE}[Peers]`)).toBe(" line 3: [Peers]: expected [Interface] or [Peer]");
  expect(refused(`MTU = 1420\n${INTERFACE}`)).toBe(" line 1: expected [Interface] before anything else");
  expect(refused(`${INTERFACE}MTU`)).toBe(" line 3: expected KEY = VALUE (the line is hidden, 3 characters)");
  expect(refused(`${INTERFACE}MTU =   # none`)).toBe(" line 3: MTU: expected a value after the equals sign");
  expect(refused(`${INTERFACE}__proto__ = 1`)).toContain("unknown key (hidden, 9 characters)");
});

test("what must be there once is missed when absent and refused when repeated", () => {
  expect(refused("")).toBe(": expected an [Interface] section");
  expect(refused("[Interface]\nMTU = 1420")).toBe(" line 1: [Interface] has no PrivateKey");
  expect(refused(`${INTERFACE}\n[Peer]\nSuite = dnet`)).toBe(" line 4: [Peer] has no PublicKey");
  expect(refused(`${INTERFACE}${INTERFACE}`)).toBe(" line 3: [Interface] a second time; the first is on line 1");
  expect(refused(`${INTERFACE}MTU = 1\nmtu = 2`)).toBe(" line 4: MTU a second time; the first is on line 3");
  expect(refused(`${INTERFACE}Address = 10.0.0.1\nAddress = 10.0.0.1/32`)).toContain("line 3 has it already");
});

test("no two peers share a key or a prefix, and none has our own key", () => {
  const peer = (publicKey: string, prefix: string) => `[Peer]\nPublicKey = ${publicKey}\nAllowedIPs = ${prefix}\n`;
  expect(refused(INTERFACE + peer(PEER, "10.0.0.1") + peer(PEER, "10.0.0.2"))).toContain(
    `line 7: PublicKey = ${PEER}: expected a key that no other peer has; line 4 has it already`,
  );
  expect(refused(INTERFACE + peer(PEER, "10.0.0.0/8") + peer(OTHER, "10.1.2.3/8"))).toContain(
    "line 8: AllowedIPs = 10.1.2.3/8: expected a prefix that no other peer has; line 5 gives 10.0.0.0/8 to another",
  );
  const own = new X25519Key(Uint8Array.fromBase64(PRIVATE)).publicKey.toBase64();
  expect(refused(INTERFACE + peer(own, "10.0.0.1"))).toContain("expected the peer's key, and this is our own");
  const lowOrder = `AQ${"A".repeat(41)}=`; // the point 1 (RFC 7748 §6.1): whatever our key, they would agree on zeros
  expect(refused(INTERFACE + peer(lowOrder, "10.0.0.1"))).toContain("line 4: PublicKey = AQAAA");
  // Overlapping prefixes are no conflict: the longest that matches wins.
  expect(parseWgQuick(INTERFACE + peer(PEER, "10.0.0.0/8") + peer(OTHER, "10.1.0.0/16"), "wg0.conf").peers.length).toBe(
    2,
  );
});

test("what a file writes into a message cannot write to the terminal, nor fill it", () => {
  expect(refused(withPeer("Endpoint = \x1b[31mred\u202e"))).toContain("Endpoint = \\x1b[31mred\\x202e: expected");
  expect(refused(withPeer(`Endpoint = ${"a".repeat(500)}`))).toContain(`${"a".repeat(80)}...: expected`);
});

test("more than a mebibyte is refused, and as much as that is read in no time", () => {
  expect(refused(INTERFACE + "#".repeat(MAX_CONFIG_BYTES))).toBe(": is larger than 1048576 bytes");
  const line = "AllowedIPs = 10.0.0.0/8, fd00::/8\n";
  const many = withPeer(line.repeat(Math.floor((MAX_CONFIG_BYTES - 200) / line.length)));
  expect(parseWgQuick(many, "wg0.conf").peers[0]?.allowedAddresses).toHaveLength(2);
});

test("an interface is named after its file, if the kernel can have that name", () => {
  expect(tunnelNameOf("/etc/wireguard/wg0.conf")).toBe("wg0");
  expect(tunnelNameOf("wg0")).toBe("wg0");
  expect(tunnelNameOf("a_=+.-9.conf")).toBe("a_=+.-9");
  for (const bad of ["", ".conf", "..", "..conf", "sixteen-letters-.conf", "with space.conf", "a/", "é.conf", "a\n"]) {
    expect(() => tunnelNameOf(bad)).toThrow(DnetError);
  }
});

test("whatever is done to a file, it is read or refused, and its secrets stay in it", () => {
  const seed = withPeer(
    `PresharedKey = ${PRESHARED}\nAllowedIPs = 10.0.0.0/8, ::/0\nEndpoint = [::1]:5\nSuite = dnet\n`,
  );
  const pieces = ["=", "#", "[", "]", "\n", ",", "/", ":", "%", "\0", "\x1b", " ", "[Peer]\n", "é", "9".repeat(40), ""];
  // A generator of its own (mulberry32), so that a failure can be had again.
  let state = 2;
  const below = (bound: number) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % bound;
  };
  let read = 0;
  for (let round = 0; round < 4000; round++) {
    let text = seed;
    for (let edits = 1 + below(4); edits > 0; edits--) {
      const at = below(text.length + 1);
      text = text.slice(0, at) + pieces[below(pieces.length)] + text.slice(at + below(3));
    }
    try {
      parseWgQuick(text, "wg0.conf");
      read++;
    } catch (error) {
      const { code, message, hint } = error as DnetError;
      expect(code).toBe("CONFIG_INVALID");
      for (const secret of [PRIVATE, PRESHARED]) expect(`${message} ${hint}`).not.toContain(secret.slice(4, 16));
    }
  }
  expect(read).toBeGreaterThan(20);
});
