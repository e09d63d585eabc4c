/**
 * One message of libsodium's secretstream_xchacha20poly1305 through OpenSSL 3: ChaCha20, and Poly1305 over what it gave, without a copy.
 * The library's ready-made pair of the two (RFC 8439) pads by another rule, which gives the same bytes only where a length is a
 * multiple of 8. Sources: libsodium crypto_secretstream_xchacha20poly1305.c; OpenSSL's EVP_EncryptInit(3), EVP_MAC(3).
 */
import { type Pointer, ptr } from "bun:ffi";
import { cstring, Memory } from "./libc.ts";
import { openLibcrypto } from "./libcrypto.ts";

const KEY_BYTES = 32;
const BLOCK_BYTES = 64;
const TAG_AT = BLOCK_BYTES;
const MAC_BYTES = 16;
/** Beside the ciphertext: the masked tag, and the mac. */
const EXTRA_BYTES = 1 + MAC_BYTES;
/** Up to 15 zeros, then two u64: the length of the additional data, which is 0, and that of the tag's block and the ciphertext. */
const TAIL_BYTES = 15 + 16;

// A number passes as an address, 0 as NULL, and sizes too: see libc.ts.
const address = "ptr";
const SYMBOLS = {
  EVP_chacha20: { args: [], returns: address },
  EVP_CIPHER_CTX_new: { args: [], returns: address },
  EVP_EncryptInit_ex: { args: [address, address, address, address, address], returns: "i32" },
  EVP_EncryptUpdate: { args: [address, address, address, address, "i32"], returns: "i32" },
  EVP_MAC_fetch: { args: [address, address, address], returns: address },
  EVP_MAC_CTX_new: { args: [address], returns: address },
  EVP_MAC_init: { args: [address, address, address, address], returns: "i32" },
  EVP_MAC_update: { args: [address, address, address], returns: "i32" },
  EVP_MAC_final: { args: [address, address, address, address], returns: "i32" },
  CRYPTO_memcmp: { args: [address, address, address], returns: "i32" },
} as const;

/** Null where there is no OpenSSL 3, or it has not these algorithms. Any number of streams share one, since every call brings its key. */
export function openMessageCipher(): NativeMessageCipher | null {
  const evp = openLibcrypto(SYMBOLS);
  const poly1305 = evp?.EVP_MAC_fetch(null, pointer(cstring("POLY1305").address), null);
  return evp && poly1305 ? new NativeMessageCipher(evp, Number(poly1305)) : null;
}

type Evp = NonNullable<ReturnType<typeof openLibcrypto<typeof SYMBOLS>>>;

/** `state` is the key 32 ‖ the block counter 4, 0 ‖ the nonce 12. */
export class NativeMessageCipher {
  readonly #evp: Evp;
  readonly #cipher: Pointer;
  readonly #mac: Pointer;
  /** Keystream block 0, whose first 32 bytes are the mac's key, and the block of the tag. */
  readonly #blocks = new Memory(2 * BLOCK_BYTES);
  readonly #tail = new Memory(TAIL_BYTES);
  readonly #expected = new Memory(MAC_BYTES);
  readonly #written = new Memory(8);

  constructor(evp: Evp, poly1305: number) {
    this.#evp = evp;
    this.#cipher = pointer(Number(evp.EVP_CIPHER_CTX_new()));
    this.#mac = pointer(Number(evp.EVP_MAC_CTX_new(pointer(poly1305))));
    evp.EVP_EncryptInit_ex(this.#cipher, evp.EVP_chacha20(), null, null, null);
  }

  /** Writes `plaintext.length + 17` bytes to `into` from `at` on: the masked tag, the ciphertext, the mac. */
  seal(state: Uint8Array, tag: number, plaintext: Uint8Array, into: Uint8Array, at: number): void {
    const { length } = plaintext;
    const ciphertext = (ptr(into) as number) + at + 1;
    this.#begin(state, tag);
    if (length > 0) this.#encrypt(ptr(plaintext), length, ciphertext);
    into[at] = this.#blocks.bytes[TAG_AT]!;
    this.#authenticate(ciphertext, length, ciphertext + length);
  }

  /** Fills `plaintext`, 17 bytes shorter than `sealed`, and returns the tag; null, and writes nothing, when it is forged. */
  open(state: Uint8Array, sealed: Uint8Array, plaintext: Uint8Array): number | null {
    const length = sealed.length - EXTRA_BYTES;
    const ciphertext = (ptr(sealed) as number) + 1;
    this.#begin(state, 0);
    const tag = this.#blocks.bytes[TAG_AT]! ^ sealed[0]!;
    this.#blocks.bytes[TAG_AT] = sealed[0]!;
    const expected = this.#expected.address;
    this.#authenticate(ciphertext, length, expected);
    const isForged = this.#evp.CRYPTO_memcmp(pointer(expected), pointer(ciphertext + length), pointer(MAC_BYTES)) !== 0;
    if (isForged) return null;
    if (length > 0) this.#encrypt(ciphertext, length, ptr(plaintext));
    return tag;
  }

  /** The keystream's first block, and the tag's block encrypted; the text goes on from there. */
  #begin(state: Uint8Array, tag: number): void {
    const key = ptr(state) as number;
    const { bytes, address } = this.#blocks;
    bytes.fill(0);
    bytes[TAG_AT] = tag;
    this.#evp.EVP_EncryptInit_ex(this.#cipher, null, null, pointer(key), pointer(key + KEY_BYTES));
    this.#encrypt(address, 2 * BLOCK_BYTES, address);
  }

  #encrypt(source: number, length: number, target: number): void {
    const written = pointer(this.#written.address);
    this.#evp.EVP_EncryptUpdate(this.#cipher, pointer(target), written, pointer(source), length);
  }

  #authenticate(ciphertext: number, length: number, target: number): void {
    const { EVP_MAC_init, EVP_MAC_update, EVP_MAC_final } = this.#evp;
    const mac = this.#mac;
    const zeros = length % 16;
    this.#tail.view.setUint32(TAIL_BYTES - 8, BLOCK_BYTES + length, true);
    EVP_MAC_init(mac, pointer(this.#blocks.address), pointer(KEY_BYTES), null);
    EVP_MAC_update(mac, pointer(this.#blocks.address + TAG_AT), pointer(BLOCK_BYTES));
    EVP_MAC_update(mac, pointer(ciphertext), pointer(length));
    EVP_MAC_update(mac, pointer(this.#tail.address + 15 - zeros), pointer(zeros + 16));
    EVP_MAC_final(mac, pointer(target), pointer(this.#written.address), pointer(MAC_BYTES));
  }
}

/** bun:ffi takes plain numbers as pointers; only its types want to be told. */
function pointer(address: number): Pointer {
  return address as Pointer;
}
