/** Address realms (RFC 2663 §2.1): within one, every address is somebody's alone. The public one, and one behind each NAT. */
import { DnetError } from "../../base/error.ts";
import { formatIp, parsePrefix } from "../../base/ip.ts";
import { ip4Number } from "../../base/ip4.ts";

/**
 * Where public addresses are taken from, in turn, so that neighbours share no prefix: blocks that programs take for
 * public ones, unlike those for documentation, and that belong to no site of the real internet (RFC 7534, 7535, 7450).
 */
const PUBLIC_BLOCKS = ["192.31.196.0/24", "192.175.48.0/24", "192.52.193.0/24"];
const PUBLIC_BITS = 24; // of the prefix that a public host is given with its address
const FIRST_OFFSET = 2; // after the network's own address and the gateway's

interface Block {
  readonly first: number;
  readonly size: number;
}

export class Realm<Member> {
  readonly #blocks: readonly Block[];
  readonly #isPublic: boolean;
  readonly #bits: number;
  #members = new Map<string, Member>();
  #taken = 0;

  /** The site with this prefix, or the public realm. */
  constructor(prefix: string | null) {
    this.#isPublic = prefix === null;
    this.#blocks = (prefix === null ? PUBLIC_BLOCKS : [prefix]).map(block);
    this.#bits = prefix === null ? PUBLIC_BITS : Number(prefix.split("/")[1]);
  }

  get isPublic(): boolean {
    return this.#isPublic;
  }

  find(address: string): Member | undefined {
    return this.#members.get(address);
  }

  /** Gives the member this address, or one that nobody had before, and returns it. Throws DnetError when it cannot be. */
  attach(member: Member, address: string = this.#freshAddress()): string {
    const flaw = this.#members.has(address)
      ? "is taken"
      : this.#isPublic || this.#blocks.some((block) => isHostIn(block, address))
        ? null
        : `is not one of ${this.prefixText}`;
    if (!flaw) {
      this.#members.set(address, member);
      return address;
    }
    throw new DnetError("LAB_ADDRESS", `the address ${address} ${flaw}`, {
      failure: "configuration",
      hint: "give another, or none: then a free one is taken",
    });
  }

  detach(address: string): void {
    this.#members.delete(address);
  }

  get prefixText(): string {
    return `${dotted(this.#blocks[0]!.first)}/${this.#bits}`;
  }

  /** The address with its prefix's length, and the router that it goes by. */
  interfaceOf(address: string): { readonly address: string; readonly gateway: string } {
    const size = 2 ** (32 - this.#bits);
    const number = ip4Number(address);
    const gateway = number - (number % size) + 1;
    // A public address may be any, also the first of its prefix.
    return { address: `${address}/${this.#bits}`, gateway: dotted(gateway === number ? number + 1 : gateway) };
  }

  #freshAddress(): string {
    const capacity = this.#blocks.reduce((sum, { size }) => sum + size - FIRST_OFFSET - 1, 0);
    for (let tries = 0; tries < capacity; tries++) {
      const turn = this.#taken++;
      const { first, size } = this.#blocks[turn % this.#blocks.length]!;
      const offset = Math.floor(turn / this.#blocks.length) % (size - FIRST_OFFSET - 1);
      const address = dotted(first + FIRST_OFFSET + offset);
      if (!this.#members.has(address)) return address;
    }
    throw new DnetError("LAB_ADDRESS", `no address is left in ${this.prefixText}`, {
      failure: "configuration",
      hint: 'give the NAT more of them: "inside": "10.0.0.0/16"',
    });
  }
}

function block(prefix: string): Block {
  const { bytes, bits } = parsePrefix(prefix)!;
  const size = 2 ** (32 - bits);
  const number = ip4Number(formatIp(bytes));
  return { first: number - (number % size), size };
}

/** Neither the network's own address, nor the gateway's, nor broadcast. */
function isHostIn({ first, size }: Block, address: string): boolean {
  const offset = ip4Number(address) - first;
  return offset >= FIRST_OFFSET && offset < size - 1;
}

function dotted(number: number): string {
  return `${number >>> 24}.${(number >>> 16) & 0xff}.${(number >>> 8) & 0xff}.${number & 0xff}`;
}
