import { expect, test } from "bun:test";
import { whoHoldsPort, whoHoldsTun } from "../../../ffi/process.ts";
import { UdpSocket } from "../../../ffi/udp-linux.ts";

test("the holder of a port is found by either family while it holds it", () => {
  const options = { port: 0, receiveBufferBytes: 4_096, sendBufferBytes: 4_096, segmentation: false, slots: 1 };
  for (const family of [4, 6] as const) {
    const socket = UdpSocket.open({ family, ...options });
    expect(whoHoldsPort(socket.port)?.pid).toBe(process.pid);
    expect(whoHoldsPort(socket.port)?.command).not.toBe("");
    socket.close();
    expect(whoHoldsPort(socket.port)).toBeNull();
  }
});

test("a device that nobody holds has no holder", () => {
  expect(whoHoldsTun("no-such-device")).toBeNull();
});
