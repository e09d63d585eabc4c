/** Writes the packets of one stream: every one of them tells what its sender has received and would still take. */
import type { Address } from "../../base/address.ts";
import { assert } from "../../base/assert.ts";
import {
  encodeHeader,
  encodeSackBlock,
  HEADER_BYTES,
  MAX_SACK_BLOCKS,
  SACK,
  SACK_BLOCK_BYTES,
} from "../../wire/udx.ts";
import type { Outbox } from "./outbox.ts";
import type { Receiver } from "./receiver.ts";

/** Where a stream's packets go. */
export interface Route {
  readonly socket: string;
  readonly to: Address;
  /** What the stream is called there. */
  readonly remoteId: number;
}

const NO_BODY: Uint8Array = new Uint8Array(0);

export class PacketWriter {
  route: Route | null = null;
  /** How many more datagrams may go there; the rest is written, and lost. */
  allowed = Infinity;
  readonly #outbox: Outbox;
  readonly #receiver: Receiver;
  /** One for all packets: 100,000 a second would be as many objects. */
  readonly #header = { type: 0, offset: 0, id: 0, rwnd: 0, seq: 0, ack: 0 };

  constructor(outbox: Outbox, receiver: Receiver) {
    this.#outbox = outbox;
    this.#receiver = receiver;
  }

  /** The buffer that the last packet was begun in. */
  get bytes(): Uint8Array {
    return this.#outbox.bytes;
  }

  /** Returns where in `bytes` the body goes, which is for the caller to fill; `offset` of it are padding, and zero. */
  begin(type: number, seq: number, bodyBytes: number, offset = 0): number {
    const { route } = this;
    assert(route, "only a connected stream sends");
    const header = this.#header;
    header.type = type;
    header.offset = offset;
    header.id = route.remoteId;
    header.seq = seq;
    header.ack = this.#receiver.next;
    header.rwnd = this.#receiver.advertise();
    const length = HEADER_BYTES + bodyBytes;
    const isAllowed = this.allowed-- > 0;
    const at = isAllowed ? this.#outbox.add(route.socket, route.to, length) : this.#outbox.addNowhere(length);
    encodeHeader(this.#outbox.bytes, at, header);
    return at + HEADER_BYTES;
  }

  /** A packet that is complete with this body. */
  write(type: number, seq: number, body = NO_BODY): void {
    const at = this.begin(type, seq, body.length);
    this.bytes.set(body, at);
  }

  /** What has arrived, gaps and all. */
  acknowledge(seq: number): void {
    const { runs } = this.#receiver;
    if (runs.length === 0) return void this.begin(0, seq, 0);
    const blocks = Math.min(runs.length / 2, MAX_SACK_BLOCKS);
    const at = this.begin(SACK, seq, blocks * SACK_BLOCK_BYTES);
    for (let i = 0; i < blocks; i++) {
      encodeSackBlock(this.bytes, at + i * SACK_BLOCK_BYTES, runs[2 * i]!, runs[2 * i + 1]!);
    }
  }
}
