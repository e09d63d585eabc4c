/** What the commands that connect peers have in common: a node that lives as long as they do, and standard input and output as a stream. */
import { DnetError } from "../base/error.ts";
import { formatPublicKey, parsePublicKey } from "../base/public-key.ts";
import type { KeyPair } from "../crypto/ed25519.ts";
import { drained } from "../io/gateway/drained.ts";
import type { Gateway } from "../io/gateway/gateway.ts";
import type { SecretSocket } from "../io/gateway/secret-socket.ts";
import { chooseNetwork } from "./chosen-network.ts";
import type { Context } from "./command.ts";
import { UsageError } from "./command.ts";
import { optionConflict } from "./option-values.ts";
import { printable } from "./printable.ts";

interface PeerValues {
  readonly bootstrap: readonly string[];
  readonly via: string | undefined;
}

/** Opens a node, finds the network, calls `use` and closes all, however it ends. Throws DnetError. `keyPair`: left out, any. */
export async function withPeer<Result>(
  { bootstrap: lists, via }: PeerValues,
  keyPair: KeyPair | undefined,
  { gateways, terminal }: Context,
  use: (gateway: Gateway) => Promise<Result>,
): Promise<Result> {
  const { bootstrap, words } = chooseNetwork(lists);
  if (lists.length === 0) terminal.stderr.write(`${words}\n`);
  const given = { ...(keyPair && { keyPair }), ...(via !== undefined && { via }) };
  const gateway = await gateways.create({ bootstrap, port: 0, ephemeral: true, ...given });
  try {
    await gateway.ready();
    if (gateway.size === 0) {
      throw new DnetError("NO_ANSWER", `none of the bootstrap nodes answers: ${bootstrap.join(", ")}`, {
        failure: "unreachable",
        hint: "check that one of them runs, and that UDP gets through",
      });
    }
    return await use(gateway);
  } finally {
    await gateway.destroy();
  }
}

/** A peer's key as somebody typed it. Throws UsageError. */
export function parseKeyArgument(text: string): Uint8Array {
  const key = parsePublicKey(text);
  if (key) return key;
  const message = `${printable(text) || "an empty word"} is no key; expected 64 hex characters or 52 of z-base-32`;
  throw new UsageError("BAD_ARGUMENT", message, "the key that dnet dht listen or expose printed");
}

/** A port as somebody typed it. Throws UsageError. */
export function parsePortArgument(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port > 0 && port <= 65_535) return port;
  throw new UsageError("BAD_ARGUMENT", `${printable(text) || "an empty word"} is no port; expected 1 to 65535`, "22");
}

/** Whom `--admit` and `--admit-all` let in. Throws UsageError when that is nobody, or both some and all. */
export function admissionOf(values: {
  readonly admit: readonly string[];
  readonly "admit-all": boolean;
}): (publicKey: Uint8Array) => boolean {
  const admitted = new Set(values.admit.map((text) => parseKeyArgument(text).toHex()));
  const isForAll = values["admit-all"];
  if (isForAll && admitted.size > 0) throw optionConflict("--admit and --admit-all are both given", "one of the two");
  if (isForAll) return () => true;
  if (admitted.size > 0) return (publicKey) => admitted.has(publicKey.toHex());
  throw new UsageError("NOBODY_ADMITTED", "nobody would be carried", "--admit KEY, or --admit-all");
}

/** What `--relay` says, as a connection or a server takes it. Throws UsageError. */
export function relaysOf({ relay }: { readonly relay: readonly string[] }): { readonly relayThrough?: Uint8Array[] } {
  return relay.length > 0 ? { relayThrough: relay.map(parseKeyArgument) } : {};
}

export function aborted(signal: AbortSignal): Promise<void> {
  return signal.aborted
    ? Promise.resolve()
    : new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** Standard input goes in, what comes goes to standard output; resolves when both are done. Throws DnetError when it fails. */
export async function pipe(stream: SecretSocket, { terminal, stdin }: Context): Promise<void> {
  void send(stream, stdin());
  for await (const message of stream) terminal.stdout.write(message);
  await closed(stream); // what was sent has arrived, too
}

export function shortKey(key: Uint8Array): string {
  return `${formatPublicKey(key).slice(0, 16)}...`;
}

async function send(stream: SecretSocket, input: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of input) {
    if (stream.closed) return;
    if (!stream.write(chunk)) await drained(stream);
  }
  stream.end();
}

function closed(stream: SecretSocket): Promise<void> {
  return stream.closed ? Promise.resolve() : new Promise((resolve) => stream.once("close", resolve));
}
