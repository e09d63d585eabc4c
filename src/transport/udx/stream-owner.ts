/** What a stream is made with, and whom it tells what happens. */
import type { Address } from "../../base/address.ts";
import type { Route } from "./packet-writer.ts";
import type { UdxStream } from "./stream.ts";

/** Null: both directions ended, or `destroy` was called here. `relay`: the stream that this one relayed to has closed. */
export type CloseReason = null | "reset" | "timeout" | "relay";

/** Whoever a stream belongs to. It may call any method of the stream from within these. */
export interface StreamOwner {
  /** The next bytes, lent until this returns. Say `stream.consumed` when they are dealt with, or the window closes. */
  data(now: number, stream: UdxStream, bytes: Uint8Array): void;
  /** Nothing more will come; writing still works. */
  ended?(now: number, stream: UdxStream): void;
  /** An unordered message, lent until this returns. */
  message?(now: number, stream: UdxStream, bytes: Uint8Array): void;
  /** After a write that returned false: there is room again. */
  writable?(now: number, stream: UdxStream): void;
  /** Everything sent before `changeRemote` has arrived. */
  remoteChanged?(now: number, stream: UdxStream): void;
  /** The last that is heard of the stream. */
  closed(now: number, stream: UdxStream, reason: CloseReason): void;
}

/**
 * Asked about every packet that comes in by a socket that is not the stream's, so about all before `connect`. True rejects, as in
 * the reference's binding: the packet is swallowed. It may connect, change the remote or destroy: the packet meets the result.
 */
export type Firewall = (now: number, socket: string, from: Address) => boolean;

export interface StreamOptions {
  /** The local id, which the other end puts into its packets. */
  readonly id: number;
  readonly owner: StreamOwner;
  /** Without one everything is rejected. */
  readonly firewall?: Firewall;
  /** Our first number, agreed upon with the other end. */
  readonly seq?: number;
  /** How much the owner is ready to keep. What comes before its turn may be three times as much again. */
  readonly windowBytes?: number;
  readonly mtuLimitBytes: number;
}

export interface Remote extends Route {
  /** The other end's first number; 0 unless given. */
  readonly ack?: number;
}
