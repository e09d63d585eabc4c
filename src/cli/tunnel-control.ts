import type { TunnelRunOptions } from "../io/tunnel.ts";
import type { TunnelConfig } from "../io/tunnel-config.ts";
import type { TunnelView } from "../io/tunnel-view.ts";

/** What the `dnet tunnel` commands need of the rest of dnet; loaded only when one of them is used. */
export interface TunnelControl {
  /** Runs a tunnel in this process and resolves once it has stopped cleanly, after `signal` was aborted. */
  run(config: TunnelConfig, options: TunnelRunOptions): Promise<void>;
  /** Starts `dnet tunnel up PATH` in a process of its own and resolves once the tunnel is up. */
  start(name: string, path: string): Promise<TunnelView>;
  /** All tunnels that run: those that answer, and the names of those that do not. */
  readAll(): Promise<{ readonly views: readonly TunnelView[]; readonly silent: readonly string[] }>;
  /** Throws DnetError: failure "not-running" when there is none of that name, "unreachable" when it does not answer. */
  read(name: string): Promise<TunnelView>;
  /** Throws as `read` does. */
  stop(name: string): Promise<void>;
}

export const tunnelControl: TunnelControl = {
  run: async (config, options) => (await import("../io/tunnel.ts")).runTunnel(config, options),
  start: async (name, path) => (await import("./background.ts")).startInBackground(name, path),
  readAll: async () => (await import("../io/control-socket.ts")).readTunnels(),
  read: async (name) => (await import("../io/control-socket.ts")).readTunnel(name),
  stop: async (name) => (await import("../io/control-socket.ts")).stopTunnel(name),
};
