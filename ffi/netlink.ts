/**
 * Links, addresses and routes of our own network namespace, through rtnetlink: reading them, changing them (which needs
 * CAP_NET_ADMIN) and watching them change. Sources: netlink(7), rtnetlink(7); the messages are in `netlink-codec.ts`.
 */
import {
  check,
  EAGAIN,
  EINTR,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  ENOBUFS,
  ENODEV,
  EOPNOTSUPP,
  ERANGE,
  errno,
  libc,
  Memory,
  SyscallError,
} from "./libc.ts";
import type {
  InterfaceAddress,
  IpPrefix,
  Link,
  LinkChange,
  NetlinkMessage,
  Route,
  RouteChange,
} from "./netlink-codec.ts";
import * as codec from "./netlink-codec.ts";

export type { InterfaceAddress, IpPrefix, Link, LinkChange, Route, RouteChange } from "./netlink-codec.ts";
export { IFF_UP, RT_TABLE_MAIN, RTN_UNICAST } from "./netlink-codec.ts";

const AF_NETLINK = 16;
const NETLINK_ROUTE = 0;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_RCVBUF = 8;
const ANSWER_TIMEOUT_S = 5; // the kernel answers inside the call that asks; this is for one that is broken

const SOCKADDR_NL_BYTES = 12; // family u16, pad, port u32 (0: the kernel), groups u32
const RTMGRP_LINK = 0x1;
const RTMGRP_ADDRESS = 0x10 | 0x100;
const RTMGRP_ROUTE = 0x40 | 0x400;

const CREATE_NEW = codec.NLM_F_CREATE | codec.NLM_F_EXCL;
const MSG_TRUNC = 0x20; // recvfrom returns the datagram's whole length

const DATAGRAM_BYTES = 65_536; // the kernel builds dumps of 32 kB at most
const MAX_EVENTS_PER_DRAIN = 256; // a full routing table that changes must not hold the loop; the rest waits
const WATCH_BUFFER_BYTES = 1 << 20;

/** Asks and tells the kernel, which answers at once. What it refuses is a SyscallError: "RTM_NEWADDR", EEXIST. */
export class RouteSocket {
  readonly #fd = openNetlink(0, 0);
  readonly #inbox = new NetlinkInbox(this.#fd);
  #sequence = 0;

  constructor() {
    const timeout = new Memory(16); // struct timeval: seconds i64, microseconds i64
    timeout.view.setBigInt64(0, BigInt(ANSWER_TIMEOUT_S), true);
    check("setsockopt SO_RCVTIMEO", libc().setsockopt(this.#fd, SOL_SOCKET, SO_RCVTIMEO, timeout.address, 16));
  }

  links(): Link[] {
    return this.#dump("RTM_GETLINK", codec.RTM_GETLINK, codec.encodeLink({ index: 0 }), codec.decodeLink);
  }

  /** Null when there is no such interface. */
  linkByName(name: string): Link | null {
    return this.#link(codec.encodeLink({ index: 0 }, name));
  }

  linkByIndex(index: number): Link | null {
    return this.#link(codec.encodeLink({ index }));
  }

  /** Changes what is given. Says whether the kernel took `gsoMaxSize`: that an older one cannot is no failure. */
  setLink({ gsoMaxSize, ...change }: LinkChange): { gsoMaxSize: boolean } {
    this.#ask("RTM_NEWLINK", codec.RTM_NEWLINK, 0, codec.encodeLink(change));
    if (gsoMaxSize === undefined) return { gsoMaxSize: false };
    try {
      this.#ask("RTM_NEWLINK", codec.RTM_NEWLINK, 0, codec.encodeLink({ index: change.index, gsoMaxSize }));
    } catch (error) {
      if (!isUnsupported(error)) throw error;
    }
    return { gsoMaxSize: this.linkByIndex(change.index)?.gsoMaxSize === gsoMaxSize };
  }

  /** EEXIST when the interface has it already. IPv6 addresses are usable at once, without duplicate detection. */
  addAddress(index: number, address: IpPrefix): void {
    this.#ask("RTM_NEWADDR", codec.RTM_NEWADDR, CREATE_NEW, codec.encodeAddress(index, address));
  }

  /** EADDRNOTAVAIL when the interface does not have it. */
  deleteAddress(index: number, address: IpPrefix): void {
    this.#ask("RTM_DELADDR", codec.RTM_DELADDR, 0, codec.encodeAddress(index, address));
  }

  /** Of every interface and both families. */
  addresses(): InterfaceAddress[] {
    return this.#dump("RTM_GETADDR", codec.RTM_GETADDR, codec.encodeDump(0), codec.decodeAddress);
  }

  /** EEXIST when there is one to that prefix with that metric. */
  addRoute(route: RouteChange): void {
    this.#ask("RTM_NEWROUTE", codec.RTM_NEWROUTE, CREATE_NEW, codec.encodeRoute(route, "add"));
  }

  /** ESRCH when there is none. */
  deleteRoute(route: RouteChange): void {
    this.#ask("RTM_DELROUTE", codec.RTM_DELROUTE, 0, codec.encodeRoute(route, "remove"));
  }

  /** One family's routes, of every table. */
  routes(family: 4 | 6): Route[] {
    return this.#dump("RTM_GETROUTE", codec.RTM_GETROUTE, codec.encodeDump(family), codec.decodeRoute);
  }

  /**
   * The way a packet to `host` (4 or 16 bytes) would go now. Its `mtu` is the route's, or what path MTU discovery
   * learned for this host. ENETUNREACH or EHOSTUNREACH when there is none.
   */
  routeTo(host: Uint8Array): Route {
    const answers = this.#ask("RTM_GETROUTE", codec.RTM_GETROUTE, 0, codec.encodeRouteQuery(host));
    const route = answers[0] ? codec.decodeRoute(answers[0].body) : null;
    if (!route) throw new SyscallError("RTM_GETROUTE", ENETUNREACH);
    return route;
  }

  close(): void {
    check("close netlink", libc().close(this.#fd));
  }

  #link(body: Uint8Array): Link | null {
    try {
      const answers = this.#ask("RTM_GETLINK", codec.RTM_GETLINK, 0, body);
      return answers[0] ? codec.decodeLink(answers[0].body) : null;
    } catch (error) {
      // ERANGE: a name longer than any interface's.
      if (error instanceof SyscallError && (error.errno === ENODEV || error.errno === ERANGE)) return null;
      throw error;
    }
  }

  #dump<Decoded>(
    what: string,
    type: number,
    body: Uint8Array,
    decode: (body: Uint8Array) => Decoded | null,
  ): Decoded[] {
    const answers = this.#ask(what, type, codec.NLM_F_DUMP, body);
    return answers.map(({ body }) => decode(body)).filter((decoded) => decoded !== null);
  }

  /** Sends one request and returns its answers: none for a change, one for a question, many for a dump. */
  #ask(what: string, type: number, flags: number, body: Uint8Array): NetlinkMessage[] {
    const sequence = ++this.#sequence;
    const request = Memory.of(codec.encodeMessage(type, codec.NLM_F_REQUEST | codec.NLM_F_ACK | flags, sequence, body));
    check(what, libc().sendto(this.#fd, request.address, request.bytes.length, 0, 0, 0));
    const answers: NetlinkMessage[] = [];
    for (;;) {
      const datagram = this.#inbox.receive();
      if (datagram === EINTR) continue;
      if (typeof datagram === "number") throw new SyscallError(what, datagram);
      for (const message of codec.decodeMessages(datagram)) {
        if (message.sequence !== sequence) continue; // of an earlier request that failed half way
        const isLast = message.type === codec.NLMSG_ERROR || message.type === codec.NLMSG_DONE;
        if (!isLast) {
          answers.push({ ...message, body: message.body.slice() });
          continue;
        }
        const number = codec.decodeErrno(message.body);
        if (number !== 0) throw new SyscallError(what, number);
        return answers;
      }
    }
  }
}

export type RouteEvent =
  | { readonly type: "link"; readonly link: Link; readonly isGone: boolean }
  | { readonly type: "address"; readonly address: InterfaceAddress; readonly isGone: boolean }
  | { readonly type: "route"; readonly route: Route; readonly isGone: boolean }
  /** Events came faster than they were read and some are lost: look at everything again. */
  | { readonly type: "lost" };

/** Hears of every change to links, addresses and routes, by whomever. Needs no privilege. */
export class RouteWatcher {
  /** Readable (POLLIN) while there are events. */
  readonly fd = openNetlink(RTMGRP_LINK | RTMGRP_ADDRESS | RTMGRP_ROUTE, SOCK_NONBLOCK);
  readonly #inbox = new NetlinkInbox(this.fd);

  constructor() {
    const bytes = new Memory(4);
    bytes.view.setInt32(0, WATCH_BUFFER_BYTES, true);
    libc().setsockopt(this.fd, SOL_SOCKET, SO_RCVBUF, bytes.address, 4); // as much of it as the system allows
  }

  /** The events since the last call, oldest first; after some 256 the others wait for the next call. */
  drain(): RouteEvent[] {
    const events: RouteEvent[] = [];
    while (events.length < MAX_EVENTS_PER_DRAIN) {
      const datagram = this.#inbox.receive();
      if (datagram === EAGAIN || datagram === EINTR) break;
      if (datagram === ENOBUFS || datagram === EMSGSIZE) events.push({ type: "lost" });
      else if (typeof datagram === "number") throw new SyscallError("recvfrom netlink", datagram);
      else
        events.push(
          ...codec
            .decodeMessages(datagram)
            .map(toEvent)
            .filter((event) => event !== null),
        );
    }
    return events;
  }

  close(): void {
    check("close netlink", libc().close(this.fd));
  }
}

function toEvent({ type, body }: NetlinkMessage): RouteEvent | null {
  switch (type) {
    case codec.RTM_NEWLINK:
    case codec.RTM_DELLINK: {
      const link = codec.decodeLink(body);
      return link && { type: "link", link, isGone: type === codec.RTM_DELLINK };
    }
    case codec.RTM_NEWADDR:
    case codec.RTM_DELADDR: {
      const address = codec.decodeAddress(body);
      return address && { type: "address", address, isGone: type === codec.RTM_DELADDR };
    }
    case codec.RTM_NEWROUTE:
    case codec.RTM_DELROUTE: {
      const route = codec.decodeRoute(body);
      return route && { type: "route", route, isGone: type === codec.RTM_DELROUTE };
    }
    default:
      return null;
  }
}

/** One receive buffer. What it hands out is good until the next call. */
class NetlinkInbox {
  readonly #memory = new Memory(DATAGRAM_BYTES);
  readonly #from = new Memory(SOCKADDR_NL_BYTES);
  readonly #fromLength = new Memory(4);

  constructor(readonly fd: number) {}

  /** The next datagram of the kernel's, or an errno. EMSGSIZE: it was longer than the buffer, and is lost. */
  receive(): Uint8Array | number {
    for (;;) {
      this.#fromLength.view.setUint32(0, SOCKADDR_NL_BYTES, true);
      const [from, fromLength] = [this.#from.address, this.#fromLength.address];
      const length = libc().recvfrom(this.fd, this.#memory.address, DATAGRAM_BYTES, MSG_TRUNC, from, fromLength);
      if (length < 0) return errno();
      if (length > DATAGRAM_BYTES) return EMSGSIZE;
      const sender = this.#from.view.getUint32(4, true);
      if (sender === 0) return this.#memory.bytes.subarray(0, length); // nobody but the kernel is believed
    }
  }
}

function openNetlink(groups: number, flags: number): number {
  const fd = check("socket netlink", libc().socket(AF_NETLINK, SOCK_RAW_CLOEXEC | flags, NETLINK_ROUTE));
  const name = new Memory(SOCKADDR_NL_BYTES);
  name.view.setUint16(0, AF_NETLINK, true);
  name.view.setUint32(8, groups, true);
  if (libc().bind(fd, name.address, SOCKADDR_NL_BYTES) === 0) return fd;
  const number = errno();
  libc().close(fd);
  throw new SyscallError("bind netlink", number);
}

function isUnsupported(error: unknown): boolean {
  return error instanceof SyscallError && (error.errno === EOPNOTSUPP || error.errno === EINVAL);
}
