/**
 * Socket addresses as the kernel has them. Source: linux/in.h, linux/in6.h.
 *   sockaddr_in   16 bytes: family u16 native, port u16 big-endian, address 4, zeros 8
 *   sockaddr_in6  28 bytes: family u16 native, port u16 big-endian, flow label u32, address 16, scope u32 native
 */
export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCKADDR4_BYTES = 16;
export const SOCKADDR6_BYTES = 28;

export interface SocketAddress {
  /** 4 or 16 bytes in network order. */
  readonly host: Uint8Array;
  readonly port: number;
  /** The interface's index, which a link-local IPv6 address needs. */
  readonly scope?: number;
}

/** Writes the address at `offset` and returns its length: 16 or 28 bytes, by the length of `host`. */
export function encodeSockaddr({ host, port, scope = 0 }: SocketAddress, into: Uint8Array, offset = 0): number {
  const is4 = host.length === 4;
  const length = is4 ? SOCKADDR4_BYTES : SOCKADDR6_BYTES;
  into.fill(0, offset, offset + length);
  into[offset] = is4 ? AF_INET : AF_INET6;
  into[offset + 2] = port >>> 8;
  into[offset + 3] = port;
  into.set(host, offset + (is4 ? 4 : 8));
  for (let i = 0; i < 4 && !is4; i++) into[offset + 24 + i] = scope >>> (8 * i);
  return length;
}

/** The address at `offset`, in bytes of its own; null when it is of another family or does not fit. */
export function decodeSockaddr(from: Uint8Array, offset = 0): SocketAddress | null {
  const family = (from[offset] ?? 0) | ((from[offset + 1] ?? 0) << 8);
  const port = ((from[offset + 2] ?? 0) << 8) | (from[offset + 3] ?? 0);
  if (family === AF_INET && from.length >= offset + SOCKADDR4_BYTES) {
    return { host: from.slice(offset + 4, offset + 8), port };
  }
  if (family !== AF_INET6 || from.length < offset + SOCKADDR6_BYTES) return null;
  const scope = new DataView(from.buffer, from.byteOffset + offset).getUint32(24, true);
  return { host: from.slice(offset + 8, offset + 24), port, ...(scope === 0 ? {} : { scope }) };
}
