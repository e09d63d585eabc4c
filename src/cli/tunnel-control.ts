import type { TunnelRunOptions } from "../io/tunnel.ts";
import type { TunnelConfig } from "../io/tunnel-config.ts";
import type { TunnelView } from "../io/tunnel-view.ts";

/** What the `dnet tunnel` commands need of the rest of dnet; loaded only when one of them is used. */
export interface TunnelControl {
  /** Runs a tunnel in this process and resolves once it has stopped cleanly, after `signal` was aborted. */
  run(config: TunnelConfig, options: TunnelRunOptions): Promise<void>;
  /** Starts `dnet tunnel up PATH` in a process of its own and resolves once the tunnel is up. */
  start(name: string, path: string): Promise<TunnelView>;
  /** The names of all tunnels that run. */
  running(): Promise<string[]>;
  /** Throws DnetError with failure "not-running" when there is none of that name; `stop` likewise. */
  read(name: string): Promise<TunnelView>;
  stop(name: string): Promise<void>;
}

export const tunnelControl: TunnelControl = {
  run: async (config, options) => (await import("../io/tunnel.ts")).runTunnel(config, options),
  start: async (name, path) => (await import("./background.ts")).startInBackground(name, path),
  running: async () => (await import("../io/control-socket.ts")).runningTunnels(),
  read: async (name) => (await import("../io/control-socket.ts")).readTunnel(name),
  stop: async (name) => (await import("../io/control-socket.ts")).stopTunnel(name),
};
