/**
 * Calls a server once strangers reach us by our router's mapping, and says where from.
 *   bun mapped-caller.ts BOOTSTRAP KEY
 */
import { Gateway } from "../../src/index.ts";
import { until } from "./until.ts";

const [bootstrap = "", key = ""] = process.argv.slice(2);
const gateway = new Gateway({ bootstrap: [bootstrap], ephemeral: true });
await gateway.ready();
await until("we are reached", () => gateway.remoteAddress());
const socket = gateway.connect(key);
await socket.opened;
console.log(gateway.firewall);
await gateway.destroy();
