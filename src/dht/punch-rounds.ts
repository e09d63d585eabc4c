/**
 * The caller's rounds of hole punching: through relays both sides tell each other what their NATs do, until both know enough to begin
 * to probe. Source: hyperdht lib/connect.js `holepunch`, `probeRound`, `roundPunch`; specification §13.3.
 */
import { type Address, sameAddress } from "../base/address.ts";
import { randomUint32 } from "../base/random.ts";
import { COMMAND } from "../wire/dht.ts";
import { MODE } from "../wire/handshake.ts";
import { decodeRelayedHolepunch, encodeRelayedHolepunch } from "../wire/holepunch.ts";
import type { HolepunchPayload } from "../wire/holepunch-payload.ts";
import { FIREWALL, PAYLOAD_ERROR, type RelayPair } from "../wire/noise-payload.ts";
import { type ConnectionSurroundings, mappedFor } from "./connection-surroundings.ts";
import type { Agreed } from "./handshaker.ts";
import { Holepuncher } from "./holepuncher.ts";
import type { Reason } from "./reasons.ts";
import type { PendingRequest, Reply, Requester, SocketName } from "./requests.ts";
import type { Trace } from "./trace.ts";

/** A message makes four hops there and back, any of which may lose it. Differs: the reference has half that time. */
const ANSWER_MS = 8_000;
/** A peer that does not know its NAT yet is asked again after this. */
const UNKNOWN_WAIT_MS = 1_000;
/** While a relay carries the stream, a side that has enough to do is asked again after this, and up to as much more. */
const BUSY_WAIT_MS = 10_000;

export interface PunchRoundsOptions {
  readonly agreed: Agreed;
  /** The hash of the server's key. */
  readonly target: Uint8Array;
  /** Probe before the first round, so that a peer with a steady NAT gets through at once. */
  readonly fastOpen: boolean;
  /** Whether a relay carries the stream meanwhile, or will: then both sides have time. */
  readonly isRelayed: boolean;
  /** What is not answered is asked again after so long. */
  readonly repeatMs: number;
}

/** What one round says; the rest is told of every round, or of none. */
interface Words {
  readonly to: Address;
  readonly peerAddress: Address;
  readonly remoteAddress?: Address | null;
  readonly punching?: boolean;
  readonly token?: Uint8Array;
  readonly error?: number;
}

/** What the server said. `peerAddress`: where its relay sees it. */
type Heard = (now: number, said: HolepunchPayload, peerAddress: Address | null) => void;

export class PunchRounds implements Requester {
  readonly #options: PunchRoundsOptions;
  readonly #around: ConnectionSurroundings;
  readonly #trace: Trace;
  readonly #onFailed: (now: number, reason: Reason) => void;
  readonly #puncher: Holepuncher;
  /** Where the server sends from, as far as is known. */
  #server: Address;
  #serverToken: Uint8Array | null = null;
  #round = 0;
  #pending: { readonly request: PendingRequest; readonly to: Address; readonly heard: Heard } | null = null;
  #againAt = Infinity;
  #again: (now: number) => void = () => {};

  /** `onFailed` is called once at most, and not after `settle`. */
  constructor(
    now: number,
    options: PunchRoundsOptions,
    around: ConnectionSurroundings,
    trace: Trace,
    onFailed: (now: number, reason: Reason) => void,
  ) {
    this.#options = options;
    this.#around = around;
    this.#trace = trace;
    this.#onFailed = onFailed;
    this.#server = options.agreed.server;
    const onExhausted = (at: number) => onFailed(at, "HOLEPUNCH_ABORTED");
    const mapped = mappedFor(this.#server.host, around);
    this.#puncher = new Holepuncher(now, around, { isInitiator: true, mapped, onExhausted });
    if (options.fastOpen) this.#probe();
    this.#probeRound(now, { isFirst: true });
  }

  /** Whether the server has yet to answer. */
  get isAsking(): boolean {
    return this.#pending !== null;
  }

  has(socket: SocketName): boolean {
    return this.#puncher.has(socket);
  }

  /** Whether the server is known to be at that host. */
  isServerAt(host: string): boolean {
    return [this.#server, ...this.#puncher.remoteAddresses].some((address) => address.host === host);
  }

  /** Nothing more is asked or probed. `socket`: the one that the stream goes on with. */
  settle(now: number, socket: SocketName | null): void {
    if (this.#pending) this.#around.requests.forget(now, this.#pending.request);
    this.#pending = null;
    this.#againAt = Infinity;
    this.#puncher.settle(now, socket);
  }

  advance(now: number): void {
    this.#puncher.advance(now);
    if (now < this.#againAt) return;
    this.#againAt = Infinity;
    this.#again(now);
  }

  deadline(): number {
    return Math.min(this.#againAt, this.#puncher.deadline());
  }

  answered(now: number, request: PendingRequest, reply: Reply): void {
    if (this.#pending?.request !== request) return;
    const { to, heard } = this.#pending;
    this.#pending = null;
    const message = reply.value ? decodeRelayedHolepunch(reply.value) : null;
    const isOurs = message?.mode === MODE.reply && sameAddress(reply.from, to);
    const said = isOurs ? this.#options.agreed.secure.open(message.payload) : null;
    if (!said) return this.#onFailed(now, "HOLEPUNCH_INVALID");
    const isBusy = said.error === PAYLOAD_ERROR.tryLater;
    if (isBusy && this.#options.isRelayed) return this.#tryLater(now);
    if (said.error !== PAYLOAD_ERROR.none) return this.#onFailed(now, isBusy ? "TRY_LATER" : "REMOTE_ABORTED");
    this.#learn(said, reply, (message!.peerAddress ?? to).host);
    heard(now, said, message!.peerAddress);
  }

  failed(now: number, request: PendingRequest): void {
    if (this.#pending?.request !== request) return;
    this.#pending = null;
    this.#onFailed(now, "HOLEPUNCH_ABORTED");
  }

  #learn(
    { punching: isPunching, firewall, addresses, token, remoteToken }: HolepunchPayload,
    reply: Reply,
    host: string,
  ) {
    const isEchoed = this.#options.agreed.secure.isEchoed(host, remoteToken);
    this.#puncher.updateRemote({ isPunching, firewall, addresses, verifiedHost: isEchoed ? host : null });
    this.#puncher.nat.add(reply.to, reply.from);
    if (token) this.#serverToken = token.slice();
  }

  /** Both tell what they know of their NATs. */
  #probeRound(now: number, { isFirst }: { isFirst: boolean }): void {
    const remoteAddress = this.#options.fastOpen ? this.#server : null;
    this.#send(now, { ...this.#byRelay(), remoteAddress }, (at, said, peerAddress) => {
      const probed = (later: number) => this.#probed(later, peerAddress, isFirst);
      if (said.firewall !== FIREWALL.unknown) return probed(at);
      this.#againAt = at + UNKNOWN_WAIT_MS;
      this.#again = probed;
    });
  }

  #probed(now: number, peerAddress: Address | null, isFirst: boolean): void {
    const puncher = this.#puncher;
    puncher.analyse(now, true, (at, { isReopened, isStable }) => {
      this.#trace.nats(at, puncher);
      const isKnown = puncher.remoteFirewall !== FIREWALL.unknown && this.#serverToken !== null;
      if (isFirst && ((isReopened && isStable) || !isKnown)) return this.#probeRound(at, { isFirst: false });
      if (puncher.nat.firewall === FIREWALL.unknown || puncher.remoteFirewall === FIREWALL.unknown) {
        return this.#abort(at, "HOLEPUNCH_PROBE_TIMEOUT");
      }
      if (!isStable) return this.#abort(at, "HOLEPUNCH_DOUBLE_RANDOMIZED_NATS");
      if (peerAddress && !sameAddress(peerAddress, this.#server)) {
        this.#server = peerAddress; // it gave up a socket for a fresh one
        this.#probe();
      }
      this.#punchRound(at);
    });
  }

  /** Both begin to probe. */
  #punchRound(now: number): void {
    const { via, secure } = this.#options.agreed;
    this.#puncher.nat.freeze();
    if (this.#puncher.isBusy) return this.#tryLater(now);
    const words = { to: via, peerAddress: this.#server, punching: true, token: secure.token(this.#server.host) };
    this.#send(now, words, (at, said) => {
      if (!said.punching) return this.#abort(at, "REMOTE_NOT_HOLEPUNCHING");
      this.#trace.note(at, "punch");
      if (this.#puncher.punch(at) !== "punching") this.#abort(at, "REMOTE_NOT_HOLEPUNCHABLE");
    });
  }

  /** One of both has enough punches under way. */
  #tryLater(now: number): void {
    if (!this.#options.isRelayed) return this.#abort(now, "TRY_LATER");
    this.#trace.note(now, "busy");
    this.#againAt = now + BUSY_WAIT_MS + (randomUint32(this.#around.random) % BUSY_WAIT_MS);
    this.#again = (at) => this.#punchRound(at);
  }

  /** Tells the server that nothing comes of it, and ends. */
  #abort(now: number, reason: Reason): void {
    this.#send(now, { ...this.#byRelay(), error: PAYLOAD_ERROR.aborted }, () => {});
    this.#onFailed(now, reason);
  }

  #send(now: number, words: Words, heard: Heard): void {
    const { agreed, target, repeatMs } = this.#options;
    const { to, peerAddress, remoteAddress = null, punching = false, token = null, error = PAYLOAD_ERROR.none } = words;
    const { nat, socket } = this.#puncher;
    const isAbort = error !== PAYLOAD_ERROR.none;
    const payload = agreed.secure.seal({
      error,
      firewall: isAbort ? FIREWALL.unknown : nat.firewall,
      round: this.#round++,
      connected: false,
      punching,
      addresses: isAbort ? null : nat.toldAddresses,
      remoteAddress,
      token,
      remoteToken: punching ? this.#serverToken : null,
    });
    const { id } = agreed.payload.holepunch!;
    const outgoing = {
      to,
      isInternal: false,
      command: COMMAND.peerHolepunch,
      target,
      value: encodeRelayedHolepunch({ mode: MODE.fromClient, id, payload, peerAddress }),
      socket,
      retries: Math.ceil(ANSWER_MS / repeatMs) - 1,
      timeoutMs: repeatMs,
    };
    this.#pending = { request: this.#around.requests.start(now, outgoing, this), to, heard };
  }

  /** The server's relay that we shook hands through; or one that we did not. */
  #byRelay(): { readonly to: Address; readonly peerAddress: Address } {
    const { payload, via } = this.#options.agreed;
    const { relays }: { relays: readonly RelayPair[] } = payload.holepunch!;
    const relay = relays.find(({ relayAddress }) => sameAddress(relayAddress, via)) ?? relays[0]!;
    return { to: relay.relayAddress, peerAddress: relay.peerAddress };
  }

  #probe(): void {
    this.#around.probe(this.#puncher.socket, this.#server, "near");
  }
}
