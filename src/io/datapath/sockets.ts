/** The datapath's ports over file descriptors: UDP sockets of both IP versions, and a TUN queue. */

import { decodeSockaddr } from "../../../ffi/sockaddr.ts";
import type { Tun } from "../../../ffi/tun-linux.ts";
import { Destination } from "../../../ffi/udp-destination.ts";
import type { UdpSocket } from "../../../ffi/udp-linux.ts";
import type { Address } from "../../base/address.ts";
import { assert } from "../../base/assert.ts";
import { formatIp, parseIp } from "../../base/ip.ts";
import type { Arena } from "./arena.ts";
import type { TunPort } from "./coalescer.ts";
import type { Sockets } from "./datapath.ts";
import type { DatagramPort } from "./inbound.ts";
import { VNET_BYTES, writePlainVnet } from "./vnet-header.ts";

/** Receive slots must hold whatever UDP_GRO joins. */
const SLOT_BYTES = 65_536;
const NO_SUCH_IP = -97; // EAFNOSUPPORT: this host has only the other version

export function socketPorts(arena: Arena, sockets: readonly UdpSocket[]): Sockets<Destination> {
  const ports = sockets.map((socket) => socketPort(arena, socket));
  const byVersion = {
    4: ports.find((_, i) => sockets[i]!.family === 4),
    6: ports.find((_, i) => sockets[i]!.family === 6),
  };
  return {
    ports,
    send(to, at, length, segment, tos) {
      const port = byVersion[to.family];
      return port ? port.send(to, at, length, segment, tos) : NO_SUCH_IP;
    },
    sendFragmented(to, at, length, segment, tos) {
      const port = byVersion[to.family];
      return port ? port.sendFragmented(to, at, length, segment, tos) : NO_SUCH_IP;
    },
    destination({ host, port }) {
      const bytes = parseIp(host);
      assert(bytes, `${host} is an IP address`);
      return new Destination({ host: bytes, port });
    },
  };
}

function socketPort(arena: Arena, socket: UdpSocket): DatagramPort<Destination> {
  const base = arena.reserve(socket.slots * SLOT_BYTES);
  const address = (message: number) => {
    const from = decodeSockaddr(socket.names, socket.nameOffset(message));
    assert(from, "the kernel names the sender of a datagram");
    return from;
  };
  return {
    slots: socket.slots,
    receive: () => socket.receive(arena.address + base, SLOT_BYTES),
    offsetOf: (message) => base + message * SLOT_BYTES,
    lengthOf: (message) => socket.lengthOf(message),
    segmentOf: (message) => socket.segmentOf(message),
    tosOf: (message) => socket.tosOf(message),
    isFrom: (message, destination) => socket.isFrom(destination, message),
    replyTo(message) {
      const destination = new Destination(address(message));
      const local = socket.localOf(message);
      if (local >= 0) destination.setSource(socket.controls, local, 0);
      return destination;
    },
    addressOf(message): Address {
      const { host, port } = address(message);
      return { host: formatIp(host), port };
    },
    send: (to, at, length, segment, tos) => socket.send(to, arena.address + at, length, segment, tos),
    sendFragmented: (to, at, length, segment, tos) =>
      socket.sendFragmented(to, arena.address + at, length, segment, tos),
  };
}

export function tunPort(arena: Arena, tun: Tun): TunPort {
  const { checksum, tso, uso } = tun.offloads;
  const takes = { checksum, tcp: tso, udp: uso };
  if (tun.vnetHeader) {
    return {
      takes,
      read: (at, capacity) => tun.read(arena.address + at, capacity),
      write: (at, length) => tun.write(arena.address + at, length) >= 0,
    };
  }
  return {
    takes,
    read(at, capacity) {
      const length = tun.read(arena.address + at + VNET_BYTES, capacity - VNET_BYTES);
      if (length === 0) return 0;
      writePlainVnet(arena.view, at);
      return length + VNET_BYTES;
    },
    write: (at, length) => tun.write(arena.address + at + VNET_BYTES, length - VNET_BYTES) >= 0,
  };
}
