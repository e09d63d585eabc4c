/** UDP as everything above it sees it: on this thread (`udp-socket.ts`), through the datapath's Worker, or simulated in tests. */
import type { Address } from "../base/address.ts";

export interface DatagramSocket {
  /** Where it is bound; the host is `0.0.0.0` when it is bound to all of them. */
  readonly address: Address;
  /** Hands every datagram that arrives to `handler`, from now on. The bytes are the handler's to keep. */
  onDatagram(handler: (from: Address, datagram: Uint8Array) => void): void;
  /**
   * Sends it once; whatever the network refuses is lost, as it might be on its way. Never throws. `hops`: how many routers it
   * may pass, instead of as many as it takes.
   */
  send(to: Address, datagram: Uint8Array, hops?: number): void;
  /** Sends several datagrams of `segmentBytes` each, which lie behind one another; the last is perhaps shorter. */
  sendRun(to: Address, run: Uint8Array, segmentBytes: number): void;
  /** Nothing is sent or received any more; closing twice is safe. */
  close(): void;
}

/** `sendRun` for who can only send one at a time. */
export function sendApart(
  socket: Pick<DatagramSocket, "send">,
  to: Address,
  run: Uint8Array,
  segmentBytes: number,
): void {
  for (let at = 0; at < run.length; at += segmentBytes) socket.send(to, run.subarray(at, at + segmentBytes));
}
