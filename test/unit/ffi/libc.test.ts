import { type Pointer, read } from "bun:ffi";
import { expect, test } from "bun:test";
import { constants, uptime } from "node:os";
import {
  check,
  cstring,
  errno,
  errnoName,
  libc,
  Memory,
  monotonicMs,
  SyscallError,
  setAddress,
} from "../../../ffi/libc.ts";

test("a refused call throws its name, errno and the errno's name", () => {
  const error = thrownBy(() => check("close 9999", libc().close(9999)));
  expect(error).toBeInstanceOf(SyscallError);
  expect(error).toMatchObject({
    syscall: "close 9999",
    errno: 9,
    code: "EBADF",
    message: "close 9999: Bad file descriptor (EBADF)",
  });
  expect(errno()).toBe(9);
});

test("errno names agree with the system's own, and the rest have a number", () => {
  const aliases = new Set(["EWOULDBLOCK", "EOPNOTSUPP", "ENOTSUP", "EDEADLOCK"]); // a second name for one number
  for (const [name, number] of Object.entries(constants.errno)) {
    if (!aliases.has(name)) expect([number, errnoName(number)]).toEqual([number, name]);
  }
  expect([77, 90, 95, 133, 41, 0, 4095].map(errnoName)).toEqual([
    "EBADFD",
    "EMSGSIZE",
    "EOPNOTSUPP",
    "EHWPOISON",
    "E41",
    "E0",
    "E4095",
  ]);
});

test("memory keeps its address while its views are used and garbage is collected", () => {
  const memory = Memory.of(Uint8Array.of(1, 2, 3, 4));
  Bun.gc(true);
  memory.bytes[3] = 5;
  expect(read.u32(memory.address as Pointer, 0)).toBe(0x05030201);
  expect(memory.view.getUint32(0, true)).toBe(0x05030201);
  expect([...cstring("é").bytes]).toEqual([0xc3, 0xa9, 0]);
});

test("an address is written in two words, the low one first", () => {
  const words = new Uint32Array(3);
  setAddress(words, 1, 0x7fab_8765_4321);
  expect([...words]).toEqual([0, 0x8765_4321, 0x7fab]);
});

test("the clock goes on from boot in fractions of a millisecond", () => {
  const first = monotonicMs();
  expect(monotonicMs()).toBeGreaterThan(first);
  expect(first / 1_000).toBeGreaterThan(uptime() - 60);
});

function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return null;
}
