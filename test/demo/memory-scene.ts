/** The code that moves packets between real interfaces, moving them over memory: no root, no device, no network. */
import { formatAddress } from "../../src/base/address.ts";
import { parseIp } from "../../src/base/ip.ts";
import { fold, sum, updateChecksum, writeIp4Checksum } from "../../src/io/datapath/checksum.ts";
import { cipherProvider } from "../../src/io/datapath/cipher.ts";
import { MemoryNetwork } from "../../src/io/datapath/memory-ports.ts";
import { COLUMN } from "../../src/io/datapath/stats.ts";
import { MemoryEnd } from "./memory-end.ts";
import { rateText, type Story, spanText } from "./story.ts";

const PINGS = 5;
const PACKETS = 20_000;
/** Packets on their way at once: fewer than any queue holds. */
const WINDOW = 64;
const PACKET_BYTES = 1400;
const IP_BYTES = 20;
const ECHO_HEADER_BYTES = 8;
const ECHO_REQUEST = 8;

export function memoryScene(story: Story): void {
  story.step("Make two ends of a tunnel in this process, over memory in the place of interfaces and sockets");
  const network = new MemoryNetwork();
  const a = new MemoryEnd(network, { host: "192.0.2.1", port: 51_820 }, "10.7.0.1");
  const b = new MemoryEnd(network, { host: "192.0.2.2", port: 51_820 }, "10.7.0.2");
  a.know(b);
  b.know(a);
  let carried = 0;
  network.carry = (sent) => {
    carried++;
    return [sent];
  };
  const [left, right] = [a, b].map((end, i) => {
    return { lines: [`end ${"AB"[i]}`, `memory TUN    ${end.inner}`, `memory socket ${formatAddress(end.address)}`] };
  });
  story.picture(left!, right!, { tunnel: "IP packets", carrier: "datagrams, sealed with AES-256-GCM" });

  story.step(`Ping ${b.inner} from ${a.inner}: ICMP echo packets, through the handshake and the datapath and back`);
  for (let sequence = 1; sequence <= PINGS; sequence++) {
    const startedAt = performance.now();
    const request = echoRequest(a, b, sequence, 64);
    exchange(a, b, [request]);
    story.output(`reply from ${b.inner}: icmp_seq=${sequence} time=${spanText(performance.now() - startedAt)}`);
  }
  story.say("the first one waited for the handshake");

  story.step(`Send ${PACKETS.toLocaleString("en")} packets of ${PACKET_BYTES} bytes there and back`);
  const startedAt = performance.now();
  for (let sent = 0; sent < PACKETS; sent += WINDOW) {
    const count = Math.min(WINDOW, PACKETS - sent);
    exchange(
      a,
      b,
      Array.from({ length: count }, (_, i) => echoRequest(a, b, sent + i, PACKET_BYTES)),
    );
  }
  const ms = performance.now() - startedAt;
  const rate = (2 * PACKETS * PACKET_BYTES * 8 * 1000) / ms;
  const get = (end: MemoryEnd, column: keyof typeof COLUMN) => end.stats.get(0, COLUMN[column]).toLocaleString("en");
  story.say(
    "every one came back as it was sent, byte for byte",
    `A counted ${get(a, "sentPackets")} packets out and ${get(a, "receivedPackets")} in, the tunnel's own reports among them`,
    `${carried.toLocaleString("en")} sealed datagrams carried them`,
    `AES-256-GCM by ${cipherProvider("aes-256-gcm")}`,
  );
  story.good(`${rateText(rate)} in ${spanText(ms)}, both ends on one thread`);
  a.close();
  b.close();
  story.good("Keys and packets are gone; nothing of this machine was changed.");
}

/** Sends requests from a to b, which answers as a kernel would, and sees that each reply is its request with the ends changed. */
function exchange(a: MemoryEnd, b: MemoryEnd, requests: readonly Uint8Array[]): void {
  for (const request of requests) a.send(request);
  const replies: Uint8Array[] = [];
  for (let isBusy = true; isBusy; ) {
    isBusy = [a.turn(), b.turn()].includes(true);
    for (const request of b.take()) b.send(echoReply(request));
    replies.push(...a.take());
  }
  const wanted = requests.map(echoReply);
  const isSame = wanted.every((reply, i) => replies[i] && Buffer.compare(reply, replies[i]) === 0);
  if (!isSame || replies.length !== wanted.length) throw new Error("what came back is not what was sent");
}

/** An IPv4 packet with an ICMP echo request (RFC 791, RFC 792), `length` bytes in all. */
function echoRequest(from: MemoryEnd, to: MemoryEnd, sequence: number, length: number): Uint8Array {
  const packet = new Uint8Array(length);
  const view = new DataView(packet.buffer);
  view.setUint16(0, 0x4500);
  view.setUint16(2, length);
  view.setUint16(8, 0x4001); // 64 hops, ICMP
  packet.set(parseIp(from.inner)!, 12);
  packet.set(parseIp(to.inner)!, 16);
  writeIp4Checksum(view, 0, IP_BYTES);
  view.setUint8(IP_BYTES, ECHO_REQUEST);
  view.setUint16(IP_BYTES + 6, sequence);
  packet.fill(sequence, IP_BYTES + ECHO_HEADER_BYTES);
  view.setUint16(IP_BYTES + 2, ~fold(sum(view, IP_BYTES, length - IP_BYTES)), true);
  return packet;
}

/** The answer: type 0 in the place of 8, and the addresses changed over, under which the header's checksum stays. */
function echoReply(request: Uint8Array): Uint8Array {
  const reply = request.slice();
  const view = new DataView(reply.buffer);
  reply.copyWithin(12, 16, 20);
  reply.set(request.subarray(12, 16), 16);
  view.setUint8(IP_BYTES, 0);
  updateChecksum(view, IP_BYTES + 2, ECHO_REQUEST, 0); // the words in the order of memory
  return reply;
}
