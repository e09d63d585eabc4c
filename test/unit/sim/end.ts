/** One end of a conversation in the tests of the simulated Internet: a socket that remembers what it heard. */
import { type Address, formatAddress } from "../../../src/base/address.ts";
import type { Host } from "../../sim/internet/host.ts";
import type { SimSocket } from "../../sim/internet/socket.ts";

export class End {
  readonly socket: SimSocket;
  readonly heard: { from: Address; text: string }[] = [];

  constructor(
    readonly host: Host,
    port = 0,
  ) {
    this.socket = host.bind(port);
    this.socket.onDatagram((from, datagram) => this.heard.push({ from, text: new TextDecoder().decode(datagram) }));
  }

  /** Where others reach it, as long as there is no NAT in between. */
  get address(): Address {
    return { host: this.host.address, port: this.socket.address.port };
  }

  say(to: Address, text = "hello", ttl?: number): void {
    this.socket.send(to, new TextEncoder().encode(text), ttl);
  }

  /** `hello from 192.0.2.1:7` for all it heard since it was asked last. */
  take(): string[] {
    return this.heard.splice(0).map(({ from, text }) => `${text} from ${formatAddress(from)}`);
  }

  /** Where the last datagram came from, as seen here. */
  lastFrom(): Address {
    return this.heard.at(-1)!.from;
  }
}
