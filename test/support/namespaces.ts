/**
 * Network namespaces for tests and benchmarks: made, joined by veth pairs and removed with iproute2. Needs root. Names
 * hold our pid, so runs do not meet; what a run leaves behind goes when its process ends, by a signal too (not by SIGKILL).
 */

import { dlopen } from "bun:ffi";
import { closeSync, openSync, writeFileSync } from "node:fs";

export const isRoot = process.getuid?.() === 0;
/** For the name of a test that is skipped without root. */
export const needsRoot = isRoot ? "" : " (skipped: network namespaces need root)";

const CLONE_NEWNET = 0x40000000;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
let made = 0;

export interface VethEnd {
  readonly namespace: Namespace;
  /** The interface's name in its namespace. */
  readonly name: string;
  /** With their lengths: "10.0.0.1/24", "fd00::1/64". */
  readonly addresses: readonly string[];
}

/** A set of namespaces that are removed together. */
export class Lab {
  readonly #namespaces: Namespace[] = [];
  readonly #onExit = () => this.close();
  readonly #onSignal = () => process.exit(1); // through #onExit

  constructor() {
    process.once("exit", this.#onExit);
    for (const signal of SIGNALS) process.once(signal, this.#onSignal);
  }

  /** A new namespace with its loopback up. */
  namespace(): Namespace {
    const namespace = new Namespace(`dnet-${process.pid}-${++made}`);
    ip("netns", "add", namespace.name);
    this.#namespaces.push(namespace);
    namespace.run("ip", "link", "set", "lo", "up");
    // Otherwise a new interface's link-local address is on trial, and of no use, for its first second.
    namespace.enter(() => writeFileSync("/proc/sys/net/ipv6/conf/default/accept_dad", "0"));
    return namespace;
  }

  /** Joins two namespaces by a pair of interfaces, up and with their addresses usable at once. */
  join(a: VethEnd, b: VethEnd, { mtu = 1500 } = {}): void {
    const ends = [a, b].map(({ namespace, name }) => [name, "mtu", `${mtu}`, "netns", namespace.name]);
    ip("link", "add", ...ends[0]!, "type", "veth", "peer", "name", ...ends[1]!);
    for (const { namespace, name, addresses } of [a, b]) {
      for (const address of addresses) {
        namespace.run("ip", "address", "add", address, "dev", name, ...(address.includes(":") ? ["nodad"] : []));
      }
      namespace.run("ip", "link", "set", name, "up");
    }
    for (const { namespace, name } of [a, b]) namespace.awaitIp6(name);
  }

  /** Removes everything; also interfaces whose other end was elsewhere. May be called twice. */
  close(): void {
    process.off("exit", this.#onExit);
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
    for (const namespace of this.#namespaces.splice(0)) ip("netns", "delete", namespace.name);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

export class Namespace {
  constructor(readonly name: string) {}

  /** Runs a command to its end inside and returns its stdout. Throws with its stderr when it fails. */
  run(...command: string[]): string {
    return run(["ip", "netns", "exec", this.name, ...command]);
  }

  /** Starts a command inside. Whoever starts it ends it, by its pid. */
  spawn(...command: string[]) {
    return Bun.spawn(["ip", "netns", "exec", this.name, ...command], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
  }

  /** The kernel adds the multicast route, without which IPv6 finds no neighbour, a while after the interface is up. */
  awaitIp6(name: string): void {
    const deadline = performance.now() + 5_000;
    while (!this.run("ip", "-6", "route", "show", "table", "local", "dev", name).includes("ff00::/8")) {
      if (performance.now() > deadline) throw new Error(`${name} in ${this.name} has no IPv6 after five seconds`);
    }
  }

  /** Calls `action`, which must not wait for anything, with this thread inside: what it opens stays inside. */
  enter<Result>(action: () => Result): Result {
    const home = openSync("/proc/thread-self/ns/net", "r");
    const inside = openSync(`/run/netns/${this.name}`, "r");
    try {
      setNamespace(inside);
      return action();
    } finally {
      setNamespace(home);
      closeSync(inside);
      closeSync(home);
    }
  }
}

function ip(...words: string[]): void {
  run(["ip", ...words]);
}

function run(command: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: exit ${exitCode}: ${stderr.toString().trim()}`);
  return stdout.toString();
}

function setNamespace(fd: number): void {
  libc ??= openLibc();
  if (libc.setns(fd, CLONE_NEWNET) !== 0) throw new Error("setns: not permitted, or no such namespace");
}

const openLibc = () => dlopen("libc.so.6", { setns: { args: ["i32", "i32"], returns: "i32" } }).symbols;
let libc: ReturnType<typeof openLibc> | null = null;
