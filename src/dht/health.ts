/** Whether the network answers at all. Counted by ticks of 5 s. Source: dht-rpc lib/health.js; specification §4.5. */
const WINDOW_TICKS = 4;
const OFFLINE_TICKS = 2;
/** Fewer outcomes in a tick say nothing. */
const LEAST_OUTCOMES = 4;
const DEGRADED_TIMEOUT_RATE = 0.5;

type Verdict = "healthy" | "degraded" | "offline" | "idle";

export class Health {
  isOnline = true;
  isDegraded = false;
  #before: { answers: number; timeouts: number } | null = null;
  readonly #verdicts: Verdict[] = [];
  #offlineTicks = 0;

  /** A tick has passed; the totals of answers and timeouts until now. Returns whether a verdict changed. */
  tick(totals: { answers: number; timeouts: number }): boolean {
    const answers = totals.answers - (this.#before?.answers ?? totals.answers);
    const timeouts = totals.timeouts - (this.#before?.timeouts ?? totals.timeouts);
    this.#before = { ...totals };
    const isIdle = this.#verdicts.length < WINDOW_TICKS - 1 || answers + timeouts < LEAST_OUTCOMES;
    const isDegraded = timeouts / (answers + timeouts) > DEGRADED_TIMEOUT_RATE;
    const verdict = isIdle ? "idle" : answers === 0 ? "offline" : isDegraded ? "degraded" : "healthy";
    this.#verdicts.push(verdict);
    if (this.#verdicts.length > WINDOW_TICKS) this.#verdicts.shift();
    return isIdle ? false : this.#judge(verdict);
  }

  /** After sleep: what was is forgotten. Returns whether a verdict changed. */
  reset(): boolean {
    const changes = !this.isOnline || this.isDegraded;
    this.isOnline = true;
    this.isDegraded = false;
    this.#before = null;
    this.#verdicts.length = 0;
    this.#offlineTicks = 0;
    return changes;
  }

  #judge(verdict: Verdict): boolean {
    const before = { isOnline: this.isOnline, isDegraded: this.isDegraded };
    this.#offlineTicks = verdict === "offline" ? this.#offlineTicks + 1 : 0;
    if (verdict !== "offline") this.isOnline = true;
    else if (this.#offlineTicks >= OFFLINE_TICKS) this.isOnline = false;
    const all = (which: Verdict) => this.#verdicts.length === WINDOW_TICKS && this.#verdicts.every((v) => v === which);
    if (!this.isOnline || all("healthy")) this.isDegraded = false;
    else if (all("degraded")) this.isDegraded = true;
    return before.isOnline !== this.isOnline || before.isDegraded !== this.isDegraded;
  }
}
