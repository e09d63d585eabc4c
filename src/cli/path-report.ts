/** How a connection goes, and what was done to reach the other side, in words. */
import { formatAddress } from "../base/address.ts";
import { REASONS } from "../dht/reasons.ts";
import { STEPS, type TraceEntry } from "../dht/trace.ts";
import type { SecretSocket } from "../io/gateway/secret-socket.ts";
import type { Terminal } from "./command.ts";
import { printable } from "./printable.ts";

/** Says on stderr by which path the connection goes, whenever that changes; with `trace` also how it got there, at its end at the latest. */
export function reportPath(stream: SecretSocket, { stderr }: Terminal, { who = "", trace = false } = {}): void {
  let told = 0;
  const tellSteps = () => {
    if (!trace) return;
    stderr.write(traceText(stream.trace.slice(told)));
    told = stream.trace.length;
  };
  const tell = () => {
    tellSteps();
    stderr.write(`${who}${pathWords(stream)}\n`);
  };
  if (stream.connected) tell();
  else stream.once("open", tell);
  stream.on("path", tell);
  stream.once("close", tellSteps);
}

/** `direct, to 203.0.113.5:4000`, say. */
export function pathWords({ path, reason, remoteAddress }: SecretSocket): string {
  const to = remoteAddress ? formatAddress(remoteAddress) : "nowhere";
  if (path !== "relayed") return `direct, to ${to}`;
  return reason ? `by the relay at ${to} (${reason}: ${REASONS[reason]})` : `by the relay at ${to}, for now`;
}

/** A line for each step: when, what, and where. */
export function traceText(entries: readonly TraceEntry[]): string {
  const lines = entries.map(({ atMs, step, address, detail }) => {
    const where = [address && formatAddress(address), detail && `(${printable(detail)})`].filter(Boolean).join(" ");
    return `${atMs.toFixed(0).padStart(7)} ms  ${STEPS[step]}${where ? ` ${where}` : ""}\n`;
  });
  return lines.join("");
}
