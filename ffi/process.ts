/**
 * Who on this machine holds what we were refused, as far as /proc tells: other users' processes and other containers stay
 * hidden without privilege. Source: proc(5).
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface Holder {
  readonly pid: number;
  /** The program's name, at most 15 bytes, as in /proc/<pid>/comm. */
  readonly command: string;
}

/** The process that holds a local UDP port of our network namespace, IPv4 or IPv6; null when none is seen. */
export function whoHoldsPort(port: number): Holder | null {
  const wanted = new Set<string>();
  for (const table of ["udp", "udp6"]) {
    for (const line of readLines(`/proc/thread-self/net/${table}`).slice(1)) {
      // "sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode", the port in hexadecimal
      const fields = line.trim().split(/\s+/);
      const localPort = Number.parseInt(fields[1]?.split(":")[1] ?? "", 16);
      if (localPort === port && fields[9]) wanted.add(`socket:[${fields[9]}]`);
    }
  }
  return wanted.size === 0 ? null : findHolder((link) => wanted.has(link));
}

/** The process of our network namespace that holds a queue of the TUN device; null when none is seen. */
export function whoHoldsTun(name: string): Holder | null {
  const here = readLink("/proc/thread-self/ns/net");
  return findHolder((link, pid, fd) => {
    if (link !== "/dev/net/tun" || readLink(`/proc/${pid}/ns/net`) !== here) return false;
    return readLines(`/proc/${pid}/fdinfo/${fd}`).includes(`iff:\t${name}`);
  });
}

function findHolder(isIt: (link: string, pid: string, fd: string) => boolean): Holder | null {
  for (const pid of list("/proc").filter((name) => /^\d+$/.test(name))) {
    for (const fd of list(`/proc/${pid}/fd`)) {
      if (isIt(readLink(`/proc/${pid}/fd/${fd}`), pid, fd)) {
        return { pid: Number(pid), command: readLines(`/proc/${pid}/comm`)[0] ?? "" };
      }
    }
  }
  return null;
}

// A process may end, or be another user's, between listing and reading: what cannot be read is empty.

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch {
    return [];
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
