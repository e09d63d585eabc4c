import { expect, test } from "bun:test";
import { CAP_NET_ADMIN, hasCapability, whoHoldsTun, whoListens } from "../../../ffi/process.ts";
import { UdpSocket } from "../../../ffi/udp-linux.ts";

test("the holder of a port is found by either family while it holds it", () => {
  const options = { port: 0, receiveBufferBytes: 4_096, sendBufferBytes: 4_096, segmentation: false, slots: 1 };
  for (const family of [4, 6] as const) {
    const socket = UdpSocket.open({ family, ...options });
    expect(whoListens("udp", socket.port)?.pid).toBe(process.pid);
    expect(whoListens("udp", socket.port)?.command).not.toBe("");
    socket.close();
    expect(whoListens("udp", socket.port)).toBeNull();
  }
});

test("a device that nobody holds has no holder", () => {
  expect(whoHoldsTun("no-such-device")).toBeNull();
});

test("capabilities are those of this process", () => {
  if (process.getuid?.() !== 0) expect(hasCapability(CAP_NET_ADMIN)).toBe(false);
  expect(hasCapability(63)).toBe(false); // beyond the last that Linux has
});
