/**
 * How many packets may be under way, and how fast they may leave: BBR version 1, which finds the rate at which packets arrive and
 * the shortest round trip instead of waiting for loss. Source: udx-wire.md §9; Linux net/ipv4/tcp_bbr.c. Units: packets, ms.
 * Differs: no clock of whole milliseconds, so that short paths have a rate too.
 */
import { AckAggregation } from "./ack-aggregation.ts";
import { OverflowGuard } from "./overflow-guard.ts";
import type { RateSample } from "./rate-sampler.ts";
import { WindowedExtreme } from "./windowed-extreme.ts";

export const FIRST_WINDOW = 10;
const LEAST_WINDOW = 4;
const HIGH_GAIN = 2.88539; // 2 / ln 2: the least with which the rate doubles each round trip
const WINDOW_GAIN = 2;
const CYCLE = [1.25, 0.75, 1, 1, 1, 1, 1, 1];
const FIRST_SLOT = 4; // the reference's; without chance here, as there
const BANDWIDTH_ROUNDS = 10;
const FULL_PIPE_GROWTH = 1.25;
const FULL_PIPE_ROUNDS = 3;
const MIN_RTT_WINDOW_MS = 10_000;
const PROBE_RTT_MS = 200;
const PACING_MARGIN = 0.99;
/**
 * On shorter paths the round trip is mostly the time that processes take to wake. Measured on loopback, a window of the true
 * 0.1 ms holds a quarter of the rate.
 */
const LEAST_MIN_RTT_MS = 1;

type State = "startup" | "drain" | "probe-bandwidth" | "probe-rtt";
export type Recovery = "open" | "recovery" | "loss";

/** What one acknowledgement brought. */
export interface Arrival {
  readonly sample: RateSample;
  /** Packets that it acknowledged, and that it showed to be lost. */
  readonly arrived: number;
  readonly lost: number;
  /** Packets under way after it. */
  readonly underWay: number;
  /** All that arrived so far. */
  readonly delivered: number;
  /** Negative when it measured none. */
  readonly rttMs: number;
  readonly recovery: Recovery;
}

export class Bbr {
  window = FIRST_WINDOW;
  /** Packets a millisecond; Infinity is never given. */
  pacingRate = FIRST_WINDOW * HIGH_GAIN * PACING_MARGIN; // as if the round trip took 1 ms
  #state: State = "startup";
  #pacingGain = HIGH_GAIN;
  #windowGain = HIGH_GAIN;
  #bandwidth = new WindowedExtreme("largest", BANDWIDTH_ROUNDS, 0);
  #aggregation = new AckAggregation();
  #guard = new OverflowGuard();

  #rounds = 0;
  #roundEndsAt = 0; // delivered
  #isRoundStart = false;

  #isPipeFull = false;
  #fullBandwidth = 0;
  #flatRounds = 0;

  #slot = 0;
  #slotBeganAt = 0;

  #minRttMs = Infinity;
  #minRttAt = -Infinity;
  #probeEndsAt = Infinity;
  #isProbeRoundOver = false;
  #isRestart = false;

  #priorWindow = 0;
  #recovery: Recovery = "open";
  #isConserving = false;
  #hasRtt = false;

  arrived(now: number, arrival: Arrival): void {
    this.#updateRound(arrival);
    this.#updateCycle(now, arrival);
    this.#updateFullPipe(arrival);
    this.#updateDrain(now, arrival);
    this.#updateMinRtt(now, arrival);
    this.#updateGains();
    this.#setRate(arrival);
    this.#setWindow(arrival);
    this.#guardBuffers(arrival);
  }

  /** Nothing was acknowledged for an RTO. */
  timedOut(underWay: number): void {
    this.#saveWindow();
    this.#recovery = "loss";
    this.#fullBandwidth = 0;
    this.#isConserving = false;
    this.window = underWay + 1;
  }

  /** Sends again after it had nothing to send. */
  restarted(now: number): void {
    this.#isRestart = true;
    this.#aggregation.restart(now);
    if (this.#state === "probe-bandwidth" && this.#bandwidth.value > 0) {
      this.pacingRate = this.#bandwidth.value * PACING_MARGIN;
    }
  }

  #updateRound({ sample, delivered }: Arrival): void {
    this.#isRoundStart = false;
    if (sample.packets < 0) return;
    if (sample.deliveredBefore >= this.#roundEndsAt) {
      this.#roundEndsAt = delivered;
      this.#rounds++;
      this.#isRoundStart = true;
      this.#isConserving = false;
    }
    const bandwidth = sample.packets / sample.intervalMs;
    if (!sample.isAppLimited || bandwidth >= this.#bandwidth.value) this.#bandwidth.add(this.#rounds, bandwidth);
  }

  #updateCycle(now: number, { sample, arrived, lost, underWay }: Arrival): void {
    const { value: bandwidth } = this.#bandwidth;
    const isMeasured = sample.packets >= 0;
    if (isMeasured)
      this.#aggregation.add(now, { arrived, bandwidth, isRoundStart: this.#isRoundStart, window: this.window });
    if (this.#state !== "probe-bandwidth") return;
    const before = underWay + arrived + lost;
    const isOver = now - this.#slotBeganAt > Math.max(this.#minRttMs, LEAST_MIN_RTT_MS);
    const gain = this.#pacingGain;
    const isNext =
      gain > 1
        ? isOver && (lost > 0 || before >= this.#product(gain))
        : isOver || (gain < 1 && before <= this.#product(1));
    if (isNext) this.#enterSlot(now, (this.#slot + 1) % CYCLE.length);
  }

  #updateFullPipe({ sample }: Arrival): void {
    if (this.#isPipeFull || !this.#isRoundStart || sample.isAppLimited) return;
    if (this.#bandwidth.value >= this.#fullBandwidth * FULL_PIPE_GROWTH) {
      this.#fullBandwidth = this.#bandwidth.value;
      this.#flatRounds = 0;
      return;
    }
    this.#isPipeFull = ++this.#flatRounds >= FULL_PIPE_ROUNDS;
  }

  #updateDrain(now: number, { underWay }: Arrival): void {
    if (this.#state === "startup" && this.#isPipeFull) this.#state = "drain";
    if (this.#state === "drain" && underWay <= this.#product(1)) this.#enterProbeBandwidth(now);
  }

  #updateMinRtt(now: number, { sample, rttMs, underWay, delivered }: Arrival): void {
    const isOld = this.#minRttMs < Infinity && now > this.#minRttAt + MIN_RTT_WINDOW_MS;
    if (rttMs >= 0 && (rttMs < this.#minRttMs || isOld)) {
      this.#minRttMs = rttMs;
      this.#minRttAt = now;
    }
    if (isOld && !this.#isRestart && this.#state !== "probe-rtt") {
      this.#state = "probe-rtt";
      this.#saveWindow();
      this.#probeEndsAt = Infinity;
    }
    if (this.#state === "probe-rtt") this.#probeRtt(now, underWay, delivered);
    if (sample.packets > 0) this.#isRestart = false;
  }

  #probeRtt(now: number, underWay: number, delivered: number): void {
    if (this.#probeEndsAt === Infinity && underWay <= LEAST_WINDOW) {
      this.#probeEndsAt = now + PROBE_RTT_MS;
      this.#isProbeRoundOver = false;
      this.#roundEndsAt = delivered;
    } else if (this.#probeEndsAt < Infinity) {
      if (this.#isRoundStart) this.#isProbeRoundOver = true;
      if (!this.#isProbeRoundOver || now <= this.#probeEndsAt) return;
      this.#minRttAt = now;
      this.window = Math.max(this.window, this.#priorWindow);
      if (this.#isPipeFull) this.#enterProbeBandwidth(now);
      else this.#state = "startup";
    }
  }

  #updateGains(): void {
    if (this.#state === "startup") [this.#pacingGain, this.#windowGain] = [HIGH_GAIN, HIGH_GAIN];
    else if (this.#state === "drain") [this.#pacingGain, this.#windowGain] = [1 / HIGH_GAIN, HIGH_GAIN];
    else if (this.#state === "probe-rtt") [this.#pacingGain, this.#windowGain] = [1, 1];
    else [this.#pacingGain, this.#windowGain] = [CYCLE[this.#slot]!, WINDOW_GAIN];
  }

  #setRate({ rttMs }: Arrival): void {
    if (!this.#hasRtt && rttMs >= 0) {
      this.#hasRtt = true;
      this.pacingRate = (this.window / Math.max(rttMs, LEAST_MIN_RTT_MS)) * HIGH_GAIN * PACING_MARGIN;
    }
    const rate = this.#bandwidth.value * this.#pacingGain * PACING_MARGIN;
    if (rate > 0 && (this.#isPipeFull || rate > this.pacingRate)) this.pacingRate = rate;
  }

  #setWindow({ arrived, lost, underWay, delivered, recovery }: Arrival): void {
    const isEntering = recovery === "recovery" && this.#recovery === "open";
    if (isEntering) this.#saveWindow();
    if (lost > 0) this.window = Math.max(this.window - lost, 1);
    if (isEntering) {
      this.#isConserving = true;
      this.#roundEndsAt = delivered;
      // The reference sends again what is lost before it narrows the window; so many are let through here.
      this.window = underWay + Math.max(arrived, lost);
    } else if (recovery === "open" && this.#recovery !== "open") {
      this.window = Math.max(this.window, this.#priorWindow);
      this.#isConserving = false;
    }
    this.#recovery = recovery;
    if (this.#isConserving) {
      this.window = Math.max(this.window, underWay + arrived);
    } else if (arrived > 0) {
      this.#growWindow(arrived, delivered);
    }
    if (this.#state === "probe-rtt") this.window = Math.min(this.window, LEAST_WINDOW);
  }

  #guardBuffers({ arrived, lost, underWay }: Arrival): void {
    const before = underWay + arrived + lost;
    const [isRoundStart, minRttMs] = [this.#isRoundStart, this.#minRttMs];
    this.#guard.add({ arrived, lost, underWay: before, isRoundStart, minRttMs });
    this.window = Math.min(this.window, Math.floor(this.#guard.limit));
  }

  #growWindow(arrived: number, delivered: number): void {
    const extra = this.#isPipeFull ? this.#aggregation.extra(this.#bandwidth.value) : 0;
    const target = this.#product(this.#windowGain) + extra;
    if (this.#isPipeFull) this.window = Math.min(this.window + arrived, target);
    else if (this.window < target || delivered < FIRST_WINDOW) this.window += arrived;
    this.window = Math.max(this.window, LEAST_WINDOW);
  }

  /** Packets that the path holds, times the gain. */
  #product(gain: number): number {
    if (this.#minRttMs === Infinity) return FIRST_WINDOW;
    const roundMs = Math.max(this.#minRttMs, LEAST_MIN_RTT_MS);
    return Math.max(1, Math.floor(this.#bandwidth.value * roundMs * gain));
  }

  #saveWindow(): void {
    const isNormal = this.#recovery === "open" && this.#state !== "probe-rtt";
    this.#priorWindow = isNormal ? this.window : Math.max(this.#priorWindow, this.window);
  }

  #enterProbeBandwidth(now: number): void {
    this.#state = "probe-bandwidth";
    this.#enterSlot(now, FIRST_SLOT);
  }

  #enterSlot(now: number, slot: number): void {
    this.#slot = slot;
    this.#slotBeganAt = now;
  }
}
