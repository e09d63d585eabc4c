/** Lowers the maximum segment size that a TCP SYN offers to what the tunnel carries (RFC 9293 §3.7.1), as routers do. */
import { swap16, updateChecksum } from "./checksum.ts";
import { type PacketHeaders, TCP, TCP_CHECKSUM, TCP_SYN } from "./packet.ts";

const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_MSS = 2;
const TCP_BYTES = 20;

/**
 * For the packet at `at`; anything but a SYN is left alone. `mtu` is the largest packet that fits. `partial`: the checksum covers
 * the pseudo-header alone as yet, so it needs no mending.
 */
export function clampMss(view: DataView, at: number, headers: PacketHeaders, mtu: number, partial: boolean): void {
  if (headers.protocol !== TCP || headers.headerBytes === 0) return;
  const tcp = at + headers.ipBytes;
  if ((view.getUint8(tcp + 13) & TCP_SYN) === 0) return;
  const end = at + headers.headerBytes;
  const limit = mtu - headers.ipBytes - TCP_BYTES;
  for (let option = tcp + TCP_BYTES; option + 4 <= end; ) {
    const kind = view.getUint8(option);
    if (kind === OPTION_END) return;
    if (kind === OPTION_NOP) {
      option++;
      continue;
    }
    const bytes = view.getUint8(option + 1);
    if (bytes < 2) return;
    if (kind === OPTION_MSS && bytes === 4 && view.getUint16(option + 2) > limit) {
      lower(view, tcp, option + 2, limit, partial);
    }
    option += bytes;
  }
}

function lower(view: DataView, tcp: number, at: number, limit: number, partial: boolean): void {
  const before = view.getUint16(at, true);
  view.setUint16(at, limit);
  if (partial) return;
  const after = view.getUint16(at, true);
  const odd = ((at - tcp) & 1) === 1; // the word straddles two words of the sum: both halves count swapped
  updateChecksum(view, tcp + TCP_CHECKSUM, odd ? swap16(before) : before, odd ? swap16(after) : after);
}
