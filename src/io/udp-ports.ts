/** The tunnel's UDP sockets: one for each version of IP that this host has, on one port. */
import { SyscallError } from "../../ffi/libc.ts";
import { whoHoldsPort } from "../../ffi/process.ts";
import { UdpSocket } from "../../ffi/udp-linux.ts";
import { DnetError } from "../base/error.ts";

const BUFFER_BYTES = 7 * 1024 * 1024; // a dropped burst costs more than any cleverness elsewhere
const TRIES = 16; // a port that IPv4 gave may be taken in IPv6

/** `port` null lets the kernel choose. Throws DnetError when the port is taken. */
export function openUdpPorts(port: number | null): UdpSocket[] {
  for (let tries = TRIES; ; tries--) {
    const first = open(4, port ?? 0);
    try {
      const second = open(6, first?.port ?? port ?? 0);
      const sockets = [first, second].filter((socket) => socket !== null);
      if (sockets.length > 0) return sockets;
      throw new DnetError("NO_IP", "this host has neither IPv4 nor IPv6 sockets");
    } catch (error) {
      first?.close();
      if (port !== null || tries === 0 || !isTaken(error)) throw error;
    }
  }
}

/** Null when this host does not have that version of IP. */
function open(family: 4 | 6, port: number): UdpSocket | null {
  try {
    return UdpSocket.open({
      family,
      port,
      receiveBufferBytes: BUFFER_BYTES,
      sendBufferBytes: BUFFER_BYTES,
      segmentation: true,
      slots: 1,
    });
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    if (cause.code === "EAFNOSUPPORT" || cause.code === "EADDRNOTAVAIL") return null;
    throw explain(port, cause);
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof DnetError && error.code === "PORT_IN_USE";
}

function explain(port: number, cause: SyscallError): DnetError {
  if (cause.code === "EADDRINUSE") {
    const holder = whoHoldsPort(port);
    const by = holder ? ` by ${holder.command}, process ${holder.pid}` : "";
    const hint = "choose another ListenPort, or stop the other program";
    return new DnetError("PORT_IN_USE", `UDP port ${port} is already used${by}`, {
      failure: "configuration",
      hint,
      cause,
    });
  }
  if (cause.code === "EACCES" || cause.code === "EPERM") {
    const hint = "choose a ListenPort above 1023, or run as root";
    return new DnetError("PORT_DENIED", `UDP port ${port} may not be used: ${cause.message}`, {
      failure: "permission",
      hint,
      cause,
    });
  }
  return new DnetError("PORT_FAILED", `cannot open UDP port ${port}: ${cause.message}`, { cause });
}
