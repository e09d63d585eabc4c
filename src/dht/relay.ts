/**
 * Carries handshakes and hole punching messages between a client and a server that announced itself here. It keeps no state: every
 * hop has the client's transaction number, and the last is the response to its request. Source: hyperdht lib/router.js;
 * specification §9.
 */
import type { Address } from "../base/address.ts";
import { COMMAND } from "../wire/dht.ts";
import { decodeRelayedHandshake, encodeRelayedHandshake, MODE, type RelayedHandshake } from "../wire/handshake.ts";
import { decodeRelayedHolepunch, encodeRelayedHolepunch, type RelayedHolepunch } from "../wire/holepunch.ts";
import type { Request } from "../wire/rpc.ts";
import type { Route } from "./storage.ts";

/** What becomes of a relayed message. `forward`: a request, with the original's transaction number, command and target. */
export type Relayed =
  | { readonly type: "forward"; readonly to: Address; readonly value: Uint8Array }
  | { readonly type: "reply"; readonly to: Address; readonly value: Uint8Array }
  /** There is no route: closer nodes may have one. */
  | { readonly type: "noRoute" };

/** Whether `relay` is for it; of the DHT's own commands. */
export function isRelayed({ command }: Request): boolean {
  return command === COMMAND.peerHandshake || command === COMMAND.peerHolepunch;
}

/** `route`: where the target's server is. Null: nothing comes of it. */
export function relay(request: Request, from: Address, route: Route | null): Relayed | null {
  const { command, value } = request;
  if (!value) return null;
  if (command === COMMAND.peerHandshake) {
    const message = decodeRelayedHandshake(value);
    return message && relayHandshake(message, from, route);
  }
  const message = decodeRelayedHolepunch(value);
  return message && relayHolepunch(message, from, route);
}

function relayHandshake(message: RelayedHandshake, from: Address, route: Route | null): Relayed | null {
  const { mode, noise, peerAddress, relayAddress } = message;
  switch (mode) {
    case MODE.fromClient: {
      const to = relayAddress ?? route?.relay;
      if (!to) return { type: "noRoute" };
      return { type: "forward", to, value: handshake({ mode: MODE.fromRelay, noise, peerAddress: from }) };
    }
    case MODE.fromRelay: {
      if (!route || !peerAddress) return null;
      const value = handshake({ mode: MODE.fromSecondRelay, noise, peerAddress, relayAddress: from });
      return { type: "forward", to: route.relay, value };
    }
    case MODE.fromServer: {
      if (!peerAddress) return null;
      return { type: "reply", to: peerAddress, value: handshake({ mode: MODE.reply, noise, peerAddress: from }) };
    }
    default:
      return null;
  }
}

function relayHolepunch(message: RelayedHolepunch, from: Address, route: Route | null): Relayed | null {
  const { mode, id, payload, peerAddress } = message;
  if (mode === MODE.fromClient) {
    const to = peerAddress ?? route?.relay;
    const value = encodeRelayedHolepunch({ mode: MODE.fromRelay, id, payload, peerAddress: from });
    return to ? { type: "forward", to, value } : null;
  }
  if (mode !== MODE.fromServer || !peerAddress) return null;
  return {
    type: "reply",
    to: peerAddress,
    value: encodeRelayedHolepunch({ mode: MODE.reply, id, payload, peerAddress: from }),
  };
}

function handshake(message: Omit<RelayedHandshake, "relayAddress"> & { relayAddress?: Address }): Uint8Array {
  return encodeRelayedHandshake({ relayAddress: null, ...message });
}
