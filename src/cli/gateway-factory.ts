import type { Address } from "../base/address.ts";
import type { Gateway } from "../io/gateway/gateway.ts";
import type { GatewayOptions } from "../io/gateway/options.ts";

/** Where the commands get their DHT nodes; what those are made of is loaded only when one of them is used. */
export interface GatewayFactory {
  /** Throws DnetError for options that cannot be. */
  create(options: GatewayOptions): Promise<Gateway>;
  /** The first node of a network, which others reach at `address`. Throws DnetError. */
  createBootstrap(address: Address, options: GatewayOptions): Promise<Gateway>;
}

export const gatewayFactory: GatewayFactory = {
  create: async (options) => new (await load()).Gateway(options),
  createBootstrap: async ({ host, port }, options) => (await load()).Gateway.bootstrapper(port, host, options),
};

const load = () => import("../io/gateway/gateway.ts");
