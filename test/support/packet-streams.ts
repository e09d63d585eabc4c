/** Random packets for the datapath: super-packets as a kernel makes them, and streams in which some neighbours could be joined. */
import {
  ACK,
  address4,
  address6,
  build,
  CWR,
  ECE,
  FIN,
  mendIp4,
  type PacketFields,
  PSH,
  payloadOf,
  SYN,
  setU16,
  TCP,
  UDP,
} from "./packets.ts";
import type { SeededRandom } from "./random.ts";

/** 12 bytes as most TCP connections carry them: two no-ops and a timestamp. */
const TIMESTAMP = Uint8Array.of(1, 1, 8, 10, 0, 0, 1, 2, 0, 0, 3, 4);

/** A packet too long for any link, and the payload size that it is to be cut into. */
export interface SuperPacket {
  readonly packet: Uint8Array;
  readonly gsoSize: number;
}

export function randomSuper(random: SeededRandom, maxBytes = 65_000): SuperPacket {
  const version = random.pick([4, 6] as const);
  const protocol = random.pick([TCP, UDP]);
  const gsoSize = random.pick([64, 65, 500, 536, 1001, 1200, 1380, 1381]);
  const most = Math.min(maxBytes - 120, gsoSize * (protocol === UDP ? 64 : 1000));
  const payloadBytes = random.chance(0.3)
    ? gsoSize * random.below(6) + gsoSize + 1
    : gsoSize + 1 + random.below(most - gsoSize);
  const packet = build({
    version,
    protocol,
    tos: random.pick([0, 1, 2, 3, 0xb8]),
    identification: random.pick([0, 7, 65_530]),
    dontFragment: random.chance(0.5),
    sequence: random.pick([1, 0xffff_f000, random.uint32()]),
    flags: ACK | random.pick([0, FIN, PSH, FIN | PSH, CWR, ECE, CWR | ECE | FIN | PSH]),
    tcpOptions: random.pick([new Uint8Array(0), TIMESTAMP, payloadOf(random, 40)]),
    ipOptions: version === 4 && random.chance(0.2) ? Uint8Array.of(1, 1, 1, 0) : new Uint8Array(0),
    payload: payloadOf(random, payloadBytes),
    checksum: "partial",
  });
  return { packet, gsoSize };
}

interface Flow {
  fields: Partial<PacketFields>;
  gsoSize: number;
}

/** Packets of a few flows, mostly such as could be joined, with everything between them that must prevent it. */
export function randomStream(random: SeededRandom, count: number): Uint8Array[] {
  const flows = Array.from({ length: 1 + random.below(4) }, (_, i) => randomFlow(random, i));
  const packets: Uint8Array[] = [];
  let flow = flows[0]!;
  while (packets.length < count) {
    if (random.chance(0.1)) flow = random.pick(flows);
    packets.push(random.chance(0.15) ? oddPacket(random, flow) : nextPacket(random, flow));
  }
  return packets;
}

function randomFlow(random: SeededRandom, i: number): Flow {
  const version = random.pick([4, 6] as const);
  const [source, destination] = version === 4 ? [address4(1), address4(2)] : [address6(1), address6(2)];
  const protocol = random.pick([TCP, UDP]);
  const tcpOptions = random.pick([new Uint8Array(0), TIMESTAMP]);
  const sequence = random.pick([1, 0xffff_ff00, random.uint32()]);
  const [sourcePort, identification] = [1000 + random.below(2), random.pick([0, 100, 65_530])];
  const dontFragment = random.chance(0.5);
  const fields = { version, source, destination, protocol, tcpOptions, sequence, sourcePort, identification };
  return {
    fields: { ...fields, dontFragment, destinationPort: 2000 + i },
    gsoSize: random.pick([1, 18, 100, 1200, 1380]),
  };
}

function nextPacket(random: SeededRandom, flow: Flow, changes: Partial<PacketFields> = {}): Uint8Array {
  const length = random.chance(0.1) ? random.below(1400) : flow.gsoSize;
  const flags = ACK | (random.chance(0.05) ? random.pick([PSH, FIN, FIN | PSH, ECE, CWR]) : 0);
  const { sequence = 0, identification = 0 } = flow.fields;
  const packet = build({ ...flow.fields, payload: payloadOf(random, length), flags, ...changes });
  flow.fields.sequence = (sequence + length) % 2 ** 32;
  flow.fields.identification = (identification + 1) & 0xffff;
  return packet;
}

/** The next packet of the flow with something about it that sets it apart. */
function oddPacket(random: SeededRandom, flow: Flow): Uint8Array {
  const { version = 4, protocol = TCP } = flow.fields;
  const changes: Partial<PacketFields>[] = [
    { sequence: random.uint32() },
    { acknowledgement: 77 },
    { window: 501 },
    { urgent: 9 },
    { flags: SYN },
    { flags: ACK | 0x20, urgent: 3 },
    { ttl: 63 },
    { tos: random.below(256) },
    { identification: random.below(65_536) },
    { dontFragment: !flow.fields.dontFragment },
    { checksum: "wrong" },
    { checksum: "none" },
    { payload: new Uint8Array(0) },
    { payload: payloadOf(random, random.below(3)) },
    { tcpOptions: payloadOf(random, 12) },
    { protocol: 1, payload: payloadOf(random, 64) },
    { protocol: protocol === TCP ? UDP : TCP },
    version === 4
      ? { moreFragments: true, payload: payloadOf(random, 64) }
      : { ipOptions: hopByHop(), firstExtension: 0 },
    version === 4 ? { fragmentOffset: 3 } : { ipOptions: hopByHop(), firstExtension: 60 },
    version === 4 ? { ipOptions: Uint8Array.of(1, 1, 1, 0) } : { ttl: 1 },
  ];
  const packet = nextPacket(random, flow, random.pick(changes));
  if (random.chance(0.1)) spoil(random, packet, version);
  return packet;
}

function spoil(random: SeededRandom, packet: Uint8Array, version: number): void {
  if (version === 6)
    packet[1]! ^= 1; // another flow label
  else if (random.chance(0.5))
    packet[10]! ^= 0x10; // a wrong IPv4 checksum
  else if (packet[9] === UDP && packet.length >= 28)
    setU16(packet, 24, random.below(40)); // a wrong UDP length
  else {
    packet[6]! ^= 0x80; // the reserved bit
    mendIp4(packet);
  }
}

/** An IPv6 extension header of 8 bytes that pads, before TCP. */
function hopByHop(): Uint8Array {
  return Uint8Array.of(TCP, 0, 1, 4, 0, 0, 0, 0);
}
