/** What a connection being made needs of the node it is part of. */
import type { Address } from "../base/address.ts";
import type { PunchSurroundings } from "./holepuncher.ts";
import type { Query, QueryOptions, QueryOwner } from "./query.ts";
import type { SocketName } from "./requests.ts";

export interface ConnectionSurroundings extends PunchSurroundings {
  query(now: number, options: QueryOptions, owner: QueryOwner): Query;
  /** Where strangers reach us, and see us when we ask; null when they do not. */
  publicAddress(): Address | null;
  /** Where they reach us by our router's port mapping; null when they do not. What we ask they see come from elsewhere. */
  mappedAddress(): Address | null;
  /** Ours on our own networks, with the server socket's port. */
  localAddresses(): readonly Address[];
  /** Ours on the internet by IPv6, with the port of the socket `six`: one, or none. */
  addresses6(): readonly Address[];
  /** The socket that our requests leave from. */
  mainSocket(): SocketName;
}

/**
 * Our router's mapping, if the peer at `host` can use it: null for one behind the same router, as not all of those turn packets round.
 */
export function mappedFor(host: string, around: ConnectionSurroundings): Address | null {
  const mapped = around.mappedAddress();
  return mapped?.host === host ? null : mapped;
}

/** Whether it was opened to punch with: it belongs to one peer, and no other may come in by it. */
export function isPunchSocket(socket: string): boolean {
  return socket.startsWith("punch-");
}

/** From which socket, and to where. */
export interface Way {
  readonly socket: SocketName;
  readonly to: Address;
}

/** Where a stream's packets go: the way, and what the stream is called at its end. */
export interface Path extends Way {
  readonly remoteId: number;
}
