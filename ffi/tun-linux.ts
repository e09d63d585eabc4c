/**
 * Linux TUN devices. Source: Documentation/networking/tuntap.rst; constants from linux/if_tun.h and asm-generic.
 * With the vnet header, each packet is preceded by a struct virtio_net_hdr of 10 bytes, native byte order: flags u8,
 * gso_type u8, hdr_len u16, gso_size u16, csum_start u16, csum_offset u16. Then a packet may be one TCP or UDP
 * super-packet of up to 64 kB, and its checksum may be left to the reader.
 */
import { check, cstring, EAGAIN, EINVAL, errno, libc, Memory, SyscallError } from "./libc.ts";

const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
const TUNSETVNETHDRSZ = 0x400454d8;

const IFF_TUN_NO_PI = 0x0001 | 0x1000; // bare IP packets, without the 4-byte prefix
const IFF_MULTI_QUEUE = 0x0100;
const IFF_VNET_HDR = 0x4000;
const IFF_TUN_EXCL = 0x8000; // EBUSY when an interface of that name exists, whoever made it

const TUN_F_CSUM = 0x01;
const TUN_F_TSO = 0x02 | 0x04 | 0x08; // TSO4, TSO6, TSO_ECN
const TUN_F_USO = 0x20 | 0x40; // USO4, USO6: Linux 6.2

const O_RDWR_NONBLOCK_CLOEXEC = 0o2 | 0o4000 | 0o2000000;
const IFREQ_BYTES = 40; // struct ifreq: name[16], then flags as u16
const IFNAMSIZ = 16;

const VNET_HEADER_BYTES = 10;

export interface TunOptions {
  /** Ask for the vnet header and every offload the kernel has. */
  readonly vnetHeader: boolean;
  /** Let more queues be opened later, by `attach`. */
  readonly multiQueue: boolean;
  /** Open one more queue of a device that this program holds already, instead of making a device. */
  readonly attach?: boolean;
}

/** What the kernel leaves to us on read, and takes from us on write. */
export interface TunOffloads {
  readonly checksum: boolean;
  readonly tso: boolean;
  readonly uso: boolean;
}

/** One queue of a TUN device. The device is gone when its last queue is closed, also by the process's death. */
export interface Tun {
  readonly fd: number;
  readonly name: string;
  /** Whether a vnet header precedes each packet, both ways. */
  readonly vnetHeader: boolean;
  readonly offloads: TunOffloads;
  /** Reads one packet and returns its length in bytes; 0 when none is waiting. Throws SyscallError. */
  read(address: number, capacity: number): number;
  /** Writes one packet. Returns its length or a negative errno; never throws. */
  write(address: number, length: number): number;
  close(): void;
}

/**
 * Makes the device `name` ("dnet%d" lets the kernel number it), down and without addresses, or opens one more of its
 * queues. Throws SyscallError: EPERM without CAP_NET_ADMIN, EBUSY when the name is taken, ENOENT without /dev/net/tun.
 */
export function openTun(name: string, options: TunOptions): Tun {
  const path = cstring("/dev/net/tun");
  const fd = check("open /dev/net/tun", libc().open(path.address, O_RDWR_NONBLOCK_CLOEXEC));
  try {
    return { fd, ...configure(fd, name, options), ...io(fd) };
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

/** A queue that another thread of this process opened: `parts` are the fields of its Tun. Only one of them closes it. */
export function tunOf(parts: Pick<Tun, "fd" | "name" | "vnetHeader" | "offloads">): Tun {
  return { ...parts, ...io(parts.fd) };
}

function configure(fd: number, name: string, { vnetHeader, multiQueue, attach = false }: TunOptions) {
  const flags = IFF_TUN_NO_PI | (multiQueue ? IFF_MULTI_QUEUE : 0) | (attach ? 0 : IFF_TUN_EXCL);
  const ifreq = new Memory(IFREQ_BYTES);
  const encoded = new TextEncoder().encode(name);
  if (encoded.length === 0 || encoded.length >= IFNAMSIZ) throw new SyscallError("ioctl TUNSETIFF", EINVAL);
  ifreq.bytes.set(encoded);

  const request = (flags: number): boolean => {
    ifreq.view.setUint16(IFNAMSIZ, flags, true);
    if (libc().ioctl(fd, TUNSETIFF, ifreq.address) === 0) return true;
    const number = errno();
    if (number === EINVAL && flags & IFF_VNET_HDR) return false; // it may be the vnet header that it does not know
    throw new SyscallError("ioctl TUNSETIFF", number);
  };
  const hasVnetHeader = vnetHeader && request(flags | IFF_VNET_HDR);
  if (!hasVnetHeader) request(flags);
  if (hasVnetHeader) {
    const headerBytes = Memory.of(Uint8Array.of(VNET_HEADER_BYTES, 0, 0, 0));
    check("ioctl TUNSETVNETHDRSZ", libc().ioctl(fd, TUNSETVNETHDRSZ, headerBytes.address));
  }
  return {
    name: new TextDecoder().decode(ifreq.bytes.subarray(0, ifreq.bytes.indexOf(0))),
    vnetHeader: hasVnetHeader,
    offloads: hasVnetHeader ? takeOffloads(fd) : { checksum: false, tso: false, uso: false },
  };
}

/** Asks for every offload, then for fewer: a kernel refuses the whole request for one bit it does not know. */
function takeOffloads(fd: number): TunOffloads {
  const accepts = (flags: number) => libc().ioctl(fd, TUNSETOFFLOAD, flags) === 0;
  if (accepts(TUN_F_CSUM | TUN_F_TSO | TUN_F_USO)) return { checksum: true, tso: true, uso: true };
  if (accepts(TUN_F_CSUM | TUN_F_TSO)) return { checksum: true, tso: true, uso: false };
  return { checksum: accepts(TUN_F_CSUM), tso: false, uso: false };
}

function io(fd: number) {
  const { read, write, close } = libc();
  return {
    read(address: number, capacity: number): number {
      const length = read(fd, address, capacity);
      if (length >= 0) return length;
      const number = errno();
      if (number === EAGAIN) return 0;
      throw new SyscallError("read tun", number);
    },
    write(address: number, length: number): number {
      const written = write(fd, address, length);
      return written < 0 ? -errno() : written;
    },
    close: () => void check("close tun", close(fd)),
  };
}
