/** One end's part of a blind relay, whose connection to the relay is played. */
import { expect, test } from "bun:test";
import type { Connection, ConnectionOwner } from "../../../src/dht/connection.ts";
import type { Path } from "../../../src/dht/connection-surroundings.ts";
import { Relaying } from "../../../src/dht/relaying.ts";
import { type ChannelOwner, Mux } from "../../../src/transport/mux.ts";
import { BLIND_RELAY, decodePair, encodePair } from "../../../src/wire/blind-relay.ts";
import { SeededRandom } from "../../support/random.ts";

test("OM-34 a relay that is reached another way than before is followed there, by the stream that it carries, too", () => {
  const random = new SeededRandom(1);
  const through = { publicKey: random.bytes(32), token: random.bytes(32) };
  const played = { remote: { socket: "server", host: "198.51.100.1", port: 7 }, owner: null as ConnectionOwner | null };
  const connection = {
    get remote() {
      return played.remote;
    },
    send: (now: number, message: Uint8Array) => {
      relay.receive(now, message);
      return true;
    },
    destroy: () => {},
  } as unknown as Connection;
  const ofChannel: ChannelOwner = {
    opened: () => {},
    message: (now, channel, type, payload) => {
      if (type === BLIND_RELAY.pair) channel.send(now, type, encodePair({ ...decodePair(payload)!, id: 99 }));
    },
    closed: () => {},
  };
  const relay = new Mux({
    write: (now, message) => {
      played.owner!.message(now, connection, message);
      return true;
    },
    offered: () => ofChannel,
    broken: () => {},
  });
  const ways: [string, Path][] = [];
  const relaying = new Relaying(
    0,
    {
      through,
      isInitiator: true,
      publicKey: random.bytes(32),
      streamId: 5,
      connect: (owner) => {
        played.owner = owner;
        return connection;
      },
    },
    {
      paired: (_now, path) => void ways.push(["paired", path]),
      moved: (_now, path) => void ways.push(["moved", path]),
      lost: () => {},
    },
  );
  played.remote = { socket: "punch-3", host: "198.51.100.2", port: 8 };
  played.owner!.moved(1, connection);
  expect(ways).toEqual([
    ["paired", { socket: "server", to: { host: "198.51.100.1", port: 7 }, remoteId: 99 }],
    ["moved", { socket: "punch-3", to: { host: "198.51.100.2", port: 8 }, remoteId: 99 }],
  ]);
  expect(relaying.path).toEqual(ways[1]![1]);
});
