/** A ping that goes on beside other tests, to see that nothing of a long time is lost. */
import type { Namespace } from "./namespaces.ts";
import type { Scene } from "./scene.ts";

export interface LongPing {
  /** Ends it, and tells how many requests went out and how many replies came. */
  end(): Promise<{ sent: number; answered: number }>;
}

/** Five requests a second from now on. */
export function startLongPing(scene: Scene, from: Namespace, to: string): LongPing {
  const actor = scene.start(from, ["ping", "-n", "-q", "-i", "0.2", to]);
  const output = new Response(actor.stdout).text();
  return {
    async end() {
      await actor.end("SIGINT");
      const [, sent, answered] = /(\d+) packets transmitted, (\d+) received/.exec(await output) ?? [];
      return { sent: Number(sent), answered: Number(answered) };
    },
  };
}
