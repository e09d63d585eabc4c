/** UDP as everything above it sees it: on this thread (`udp-socket.ts`), through the datapath's Worker, or simulated in tests. */
import type { Address } from "../base/address.ts";

export interface DatagramSocket {
  /** Where it is bound; the host is `0.0.0.0` when it is bound to all of them. */
  readonly address: Address;
  /** Hands every datagram that arrives to `handler`, from now on. The bytes are the handler's to keep. */
  onDatagram(handler: (from: Address, datagram: Uint8Array) => void): void;
  /**
   * Sends it once, soon; whatever the network refuses is lost, as it might be on its way. Never throws. `hops`: how many routers it
   * may pass, instead of as many as it takes.
   */
  send(to: Address, datagram: Uint8Array, hops?: number): void;
  /** Nothing is sent or received any more; closing twice is safe. */
  close(): void;
}
