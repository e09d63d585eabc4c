/** A wake-up that a poller can watch and any thread can raise. Source: eventfd(2). */
import { check, EAGAIN, errno, libc, Memory, SyscallError } from "./libc.ts";

const EFD_CLOEXEC_NONBLOCK = 0o2000000 | 0o4000;

export interface EventFd {
  readonly fd: number;
  /** Makes `fd` readable, until it is cleared; signals in between are one. */
  signal(): void;
  /** Takes the signal back; false when there was none. */
  clear(): boolean;
  close(): void;
}

export function openEventFd(): EventFd {
  return eventFdOf(check("eventfd", libc().eventfd(0, EFD_CLOEXEC_NONBLOCK)));
}

/** The eventfd that another thread of this process opened. Only one of them closes it. */
export function eventFdOf(fd: number): EventFd {
  const { read, write, close } = libc();
  const one = Memory.of(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0)); // both ways a u64 passes
  const count = new Memory(8);
  return {
    fd,
    signal() {
      if (write(fd, one.address, 8) >= 0) return;
      const number = errno();
      // EAGAIN: the counter is full, so it has been signalled already.
      if (number !== EAGAIN) throw new SyscallError("write eventfd", number);
    },
    clear() {
      if (read(fd, count.address, 8) >= 0) return true;
      const number = errno();
      if (number !== EAGAIN) throw new SyscallError("read eventfd", number);
      return false;
    },
    close: () => void check("close eventfd", close(fd)),
  };
}
