/** Runs what `dnet gateway` has planned: opens the nodes, tells how they are, saves whom they know, and ends them. */
import { type Address, formatAddress } from "../base/address.ts";
import type { Gateway } from "../io/gateway/gateway.ts";
import { makeStateDirectory } from "../io/paths.ts";
import { MAX_SAVED_NODES, SavedNodes } from "../io/saved-nodes.ts";
import type { Context } from "./command.ts";
import type { GatewayPlan } from "./gateway-plan.ts";
import { GatewayReport } from "./gateway-report.ts";
import { viewNode } from "./gateway-view.ts";

const STATUS_EVERY_MS = 1_000;
const SAVE_EVERY_MS = 5 * 60_000;

/** Resolves once everything has ended, after the first Ctrl-C or SIGTERM. Throws DnetError when it cannot begin. */
export async function runGateways(plan: GatewayPlan, isJson: boolean, context: Context): Promise<void> {
  const stop = context.stopSignal();
  const report = new GatewayReport(context.terminal, { isJson, count: plan.count });
  const saved = plan.network === null ? null : new SavedNodes(makeStateDirectory(), plan.network);
  const known = (await saved?.load()) ?? { nodes: [], flaw: null };
  if (known.flaw) report.warn(`${saved?.path} ${known.flaw}; going on without it`);
  report.starting(plan, known.nodes.length);
  const gateways: Gateway[] = [];
  const keeper = saved && new Keeper(saved, gateways, report);
  const timers: ReturnType<typeof setInterval>[] = [];
  try {
    while (gateways.length < plan.count && !stop.aborted) {
      const gateway = await create(plan, known.nodes, context);
      gateways.push(gateway);
      await gateway.bind(); // one after another, so that their ports are in their order
      report.listening(viewNode(gateway, gateways.length));
    }
    const unsaid = Promise.withResolvers<never>();
    timers.push(setInterval(() => tellStatus(gateways, report, unsaid.reject), STATUS_EVERY_MS));
    if (keeper) timers.push(setInterval(() => void keeper.save(), SAVE_EVERY_MS));
    const ended = Promise.race([aborted(stop), unsaid.promise]);
    await Promise.race([allReady(gateways, report), ended]);
    if (!stop.aborted) void keeper?.save(); // so that a crash within the first minutes leaves something
    await ended;
  } finally {
    for (const timer of timers) clearInterval(timer);
    await keeper?.save();
    await Promise.all(gateways.map((gateway) => gateway.destroy()));
  }
  report.stopped(keeper?.savedCount ?? 0);
}

function create({ options, publicAddress }: GatewayPlan, nodes: readonly Address[], { gateways }: Context) {
  const all = { ...options, nodes };
  return publicAddress ? gateways.createBootstrap(publicAddress, all) : gateways.create(all);
}

/** On a full disk, say, a result cannot be told: `onError` has it, as nobody catches what a timer throws. */
function tellStatus(gateways: readonly Gateway[], report: GatewayReport, onError: (error: unknown) => void): void {
  try {
    report.status(gateways);
  } catch (error) {
    onError(error);
  }
}

async function allReady(gateways: readonly Gateway[], report: GatewayReport): Promise<void> {
  const each = gateways.map(async (gateway, i) => {
    await gateway.ready();
    report.ready(viewNode(gateway, i + 1));
  });
  await Promise.all(each).catch((error) => {
    // Ended meanwhile; there is no other way to fail once the sockets are open.
    if (!gateways.some(({ destroyed }) => destroyed)) throw error;
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Saves the nodes that ours know, one save after another. */
class Keeper {
  /** Of the last save that went well. */
  savedCount = 0;
  readonly #saved: SavedNodes;
  readonly #gateways: readonly Gateway[];
  readonly #report: GatewayReport;
  #last: Promise<void> = Promise.resolve();
  #hasFailed = false;

  constructor(saved: SavedNodes, gateways: readonly Gateway[], report: GatewayReport) {
    this.#saved = saved;
    this.#gateways = gateways;
    this.#report = report;
  }

  save(): Promise<void> {
    this.#last = this.#last.then(() => this.#save());
    return this.#last;
  }

  async #save(): Promise<void> {
    const nodes = goodNodes(this.#gateways);
    if (nodes.length === 0) return; // while nobody answers, what was good before is worth more
    try {
      await this.#saved.save(nodes);
      this.savedCount = nodes.length;
      this.#hasFailed = false;
    } catch (error) {
      const { message } = error as Error;
      if (!this.#hasFailed) this.#report.warn(`the known nodes cannot be saved in ${this.#saved.path}: ${message}`);
      this.#hasFailed = true;
    }
  }
}

/** Of each table in turn the node that was heard last; none of our own, which end when we do. */
export function goodNodes(gateways: readonly Gateway[]): Address[] {
  const ours = new Set(gateways.flatMap((gateway) => gateway.remoteAddress() ?? []).map(formatAddress));
  const tables = gateways.filter(({ online }) => online).map((gateway) => gateway.toArray({ limit: MAX_SAVED_NODES }));
  const good = new Map<string, Address>();
  for (let i = 0; i < MAX_SAVED_NODES && good.size < MAX_SAVED_NODES; i++) {
    for (const node of tables.flatMap((table) => table[i] ?? [])) {
      const text = formatAddress(node);
      if (!ours.has(text)) good.set(text, node);
    }
  }
  return [...good.values()].slice(0, MAX_SAVED_NODES);
}
