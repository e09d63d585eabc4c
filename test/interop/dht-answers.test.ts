/** What nodes of both kinds make of the same datagrams: of the RPC, of what is to be relayed, and of nonsense. */
import { afterAll, beforeAll, describe, test } from "bun:test";
import { COMMAND, encodePluginRequest } from "../../src/wire/dht.ts";
import { encodeRelayedHandshake, MODE, type RelayedHandshake } from "../../src/wire/handshake.ts";
import { encodeRelayedHolepunch, type RelayedHolepunch } from "../../src/wire/holepunch.ts";
import { encodeAddress4, INTERNAL, type Request } from "../../src/wire/rpc.ts";
import { type Case, Judge } from "../support/hyperdht-judge.ts";
import { bareRequest } from "../support/hyperdht-probe.ts";
import { hasNode, needsNode } from "../support/hyperdht-process.ts";
import { type Asked, announce, SELF } from "../support/hyperdht-signed.ts";

const fill = (byte: number, length = 32) => new Uint8Array(length).fill(byte);
const flipped = (bytes: Uint8Array) => bytes.with(5, bytes[5]! ^ 1);
const internal = (command: number, more: Partial<Request> = {}) => ({ isInternal: true, command, ...more });
const TARGET = fill(0x5a);
const STRANGER = { host: "192.0.2.1", port: 1776 };

describe.skipIf(!hasNode)(`both kinds of node${needsNode}`, () => {
  let judge: Judge;

  beforeAll(async () => {
    judge = await Judge.start();
  });
  afterAll(() => judge[Symbol.asyncDispose]());

  test("OM-30 the RPC's own commands are answered alike", async () => {
    const { port } = judge.probe.other.address;
    await judge.compare([
      ["a ping", "answer", () => internal(INTERNAL.ping)],
      ["one with a value", "answer", () => internal(INTERNAL.ping, { value: fill(9, 1_000) })],
      ["one with an empty value", "answer", () => internal(INTERNAL.ping, { value: fill(9, 0) })],
      ["one with a target", "answer", () => internal(INTERNAL.ping, { target: TARGET })],
      ["one with a valid token", "answer", ({ token }) => internal(INTERNAL.ping, { token })],
      ["one with an id that is not its address's", "answer", () => internal(INTERNAL.ping, { id: fill(1) })],
      ["one for another address", "answer", () => internal(INTERNAL.ping, { to: { host: "192.0.2.1", port: 9 } })],
      ["a ping to another port", "answer elsewhere", () => internal(INTERNAL.pingNat, { value: u16(port) })],
      ["more after that port", "answer elsewhere", () => internal(INTERNAL.pingNat, { value: u16(port, 3, 4) })],
      ["port 0", "silence", () => internal(INTERNAL.pingNat, { value: u16(0) })],
      ["half a port", "silence", () => internal(INTERNAL.pingNat, { value: fill(1, 1) })],
      ["no port", "silence", () => internal(INTERNAL.pingNat)],
      ["a search for nodes", "answer", () => internal(INTERNAL.findNode, { target: TARGET })],
      ["one with a token", "answer", ({ token }) => internal(INTERNAL.findNode, { target: TARGET, token })],
      ["one without a target", "silence", () => internal(INTERNAL.findNode)],
      ["a down hint of a stranger", "answer", () => internal(INTERNAL.downHint, { value: encodeAddress4(STRANGER) })],
      ["one of port 0", "answer", () => internal(INTERNAL.downHint, { value: fill(0, 6) })],
      ["a short one", "silence", () => internal(INTERNAL.downHint, { value: fill(1, 5) })],
      ["none", "silence", () => internal(INTERNAL.downHint)],
      ["too long a delay", "silence", () => internal(INTERNAL.delayedPing, { value: u16(10_001, 0, 0) })],
      ["half a delay", "silence", () => internal(INTERNAL.delayedPing, { value: u16(0) })],
      ["no delay", "silence", () => internal(INTERNAL.delayedPing)],
      ["an unknown command", "error 1", () => internal(5)],
      ["one with a target", "error 1", () => internal(99, { target: TARGET, value: fill(3) })],
      ["one of a great number", "error 1", () => internal(70_000)],
    ]);
  });

  test("OM-36 OM-37 a wrong token is refused alike, whatever is asked", async () => {
    await judge.compare([
      ["flipped", "error 2", ({ token }) => internal(INTERNAL.ping, { token: flipped(token) })],
      [
        "with a target",
        "error 2",
        ({ token }) => internal(INTERNAL.findNode, { token: flipped(token), target: TARGET }),
      ],
      ["where a target is missing", "error 2", () => internal(INTERNAL.findNode, { token: fill(0) })],
      ["for an unknown command", "error 2", () => ({ command: 99, token: fill(0), target: TARGET })],
      ["to announce", "error 2", (node) => announce({}, node, { token: flipped(node.token) })],
      ["to put", "error 2", () => ({ command: COMMAND.immutablePut, target: TARGET, token: fill(1), value: fill(1) })],
      ["to be relayed", "error 2", () => ({ command: COMMAND.peerHandshake, target: TARGET, token: fill(1) })],
    ]);
  });

  test("OM-30 handshakes and punches are relayed alike", async () => {
    const other = judge.probe.other.address;
    const shake =
      (message: Partial<RelayedHandshake>, more: Partial<Request> = {}) =>
      () => ({
        ...{ command: COMMAND.peerHandshake, target: TARGET, ...more },
        value: encodeRelayedHandshake({
          mode: 0,
          noise: fill(8, 90),
          peerAddress: null,
          relayAddress: null,
          ...message,
        }),
      });
    const punch =
      (message: Partial<RelayedHolepunch>, more: Partial<Request> = {}) =>
      () => ({
        ...{ command: COMMAND.peerHolepunch, target: TARGET, ...more },
        value: encodeRelayedHolepunch({ mode: 0, id: 3, payload: fill(8, 90), peerAddress: null, ...message }),
      });
    const route = { target: SELF };
    const [mine, peerAddress, relayAddress] = [judge.probe.asker.address, other, other];
    await judge.compare([
      ["a server's own announcement", "answer", (node) => announce({}, node, { target: SELF })],
      ["by which it is found", "answer", () => ({ command: COMMAND.findPeer, ...route })],
      ["and looked up", "answer", () => ({ command: COMMAND.lookup, ...route })],
      ["a handshake without a way", "answer", shake({})],
      ["one for a way that is given", "request", shake({ relayAddress })],
      ["one for the server", "request", shake({}, route)],
      ["one for the server, another way", "request", shake({ relayAddress }, route)],
      ["an empty one", "request", shake({ noise: fill(0, 0) }, route)],
      ["one for no target", "answer", shake({}, { target: null })],
      ["one for no target, for a way that is given", "request", shake({ relayAddress }, { target: null })],
      ["from another relay", "request", shake({ mode: MODE.fromRelay, peerAddress }, route)],
      ["from another relay without a way", "silence", shake({ mode: MODE.fromRelay, peerAddress })],
      ["from the server", "answer elsewhere", shake({ mode: MODE.fromServer, peerAddress })],
      ["from the server to who asked it", "answer", shake({ mode: MODE.fromServer, peerAddress: mine })],
      ["from the server to nobody", "silence", shake({ mode: MODE.fromServer }, route)],
      ["from a second relay", "silence", shake({ mode: MODE.fromSecondRelay, peerAddress, relayAddress }, route)],
      ["a reply", "silence", shake({ mode: MODE.reply, peerAddress }, route)],
      ["of no kind", "silence", shake({ mode: 9, peerAddress }, route)],
      ["no handshake", "silence", () => ({ command: COMMAND.peerHandshake, ...route })],
      ["half of one", "silence", () => ({ ...shake({}, route)(), value: fill(0, 2) })],
      ["a punch without a way", "silence", punch({})],
      ["one for a way that is given", "request", punch({ peerAddress })],
      ["one for the server", "request", punch({}, route)],
      ["one for the server, elsewhere", "request", punch({ peerAddress }, route)],
      ["one for no target, for a way that is given", "request", punch({ peerAddress }, { target: null })],
      ["one for no target", "silence", punch({}, { target: null })],
      ["from a relay", "silence", punch({ mode: MODE.fromRelay, peerAddress }, route)],
      ["from the server", "answer elsewhere", punch({ mode: MODE.fromServer, peerAddress })],
      ["a reply", "silence", punch({ mode: MODE.reply, peerAddress }, route)],
      ["no punch", "silence", () => ({ command: COMMAND.peerHolepunch, ...route })],
      ["half of one", "silence", () => ({ ...punch({}, route)(), value: fill(0, 2) })],
    ]);
  });

  test("OM-30 commands of plugins and of nobody are answered alike", async () => {
    const plugin = encodePluginRequest({ plugin: "nobody's", version: 1, command: 1, value: null });
    await judge.compare([
      ["a plugin's", "silence", () => ({ command: COMMAND.plugin, target: TARGET, value: plugin })],
      ["one without a value", "silence", () => ({ command: COMMAND.plugin, target: TARGET })],
      ["an unknown one", "error 1", () => ({ command: 11 })],
      ["one with a target", "error 1", () => ({ command: 11, target: TARGET })],
      ["one of a great number", "error 1", () => ({ command: 4_000_000_000, target: TARGET })],
    ]);
  });

  test("OM-38 of datagrams that are no request, or barely one, the same are answered", async () => {
    const all = { id: TARGET, target: TARGET, value: fill(1) };
    const whole = ({ address, token }: Asked) => bareRequest(address, internal(INTERNAL.findNode, { token, ...all }));
    const { length } = whole({ address: STRANGER, id: TARGET, token: TARGET });
    const cut = Array.from(
      { length },
      (_, end): Case => [`cut to ${end} bytes`, "silence", (node) => whole(node).subarray(0, end)],
    );
    const ping = ({ address }: Asked) => bareRequest(address, internal(INTERNAL.ping));
    await judge.compare([
      ...cut,
      ["of another version", "silence", (node) => ping(node).with(0, 0x02)],
      ["of another kind", "silence", (node) => ping(node).with(0, 0x23)],
      ["a response to nothing", "silence", (node) => ping(node).with(0, 0x13)],
      ["with flags that nobody knows", "answer", (node) => ping(node).with(1, 0xc4)],
      ["with more than it has fields", "answer", (node) => joined(ping(node), fill(7, 9))],
      [
        "with its flags in three bytes",
        "answer",
        (node) => joined(Uint8Array.of(3, 0xfd, 4, 0), ping(node).subarray(2)),
      ],
      ["with its command in nine", "answer", (node) => joined(ping(node).with(-1, 0xff), fill(0, 8))],
      ["with a command beyond numbers", "silence", (node) => joined(ping(node).with(-1, 0xff), fill(0xff, 8))],
      ["with an endless value", "silence", (node) => joined(ping(node).with(1, 4 | 16), fill(0xfe, 9))],
    ]);
  });

  test("OM-26 OM-30 ephemeral nodes answer alike", async () => {
    const commands = Object.values(COMMAND).filter((command) => command > COMMAND.peerHolepunch);
    const noise = encodeRelayedHandshake({
      mode: 0,
      noise: fill(8, 90),
      peerAddress: null,
      relayAddress: judge.probe.other.address,
    });
    await judge.compare(
      [
        ...commands.flatMap((command): Case[] => [
          [`command ${command}`, "error 1", ({ token }) => ({ command, target: TARGET, token, value: fill(0) })],
          [`command ${command} alone`, "error 1", () => ({ command })],
        ]),
        ["a ping", "answer", () => internal(INTERNAL.ping)],
        ["a search for nodes", "answer", () => internal(INTERNAL.findNode, { target: TARGET })],
        ["a handshake to relay", "request", () => ({ command: COMMAND.peerHandshake, target: TARGET, value: noise })],
      ],
      await judge.ephemeralPair(),
    );
  });
});

function u16(value: number, ...more: number[]): Uint8Array {
  return Uint8Array.of(value, value >> 8, ...more);
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
