/** A member that seals whatever it likes: frames made with `node:crypto` alone, by the table in `src/io/datapath/frames.ts`. */
import { createCipheriv } from "node:crypto";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import type { PortableKeys } from "../../src/io/datapath/datapath.ts";

const HEADER_BYTES = 16;

export interface Frame {
  readonly type: number;
  readonly plain: Uint8Array;
  readonly flags?: number;
  readonly index?: number;
  readonly count?: number;
  /** The nonce's first 32 bits, little-endian. */
  readonly prefix?: number;
  readonly counter?: number;
}

/** The prefix that a type is sealed under when nothing else is said. */
const PREFIXES: { readonly [type: number]: number } = { 4: 0, 132: 0, 133: 1, 134: 2, 135: 3 };

export class HostileMember {
  /** The next counter. */
  counter = 0;

  constructor(readonly keys: PortableKeys) {}

  /** One datagram. */
  frame(frame: Frame): Uint8Array {
    const counter = frame.counter ?? this.counter++;
    const sealed = this.#seal(frame.prefix ?? PREFIXES[frame.type] ?? 0, counter, frame.plain);
    return this.#datagram(frame, counter, sealed);
  }

  /** A super-packet's datagrams, `pieceBytes` of it in each. */
  pieces(plain: Uint8Array, pieceBytes: number, counter = this.counter++): Uint8Array[] {
    const sealed = this.#seal(2, counter, plain);
    const count = Math.ceil(sealed.length / pieceBytes);
    return Array.from({ length: count }, (_, index) => {
      const piece = sealed.subarray(index * pieceBytes, (index + 1) * pieceBytes);
      return this.#datagram({ type: 0x86, index, count }, counter, piece);
    });
  }

  #datagram(
    frame: { type: number; flags?: number; index?: number; count?: number },
    counter: number,
    body: Uint8Array,
  ) {
    const datagram = new Uint8Array(HEADER_BYTES + body.length);
    const view = new DataView(datagram.buffer);
    datagram.set([frame.type, frame.flags ?? 0, frame.index ?? 0, frame.count ?? 0]);
    view.setUint32(4, this.keys.remoteIndex, true);
    view.setBigUint64(8, BigInt(counter), true);
    datagram.set(body, HEADER_BYTES);
    return datagram;
  }

  #seal(prefix: number, counter: number, plain: Uint8Array): Uint8Array {
    const nonce = new Uint8Array(12);
    const view = new DataView(nonce.buffer);
    view.setUint32(0, prefix, true);
    view.setBigUint64(4, BigInt(counter), this.keys.suite === "wireguard");
    if (this.keys.suite === "wireguard") return chacha20poly1305(this.keys.sendKey, nonce).encrypt(plain);
    const cipher = createCipheriv("aes-256-gcm", this.keys.sendKey, nonce);
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }
}
