/**
 * Sends UDP packets of 64 bytes as fast as they go and prints how many: `flood.ts HOST PORT COUNT [whole]`. With `whole`, as super-packets
 * of 32 that the kernel need not cut before the tunnel (USO); otherwise one at a time.
 */
import { Memory } from "../../ffi/libc.ts";
import { Destination } from "../../ffi/udp-destination.ts";
import { UdpSocket } from "../../ffi/udp-linux.ts";
import { parseIp } from "../../src/base/ip.ts";

const PAYLOAD_BYTES = 64;
const WHOLE = 32;

const [host = "", port = "", count = "", mode = ""] = process.argv.slice(2);
const socket = UdpSocket.open({
  family: host.includes(":") ? 6 : 4,
  port: 0,
  receiveBufferBytes: 65_536,
  sendBufferBytes: 1 << 20,
  segmentation: true,
});
const destination = new Destination({ host: parseIp(host)!, port: Number(port) });
const perSend = mode === "whole" ? WHOLE : 1;
const memory = new Memory(PAYLOAD_BYTES * WHOLE);
let sent = 0;
for (; sent < Number(count); sent += perSend) {
  socket.send(destination, memory.address, PAYLOAD_BYTES * perSend, PAYLOAD_BYTES, 0);
}
console.log(sent);
