/** What `dnet gateway` says while it runs. */
import { counted } from "../base/counted.ts";
import type { Gateway } from "../io/gateway/gateway.ts";
import type { Terminal } from "./command.ts";
import type { GatewayPlan } from "./gateway-plan.ts";
import { listeningText, type NodeView, readyText, stateText, statusText, Traffic, viewNode } from "./gateway-view.ts";
import { LiveLine } from "./live-line.ts";

const SCHEMA = "dnet.gateway/1";
/** A status that has not changed is told so often where it cannot be rewritten. */
const TELL_AGAIN_MS = 60_000;

/** Events go to stdout: two lines for each node, or with `--json` an object a line. Words and the status go to stderr. */
export class GatewayReport {
  readonly #isJson: boolean;
  readonly #count: number;
  readonly #live: LiveLine;
  readonly #traffic = new Traffic(performance.now());
  #toldState = "";
  #toldAt = -Infinity;

  constructor(terminal: Terminal, { isJson, count }: { readonly isJson: boolean; readonly count: number }) {
    this.#isJson = isJson;
    this.#count = count;
    this.#live = new LiveLine(terminal);
  }

  starting({ words, bootstrap, publicAddress, network }: GatewayPlan, knownBefore: number): void {
    if (this.#isJson) return this.#event("starting", { bootstrap, publicAddress, network, knownBefore });
    this.#live.printWords(`${words}\n`);
    if (knownBefore > 0) this.#live.printWords(`and through ${counted(knownBefore, "node")} known from before\n`);
  }

  listening(view: NodeView): void {
    if (this.#isJson) this.#event("listening", view);
    else this.#live.printResult(`${listeningText(view, this.#count)}\n`);
  }

  ready(view: NodeView): void {
    if (this.#isJson) this.#event("ready", view);
    else this.#live.printResult(`${readyText(view, this.#count)}\n`);
  }

  /** Called every second, and says so when there is something to say. */
  status(gateways: readonly Gateway[]): void {
    const now = performance.now();
    const nodes = gateways.map((gateway, i) => viewNode(gateway, i + 1));
    const isLive = this.#live.isPossible && !this.#isJson;
    const state = stateText(nodes);
    if (!isLive && state === this.#toldState && now < this.#toldAt + TELL_AGAIN_MS) return;
    const rates = this.#traffic.ratesUntil(now, gateways);
    [this.#toldState, this.#toldAt] = [state, now];
    if (this.#isJson) this.#event("status", { ...rates, nodes });
    else if (isLive) this.#live.show(statusText(nodes, rates));
    else this.#live.printWords(`${new Date().toISOString()} ${statusText(nodes, rates)}\n`);
  }

  warn(words: string): void {
    this.#live.printWords(`warning: ${words}\n`);
  }

  stopped(savedNodes: number): void {
    if (this.#isJson) return this.#event("stopped", { savedNodes });
    this.#live.printWords(
      `stopped${savedNodes > 0 ? `; saved ${counted(savedNodes, "node")} for the next time` : ""}\n`,
    );
  }

  #event(event: string, facts: object): void {
    const at = new Date().toISOString();
    this.#live.printResult(`${JSON.stringify({ schema: SCHEMA, event, at, ...facts })}\n`);
  }
}
