import { group } from "./command.ts";
import { dhtAnnounce, dhtUnannounce } from "./dht-announce.ts";
import { dhtConnect, dhtListen } from "./dht-connect.ts";
import { dhtExpose, dhtForward } from "./dht-expose.ts";
import { dhtFind } from "./dht-find.ts";
import { dhtGet } from "./dht-get.ts";
import { dhtKeygen } from "./dht-keygen.ts";
import { dhtLookup } from "./dht-lookup.ts";
import { dhtPing } from "./dht-ping.ts";
import { dhtProxy } from "./dht-proxy.ts";
import { dhtPut } from "./dht-put.ts";
import { dhtRelay } from "./dht-relay.ts";
import { dhtNode } from "./gateway.ts";

export const dht = group({
  name: "dht",
  summary: "Ask the DHT, store in it, and connect peers through it",
  subcommands: [
    dhtLookup,
    dhtAnnounce,
    dhtUnannounce,
    dhtPut,
    dhtGet,
    dhtFind,
    dhtPing,
    dhtKeygen,
    dhtConnect,
    dhtListen,
    dhtExpose,
    dhtForward,
    dhtRelay,
    dhtProxy,
    dhtNode,
  ],
});
