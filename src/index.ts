/** The library: what other programs import. */
export type { Address } from "./base/address.ts";
export { DnetError } from "./base/error.ts";
export type { KeyPair } from "./crypto/ed25519.ts";
export type { FoundMutable, FoundPeer, FoundPeers, FoundValue } from "./dht/operations.ts";
export { REASONS, type Reason } from "./dht/reasons.ts";
export type { Reply } from "./dht/requests.ts";
export { STEPS, type Step, type TraceEntry } from "./dht/trace.ts";
export { Gateway } from "./io/gateway/gateway.ts";
export { DEFAULT_PORT, type GatewayOptions } from "./io/gateway/options.ts";
export type { QueryStream } from "./io/gateway/query-stream.ts";
export { Relay, type RelayOptions } from "./io/gateway/relay.ts";
export type { SecretSocket, SecretSocketEvents } from "./io/gateway/secret-socket.ts";
export type { Server, ServerEvents, ServerOptions } from "./io/gateway/server.ts";
export {
  type ConnectSettings,
  type GatewayEvents,
  MAX_VALUE_BYTES,
  type QuerySettings,
  type Question,
  type Relays,
} from "./io/gateway/settings.ts";
export { type Testnet, testnet } from "./io/gateway/testnet.ts";
export { Channel, type ChannelName, type ChannelOwner, Mux, type MuxOwner } from "./transport/mux.ts";
export type { PeerRecord } from "./wire/dht.ts";
