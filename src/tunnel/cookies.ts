import { type Address, formatAddress } from "../base/address.ts";
import type { Random } from "../base/random.ts";
import { xchacha20Poly1305 } from "../crypto/aead.ts";
import { HASH_BYTES, mac } from "../crypto/blake2s.ts";
import { equalInConstantTime } from "../crypto/constant-time.ts";
import { type CookieReply, encodeCookieReply, macsOf } from "../wire/tunnel.ts";
import type { PublicIdentity } from "./handshake.ts";
import { COOKIE_MS } from "./timing.ts";

/**
 * The two macs at the end of an initiation and of a response. mac1 shows that the sender knows our public key, and without
 * it nothing is ever answered. mac2 is asked for under load: it shows that the sender receives at the address it sends from,
 * since its key, the cookie, was sent there. Source: WireGuard paper §5.3, §5.4.4 and §5.4.7.
 */

/** Whether mac1 is right in a message to the owner of `identity`. Costs no agreement and looks at nothing else. */
export function hasValidMac1(datagram: Uint8Array, identity: PublicIdentity): boolean {
  const { coveredByMac1, mac1 } = macsOf(datagram);
  return equalInConstantTime(mac1, mac(identity.mac1Key, coveredByMac1));
}

/** The responder's side: gives cookies out and knows them again without keeping any. */
export class CookieIssuer {
  #secret = new Uint8Array(0);
  #secretBornAt = -Infinity;

  constructor(
    readonly identity: PublicIdentity,
    readonly random: Random,
  ) {}

  hasValidMac2(now: number, from: Address, datagram: Uint8Array): boolean {
    const { coveredByMac2, mac2 } = macsOf(datagram);
    return equalInConstantTime(mac2, mac(this.#cookieFor(now, from), coveredByMac2));
  }

  /** The answer to a message whose mac1 is valid and which came from `from` with `sender` as its sender index. */
  reply(now: number, from: Address, to: { suiteBit: number; sender: number }, datagram: Uint8Array): Uint8Array {
    const nonce = this.random.bytes(xchacha20Poly1305.nonceBytes);
    const cookie = this.#cookieFor(now, from);
    const sealedCookie = xchacha20Poly1305.seal(this.identity.cookieKey, nonce, cookie, macsOf(datagram).mac1);
    return encodeCookieReply({ suiteBit: to.suiteBit, receiver: to.sender, nonce, sealedCookie });
  }

  #cookieFor(now: number, from: Address): Uint8Array {
    if (now - this.#secretBornAt >= COOKIE_MS) {
      this.#secret.fill(0);
      this.#secret = new Uint8Array(this.random.bytes(HASH_BYTES));
      this.#secretBornAt = now;
    }
    return mac(this.#secret, Buffer.from(formatAddress(from)));
  }
}

/** The sender's side, one for each peer: signs what goes to it, with the last cookie it gave us while that is good. */
export class MessageSigner {
  #cookie: Uint8Array | null = null;
  #cookieUntil = -Infinity;
  /** mac1 of the last message that was signed; null once a cookie reply has used it. */
  #lastMac1: Uint8Array | null = null;

  constructor(readonly identity: PublicIdentity) {}

  /** Fills in the macs of an encoded initiation or response. */
  sign(now: number, datagram: Uint8Array): void {
    const { coveredByMac1, mac1, coveredByMac2, mac2 } = macsOf(datagram);
    mac1.set(mac(this.identity.mac1Key, coveredByMac1));
    this.#lastMac1 = mac1.slice();
    if (this.#cookie && now < this.#cookieUntil) mac2.set(mac(this.#cookie, coveredByMac2));
  }

  /** False for a reply that does not belong to the last message signed. */
  takeCookie(now: number, { nonce, sealedCookie }: CookieReply): boolean {
    if (!this.#lastMac1) return false;
    const cookie = xchacha20Poly1305.open(this.identity.cookieKey, nonce, sealedCookie, this.#lastMac1);
    if (!cookie) return false;
    this.#cookie = cookie;
    this.#cookieUntil = now + COOKIE_MS;
    this.#lastMac1 = null;
    return true;
  }
}
