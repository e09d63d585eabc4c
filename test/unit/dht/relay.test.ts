import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { isRelayed, relay } from "../../../src/dht/relay.ts";
import type { Route } from "../../../src/dht/storage.ts";
import { COMMAND } from "../../../src/wire/dht.ts";
import {
  decodeRelayedHandshake,
  encodeRelayedHandshake,
  MODE,
  type RelayedHandshake,
} from "../../../src/wire/handshake.ts";
import { decodeRelayedHolepunch, encodeRelayedHolepunch, type RelayedHolepunch } from "../../../src/wire/holepunch.ts";
import type { Request } from "../../../src/wire/rpc.ts";

const at = (last: number): Address => ({ host: `5.9.17.${last}`, port: 1_000 + last });
const [CLIENT, SERVER, FIRST, SENDER] = [at(1), at(2), at(3), at(4)];
const ROUTE: Route = { relay: SERVER, record: new Uint8Array(33) };
const NOISE = new Uint8Array(100).fill(7);

function request(command: number, value: Uint8Array | null): Request {
  const [to, target] = [at(9), new Uint8Array(32)];
  return { tid: 1, to, id: null, token: null, isInternal: false, command, target, value, isBrief: false };
}

/** What becomes of a handshake, its value decoded. */
function handshake(message: Partial<RelayedHandshake>, route: Route | null = ROUTE) {
  const value = encodeRelayedHandshake({ mode: 0, noise: NOISE, peerAddress: null, relayAddress: null, ...message });
  const relayed = relay(request(COMMAND.peerHandshake, value), SENDER, route);
  return relayed && "value" in relayed ? { ...relayed, value: decodeRelayedHandshake(relayed.value) } : relayed;
}

function holepunch(message: Partial<RelayedHolepunch>, route: Route | null = ROUTE) {
  const value = encodeRelayedHolepunch({ mode: 0, id: 5, payload: NOISE, peerAddress: null, ...message });
  const relayed = relay(request(COMMAND.peerHolepunch, value), SENDER, route);
  return relayed && "value" in relayed ? { ...relayed, value: decodeRelayedHolepunch(relayed.value) } : relayed;
}

test("a client's handshake goes to the server that announced itself, or to the relay that the client names", () => {
  const value = { mode: MODE.fromRelay, noise: NOISE, peerAddress: SENDER, relayAddress: null };
  expect(handshake({ mode: MODE.fromClient })).toEqual({ type: "forward", to: SERVER, value });
  expect(handshake({ mode: MODE.fromClient, relayAddress: FIRST })).toEqual({ type: "forward", to: FIRST, value });
  expect(handshake({ mode: MODE.fromClient, relayAddress: FIRST }, null)).toEqual({
    type: "forward",
    to: FIRST,
    value,
  });
});

test("without a way to the server the client is told of nodes that may know one", () => {
  expect(handshake({ mode: MODE.fromClient }, null)).toEqual({ type: "noRoute" });
});

test("a first relay's handshake goes on to the server, with both addresses", () => {
  const value = { mode: MODE.fromSecondRelay, noise: NOISE, peerAddress: CLIENT, relayAddress: SENDER };
  expect(handshake({ mode: MODE.fromRelay, peerAddress: CLIENT })).toEqual({ type: "forward", to: SERVER, value });
  expect(handshake({ mode: MODE.fromRelay, peerAddress: CLIENT }, null)).toBeNull();
  expect(handshake({ mode: MODE.fromRelay })).toBeNull();
});

test("a server's answer becomes the response to the client", () => {
  const value = { mode: MODE.reply, noise: NOISE, peerAddress: SENDER, relayAddress: null };
  for (const route of [ROUTE, null]) {
    expect(handshake({ mode: MODE.fromServer, peerAddress: CLIENT }, route)).toEqual({
      type: "reply",
      to: CLIENT,
      value,
    });
  }
  expect(handshake({ mode: MODE.fromServer })).toBeNull();
});

test("nothing comes of handshakes that are not for a relay", () => {
  for (const mode of [MODE.fromSecondRelay, MODE.reply, 5, 252, 70_000]) {
    expect(handshake({ mode, peerAddress: CLIENT, relayAddress: FIRST })).toBeNull();
  }
});

test("a client's hole punching message goes to whom it names, or to the server that announced itself", () => {
  const value = { mode: MODE.fromRelay, id: 5, payload: NOISE, peerAddress: SENDER };
  expect(holepunch({ mode: MODE.fromClient, peerAddress: FIRST })).toEqual({ type: "forward", to: FIRST, value });
  expect(holepunch({ mode: MODE.fromClient, peerAddress: FIRST }, null)).toEqual({ type: "forward", to: FIRST, value });
  expect(holepunch({ mode: MODE.fromClient })).toEqual({ type: "forward", to: SERVER, value });
  expect(holepunch({ mode: MODE.fromClient }, null)).toBeNull();
});

test("a server's hole punching message becomes the response to the client", () => {
  const value = { mode: MODE.reply, id: 5, payload: NOISE, peerAddress: SENDER };
  expect(holepunch({ mode: MODE.fromServer, peerAddress: CLIENT })).toEqual({ type: "reply", to: CLIENT, value });
  expect(holepunch({ mode: MODE.fromServer })).toBeNull();
  for (const mode of [MODE.fromRelay, MODE.fromSecondRelay, MODE.reply, 99]) {
    expect(holepunch({ mode, peerAddress: CLIENT })).toBeNull();
  }
});

test("nothing comes of a request without a value, or with one that is no message", () => {
  for (const command of [COMMAND.peerHandshake, COMMAND.peerHolepunch]) {
    for (const value of [null, new Uint8Array(0), Uint8Array.of(0, 0, 200, 1), Uint8Array.of(3, 0)]) {
      expect(relay(request(command, value), SENDER, ROUTE)).toBeNull();
    }
  }
});

test("handshakes and hole punching are relayed, and nothing else", () => {
  const relayed = Object.values(COMMAND).filter((command) => isRelayed(request(command, null)));
  expect<number[]>(relayed).toEqual([COMMAND.peerHandshake, COMMAND.peerHolepunch]);
});
