/**
 * The C library of Linux: the calls that the rest of `ffi` is made of, errno as it was, and memory that stays in place.
 * Works on glibc and musl, x64 and arm64 (both little-endian, pointers of 8 bytes). Sources: the man pages of section
 * 2; numbers are from asm-generic, which both architectures use.
 */
import { dlopen, type Pointer, ptr, read } from "bun:ffi";

const fd = "i32";
// A number passes as an address, 0 as NULL. Measured, declaring sizes as pointers too saves 10 ns a call against u64.
const address = "ptr";
const size = "ptr";
const result = "i32"; // also for ssize_t: no call here moves 2 GB

const declarations = {
  __errno_location: { args: [], returns: "ptr" },
  strerror: { args: ["i32"], returns: "cstring" },
  clock_gettime: { args: ["i32", address], returns: result },
  open: { args: [address, "i32"], returns: fd },
  close: { args: [fd], returns: result },
  read: { args: [fd, address, size], returns: result },
  write: { args: [fd, address, size], returns: result },
  ioctl: { args: [fd, size, address], returns: result },
  poll: { args: [address, size, "i32"], returns: result },
  eventfd: { args: ["u32", "i32"], returns: fd },
  socket: { args: ["i32", "i32", "i32"], returns: fd },
  bind: { args: [fd, address, "u32"], returns: result },
  getsockname: { args: [fd, address, address], returns: result },
  getsockopt: { args: [fd, "i32", "i32", address, address], returns: result },
  setsockopt: { args: [fd, "i32", "i32", address, "u32"], returns: result },
  sendto: { args: [fd, address, size, "i32", address, "u32"], returns: result },
  recvfrom: { args: [fd, address, size, "i32", address, address], returns: result },
  sendmsg: { args: [fd, address, "i32"], returns: result },
  sendmmsg: { args: [fd, address, "u32", "i32"], returns: result },
  recvmmsg: { args: [fd, address, "u32", "i32", address], returns: result },
} as const;

type Declarations = typeof declarations;
type Numbers<Args extends readonly string[]> = { [I in keyof Args]: number };
type Result<Returns extends string> = Returns extends "cstring" ? string | null : number;
type Libc = {
  [F in keyof Declarations]: (...args: Numbers<Declarations[F]["args"]>) => Result<Declarations[F]["returns"]>;
};

let loaded: Libc | null = null;

/** The library's functions, loaded at the first call. Throws where there is no Linux libc to load. */
export function libc(): Libc {
  loaded ??= load();
  return loaded;
}

function load(): Libc {
  if (process.platform !== "linux") throw new Error(`dnet's network code is for Linux; this is ${process.platform}`);
  const musl = `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`;
  const reasons: string[] = [];
  for (const name of ["libc.so.6", musl]) {
    try {
      return dlopen(name, declarations).symbols as unknown as Libc; // Bun's types want addresses branded
    } catch (error) {
      reasons.push(`${name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  throw new Error(`no usable C library: ${reasons.join("; ")}`);
}

// Fixed for a thread's life, and every Worker has its own copy of this module.
let errnoLocation = 0;

/** errno of this thread. Read it right after the call that failed: anything else may overwrite it. */
export function errno(): number {
  errnoLocation ||= libc().__errno_location();
  return read.i32(errnoLocation as Pointer, 0);
}

/** The names of errno 1, 2, 3...; `-` where Linux has none. Source: asm-generic/errno-base.h, asm-generic/errno.h. */
const ERRNO_NAMES = `
  EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY EEXIST EXDEV
  ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK
  ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP - ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT
  EBADE EBADR EXFULL ENOANO EBADRQC EBADSLT - EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV
  ESRMNT ECOMM EPROTO EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD ELIBSCN ELIBMAX
  ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT
  ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET
  ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH
  EALREADY EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY
  EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE ERFKILL EHWPOISON`
  .trim()
  .split(/\s+/);

/** "EPERM" for 1; "E4095" for a number that Linux has no name for. */
export function errnoName(number: number): string {
  const name = ERRNO_NAMES[number - 1];
  return name === undefined || name === "-" ? `E${number}` : name;
}

const numberOf = (name: string): number => ERRNO_NAMES.indexOf(name) + 1;
export const EINTR = numberOf("EINTR");
export const EIO = numberOf("EIO");
export const EBADF = numberOf("EBADF");
export const EAGAIN = numberOf("EAGAIN");
export const EFAULT = numberOf("EFAULT");
export const ENODEV = numberOf("ENODEV");
export const ERANGE = numberOf("ERANGE");
export const EINVAL = numberOf("EINVAL");
export const ENOTSOCK = numberOf("ENOTSOCK");
export const EMSGSIZE = numberOf("EMSGSIZE");
export const EOPNOTSUPP = numberOf("EOPNOTSUPP");
export const EADDRNOTAVAIL = numberOf("EADDRNOTAVAIL");
export const ENETUNREACH = numberOf("ENETUNREACH");
export const ENOBUFS = numberOf("ENOBUFS");

/** A call that the kernel refused: which one, errno as it was, and its name ("EPERM"). */
export class SyscallError extends Error {
  override name = "SyscallError";
  readonly syscall: string;
  readonly errno: number;
  readonly code: string;

  constructor(syscall: string, errno: number) {
    const code = errnoName(errno);
    super(`${syscall}: ${strerror(errno)} (${code})`);
    this.syscall = syscall;
    this.errno = errno;
    this.code = code;
  }
}

/** Hands back the result of a call that reports failure as a negative number, or throws what errno says. */
export function check(syscall: string, result: number): number {
  if (result < 0) throw new SyscallError(syscall, errno());
  return result;
}

/** "Operation not permitted" for 1, in the C library's words. */
export function strerror(number: number): string {
  return libc().strerror(number) ?? "unknown error";
}

/**
 * Zeroed memory whose address libc may be given for as long as this object lives. JavaScriptCore moves a small typed
 * array when its `.buffer` is first touched; an ArrayBuffer that was made as one stays where it is.
 */
export class Memory {
  readonly buffer: ArrayBuffer;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  readonly address: number;

  constructor(byteLength: number) {
    this.buffer = new ArrayBuffer(byteLength);
    this.bytes = new Uint8Array(this.buffer);
    this.view = new DataView(this.buffer);
    this.address = ptr(this.bytes);
  }

  static of(bytes: Uint8Array): Memory {
    const memory = new Memory(bytes.length);
    memory.bytes.set(bytes);
    return memory;
  }
}

/** `text` in UTF-8 with its closing zero byte. */
export function cstring(text: string): Memory {
  return Memory.of(new TextEncoder().encode(`${text}\0`));
}

/** Writes a pointer into 32-bit words: the low half at `at`, the high half after it. */
export function setAddress(words: Uint32Array, at: number, address: number): void {
  words[at] = address; // a typed array keeps the low 32 bits
  words[at + 1] = address / 2 ** 32;
}

const CLOCK_BOOTTIME = 7; // counts suspend, as the limits of a tunnel session must
const timespec = new Memory(16); // struct timespec: seconds i64, nanoseconds i64
const timespecWords = new Uint32Array(timespec.buffer);

/** Milliseconds since boot, with fractions: the same clock in every thread and process, and it never steps back. */
export function monotonicMs(): number {
  libc().clock_gettime(CLOCK_BOOTTIME, timespec.address);
  const seconds = timespecWords[0]! + timespecWords[1]! * 2 ** 32;
  return seconds * 1_000 + timespecWords[2]! / 1e6;
}
