import type { Address } from "../../src/base/address.ts";
import { X25519Key } from "../../src/crypto/x25519.ts";
import { SUITE_W, type Suite } from "../../src/tunnel/suite.ts";
import { type Activity, Tunnel, type TunnelOutput } from "../../src/tunnel/tunnel.ts";
import { SeededRandom } from "./random.ts";

/** 2026-01-01 in Unix milliseconds: what the simulated clock's zero stands for. */
export const UNIX_ORIGIN_MS = 1_767_225_600_000;

export const ADDRESS_A: Address = { host: "192.0.2.1", port: 1776 };
export const ADDRESS_B: Address = { host: "2001:db8::2", port: 1777 };

export type Timed = TunnelOutput & { at: number };
export type OutputOf<Type extends TunnelOutput["type"]> = Extract<TunnelOutput, { type: Type }>;

/** One end of a tunnel with the other as its only peer, number 0. The test plays the datapath by setting `activity`. */
export interface End {
  readonly tunnel: Tunnel;
  readonly publicKey: Uint8Array;
  readonly address: Address;
  activity: Activity;
}

export interface PairOptions {
  suite?: Suite;
  presharedKeys?: [Uint8Array | null, Uint8Array | null];
  endpoints?: [Address | null, Address | null];
  persistentKeepaliveMs?: number;
  seed?: number;
}

/** Ends a and b. By default both know where the other is, neither has a pre-shared key, and the suite is W. */
export function pair(options: PairOptions = {}): [a: End, b: End] {
  const { suite = SUITE_W, presharedKeys = [null, null], endpoints = [ADDRESS_B, ADDRESS_A] } = options;
  const random = new SeededRandom(options.seed ?? 1);
  const a = newEnd(ADDRESS_A, random);
  const b = newEnd(ADDRESS_B, random);
  for (const [i, [end, other]] of [[a, b] as const, [b, a] as const].entries()) {
    end.tunnel.addPeer({
      publicKey: other.publicKey,
      presharedKey: presharedKeys[i]!,
      suite,
      endpoint: endpoints[i]!,
      persistentKeepaliveMs: i === 0 ? (options.persistentKeepaliveMs ?? 0) : 0,
    });
  }
  return [a, b];
}

export function newEnd(address: Address, random: SeededRandom, unixOriginMs = UNIX_ORIGIN_MS): End {
  const privateKey = random.bytes(32);
  const end: End = {
    address,
    publicKey: new X25519Key(privateKey).publicKey,
    activity: { unansweredSince: 0, unheardSince: 0, lastTraversalAt: 0 },
    tunnel: new Tunnel({ privateKey, random, unixOriginMs, activity: () => end.activity }),
  };
  return end;
}

/** Takes the outputs, which must include exactly one of this type, and returns that one. */
export function take<Type extends TunnelOutput["type"]>({ tunnel }: End, type: Type): OutputOf<Type> {
  const found = tunnel.drain().filter((output): output is OutputOf<Type> => output.type === type);
  if (found.length !== 1) throw new Error(`expected one ${type}, saw ${found.length}`);
  return found[0]!;
}

/** a initiates, b responds, a's first data arrives. Returns all outputs but the datagrams, those of b after those of a. */
export function shakeHands(now: number, a: End, b: End): { a: TunnelOutput[]; b: TunnelOutput[] } {
  a.tunnel.want(now, 0);
  b.tunnel.receive(now, a.address, take(a, "send").datagram);
  const answered = b.tunnel.drain();
  const response = answered.find((output) => output.type === "send");
  if (response?.type !== "send") throw new Error("no response");
  a.tunnel.receive(now, b.address, response.datagram);
  const session = answered.find((output) => output.type === "session");
  if (session?.type === "session") b.tunnel.confirmed(now, 0, session.keys.localIndex);
  return { a: a.tunnel.drain(), b: answered.filter((output) => output.type !== "send") };
}

/** Goes from deadline to deadline until `until`, and returns what came out when. Nobody answers. */
export function runUntil({ tunnel }: End, until: number, from = 0): Timed[] {
  const seen: Timed[] = [];
  for (let now = from; now <= until; now = Math.max(now, tunnel.deadline())) {
    tunnel.advance(now);
    seen.push(...tunnel.drain().map((output) => ({ ...output, at: now })));
    if (tunnel.deadline() <= now) throw new Error(`due again at ${now}`);
  }
  return seen;
}

/** `5000 send`, one for each output. */
export function timeline(seen: Timed[]): string[] {
  return seen.map(({ at, type }) => `${at} ${type}`);
}
