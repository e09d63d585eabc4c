/** The tunnel's network interface: made, addressed, routed; gone with the process, however that ends. */
import { SyscallError } from "../../ffi/libc.ts";
import { RouteSocket } from "../../ffi/netlink.ts";
import { whoHoldsTun } from "../../ffi/process.ts";
import { openTun, type Tun } from "../../ffi/tun-linux.ts";
import { DnetError } from "../base/error.ts";
import { formatIp, formatPrefix, network, type Prefix } from "../base/ip.ts";

/** Leaves room for headers and tags of every piece in a send of at most 65,507 bytes. */
const GSO_MAX_BYTES = 62_000;

export interface InterfaceOptions {
  readonly name: string;
  readonly mtu: number;
  readonly addresses: readonly Prefix[];
  /** What is to be reached through it. */
  readonly routes: readonly Prefix[];
}

export interface NetworkInterface {
  readonly tun: Tun;
  readonly name: string;
  readonly index: number;
  readonly mtu: number;
  /** Whether the kernel hands over super-packets of a size that suits us; otherwise they are a little too large now and then. */
  readonly gsoMaxSize: boolean;
  close(): void;
}

/** Makes all of it or nothing. Throws DnetError: no permission, the name or an address taken, no TUN in this kernel. */
export function createInterface(options: InterfaceOptions): NetworkInterface {
  const netlink = new RouteSocket();
  try {
    refuseTakenAddresses(netlink, options.addresses);
    const tun = openNamed(options.name);
    try {
      return { ...configure(netlink, tun, options), tun, name: tun.name, close: () => tun.close() };
    } catch (error) {
      tun.close(); // and with it goes whatever was configured so far
      throw error;
    }
  } finally {
    netlink.close();
  }
}

function configure(netlink: RouteSocket, tun: Tun, options: InterfaceOptions) {
  const link = netlink.linkByName(tun.name);
  if (!link) throw new DnetError("TUN_GONE", `the interface ${tun.name} vanished while it was being set up`);
  const { index } = link;
  const { mtu } = options;
  const { gsoMaxSize } = netlink.setLink({ index, mtu, gsoMaxSize: GSO_MAX_BYTES });
  withoutLinkLocal(netlink, index);
  for (const address of options.addresses) attempt("address", address, () => netlink.addAddress(index, address));
  netlink.setLink({ index, up: true });
  for (const route of options.routes.flatMap(halves)) addRoute(netlink, index, route, options.addresses);
  return { index, mtu, gsoMaxSize };
}

/** An address that the kernel made up would be announced into the tunnel, where nobody has a use for it. */
function withoutLinkLocal(netlink: RouteSocket, index: number): void {
  try {
    netlink.setLink({ index, linkLocal: "none" });
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error; // this host has no IPv6, and so makes none up
  }
}

/** A route that the interface's own address brings with it is there already. */
function addRoute(netlink: RouteSocket, index: number, route: Prefix, addresses: readonly Prefix[]): void {
  const text = formatPrefix(network(route));
  if (addresses.some((address) => formatPrefix(network(address)) === text)) return;
  attempt("route", route, () => netlink.addRoute({ ...route, index }));
}

/** A default route as its two halves: they win over the system's own without touching it, and vanish with the interface. */
function halves(route: Prefix): Prefix[] {
  if (route.bits > 0) return [route];
  const upper = new Uint8Array(route.bytes.length);
  upper[0] = 0x80;
  return [
    { bytes: new Uint8Array(route.bytes.length), bits: 1 },
    { bytes: upper, bits: 1 },
  ];
}

function attempt(what: "address" | "route", prefix: Prefix, act: () => void): void {
  try {
    act();
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    const taken = cause.code === "EEXIST";
    const hint = taken
      ? `ip ${what === "route" ? "route show" : "address show to"} ${formatPrefix(prefix)} tells what has it`
      : cause.code === "EADDRNOTAVAIL"
        ? `give an address that one machine can have, which ${formatIp(prefix.bytes)} is not`
        : "check that this host has that version of IP enabled";
    throw new DnetError(
      taken ? "ROUTE_TAKEN" : "INTERFACE_SETUP",
      `cannot add the ${what} ${formatPrefix(prefix)}: ${cause.message}`,
      { failure: "configuration", hint, cause },
    );
  }
}

function refuseTakenAddresses(netlink: RouteSocket, addresses: readonly Prefix[]): void {
  const present = netlink.addresses();
  for (const address of addresses) {
    const text = formatIp(address.bytes);
    const holder = present.find(({ bytes }) => formatIp(bytes) === text);
    if (!holder) continue;
    const name = netlink.linkByIndex(holder.index)?.name ?? `number ${holder.index}`;
    throw new DnetError("ADDRESS_IN_USE", `the address ${text} is already that of the interface ${name}`, {
      failure: "configuration",
      hint: "give this tunnel another Address, or take that one from the other interface",
    });
  }
}

function openNamed(name: string): Tun {
  try {
    return openTun(name, { vnetHeader: true, multiQueue: false });
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    throw explain(name, cause);
  }
}

function explain(name: string, cause: SyscallError): DnetError {
  const program = Bun.isStandaloneExecutable ? process.execPath : "dnet";
  switch (cause.code) {
    case "EPERM":
    case "EACCES":
      return new DnetError("TUN_DENIED", `cannot create the network device ${name}: operation not permitted`, {
        failure: "permission",
        hint: `run as root, or once: sudo setcap cap_net_admin+ep ${program}`,
        cause,
      });
    case "EBUSY": {
      const holder = whoHoldsTun(name);
      const by = holder ? ` (held by ${holder.command}, process ${holder.pid})` : "";
      return new DnetError("INTERFACE_IN_USE", `there is already an interface named ${name}${by}`, {
        failure: "configuration",
        hint: `give the file another name, or end what has this one; a tunnel of dnet's: dnet tunnel down ${name}`,
        cause,
      });
    }
    case "ENOENT":
    case "ENODEV":
      return new DnetError("TUN_MISSING", `this system has no /dev/net/tun: ${cause.message}`, {
        failure: "permission",
        hint: "load the module (sudo modprobe tun), or give the container the device: --device /dev/net/tun",
        cause,
      });
    default:
      return new DnetError("TUN_FAILED", `cannot create the network device ${name}: ${cause.message}`, { cause });
  }
}
