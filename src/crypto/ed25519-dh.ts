/**
 * Diffie–Hellman on Edwards points: what HyperDHT's Noise uses in place of X25519, so that one key signs and agrees. The runtime
 * has X25519 alone, the same curve in other coordinates: u = (1 + y) / (1 - y), and no sign of x. For a scalar k and a remote A,
 *
 *   y of kA         follows from u(kA) = X25519(k, u(A));
 *   x of kA         from y(kA) and y(kA ± 8A), k ± 8 being k with its fourth bit flipped, by the curve's law of addition;
 *   A's subgroup    is that of the prime order L just when X25519(5L - 1, u(A)) = u(A).
 *
 * The scalar is in the runtime's library alone, which takes the same time for all; its fourth bit turns a sign here, by XOR. The
 * arithmetic takes the same steps for all keys, if not quite the same time: it has the remote point, public, and the shared one.
 * An agreement takes 90 µs, after 30 for our key and 60 for the other side's, each used twice in a handshake; noble takes 570.
 * Source: noise-curve-ed 2.1 index.js; libsodium `crypto_scalarmult_ed25519_noclamp`; RFC 7748 §4.1; specification §2.
 */
import { hash } from "node:crypto";
import { X25519Key } from "./x25519.ts";

const SEED_BYTES = 32;
const KEY_BYTES = 32;
/** The field, and the curve -x² + y² = 1 + Dx²y² over it (RFC 8032 §5.1). */
const P = 2n ** 255n - 19n;
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;
const SQRT_OF_MINUS_1 = 19681161376707505956807079304988542015446066515923890162744021073123829784752n;
const SIGN_BIT = 0x80;
/** The bit of a scalar that is worth 8. */
const EIGHT = 0x08;
/** 5L - 1, clamped as it is. It takes a point of order L to its opposite, and what any other point has besides to nothing. */
const TO_OPPOSITE = new X25519Key(
  Uint8Array.fromHex("a023cdd083ef5bb82f10d62e59e15a6800000000000000000000000000000050"),
);

/** A remote point that is good to agree with. */
export interface DhPoint {
  /** 32 bytes, as X25519 has them. */
  readonly u: Uint8Array;
  readonly eightfold: Projective;
}

/** The point whose coordinates are x / z and y / z. */
interface Projective {
  readonly x: bigint;
  readonly y: bigint;
  readonly z: bigint;
}

/** The secret scalar of a key pair, 32 bytes little-endian and clamped (RFC 8032 §5.1.5). `secretKey` is seed ‖ public key. */
export function dhScalar(secretKey: Uint8Array): Uint8Array {
  const scalar = new Uint8Array(hash("sha512", secretKey.subarray(0, SEED_BYTES), "buffer")).slice(0, 32);
  scalar[0]! &= 0xf8;
  scalar[31]! = (scalar[31]! & 0x7f) | 0x40;
  return scalar;
}

/**
 * null when `publicKey` is no canonical point of the prime-order subgroup, other than the identity: with any other, a stranger
 * could learn bits of the scalar.
 */
export function dhPoint(publicKey: Uint8Array): DhPoint | null {
  if (publicKey.length !== KEY_BYTES) return null;
  const isOdd = publicKey[31]! >= SIGN_BIT;
  const y = decode(publicKey.with(31, publicKey[31]! & ~SIGN_BIT));
  if (y >= P) return null;
  const [a, b] = [y * y - 1n, mod(D * y * y + 1n)]; // x² = a / b
  const ab = mod(a * b);
  const root = power(ab);
  const inverse = mod(mod(root ** 4n) * ab); // root⁴ is 1 / (ab)² for a square, and else its opposite
  if (mod(inverse * ab) !== 1n) return null; // then there is no x; or y = ±1
  const x = mod(a * root * (mod(root * root) === inverse ? 1n : SQRT_OF_MINUS_1));
  const u = encode(mod(-b * inverse * (1n + y) ** 2n)); // (1 + y) / (1 - y) = -(1 + y)²b / ab
  if (TO_OPPOSITE.agree(u)?.toHex() !== u.toHex()) return null;
  const point = { x: (x % 2n === 1n) === isOdd ? x : P - x, y, z: 1n };
  return { u, eightfold: double(double(double(point))) };
}

/** A secret key, which can agree on a shared point with any number of others. */
export class DhKey {
  readonly #key: X25519Key;
  /** With the fourth bit flipped: 8 more, or less. */
  readonly #flipped: X25519Key;
  /** SIGN_BIT when it is less. */
  readonly #sign: number;

  /** 64 bytes: seed ‖ public key. */
  constructor(secretKey: Uint8Array) {
    const scalar = dhScalar(secretKey);
    this.#key = new X25519Key(scalar);
    this.#sign = (scalar[0]! & EIGHT) << 4;
    scalar[0]! ^= EIGHT;
    this.#flipped = new X25519Key(scalar);
    scalar.fill(0);
  }

  /** The shared point, 32 bytes compressed, its sign included. */
  agree({ u, eightfold: { x, y, z } }: DhPoint): Uint8Array {
    // Never null: only a multiple of L makes it the identity, and scalars are multiples of 8 between 0 and 8L.
    const [u1, u3] = [decode(this.#key.agree(u)!), decode(this.#flipped.agree(u)!)];
    const [n1, d1, n3, d3] = [u1 - 1n, u1 + 1n, u3 - 1n, u3 + 1n]; // y1 = n1 / d1, y3 = n3 / d3
    // y3 = (y1y2 + x1x2) / (1 - Dx1x2y1y2) gives x1 = (y3 - y1y2) / x2(1 + Dy1y2y3), which never divides by 0: D is no square.
    const numerator = mod(z * mod(mod(n3 * d1) * z - mod(n1 * d3) * y));
    const denominator = mod(x * mod(mod(d1 * d3) * z + mod(D * n1) * mod(n3 * y)));
    const inverse = invert(mod(denominator * d1));
    const x1 = mod(mod(numerator * d1) * inverse);
    const shared = encode(mod(mod(n1 * denominator) * inverse));
    // Where the flipped scalar is less, this was all about the opposite points. x1 is not 0, so -x1 has the other parity.
    shared[31]! |= (Number(x1 & 1n) << 7) ^ this.#sign;
    return shared;
  }
}

/** Twice the point (Bernstein, Birkner, Joye, Lange, Peters 2008, §6, with a = -1). */
function double({ x, y, z }: Projective): Projective {
  const [xx, yy] = [mod(x * x), mod(y * y)];
  const f = yy - xx;
  const j = mod(f - 2n * z * z);
  return { x: mod(2n * mod(x * y) * j), y: mod(-f * (xx + yy)), z: mod(f * j) };
}

/** x^(P - 2), P - 2 being 8(2^252 - 3) + 3. */
function invert(x: bigint): bigint {
  return mod(squared(power(x), 3) * mod(x ** 3n));
}

/** x^((P - 5) / 8) (RFC 8032 §5.1.3), which is x^(2^252 - 3). */
function power(x: bigint): bigint {
  return mod(squared(allOnes(x, 250), 2) * x);
}

/** x^(2^bits - 1). */
function allOnes(x: bigint, bits: number): bigint {
  if (bits === 1) return x;
  if (bits % 2 === 1) return mod(squared(allOnes(x, bits - 1), 1) * x);
  const half = allOnes(x, bits / 2);
  return mod(squared(half, bits / 2) * half);
}

function squared(x: bigint, times: number): bigint {
  let power = x;
  for (let i = 0; i < times; i++) power = mod(power * power);
  return power;
}

/** From 0 to P - 1. */
function mod(x: bigint): bigint {
  const rest = x % P;
  return rest < 0n ? rest + P : rest;
}

/** Little-endian. */
function decode(bytes: Uint8Array): bigint {
  return BigInt(`0x${bytes.toReversed().toHex()}`);
}

function encode(x: bigint): Uint8Array {
  return Uint8Array.fromHex(x.toString(16).padStart(2 * KEY_BYTES, "0")).reverse();
}
