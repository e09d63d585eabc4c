/** What seals the messages of connections: libcrypto where it gives the portable cipher's bytes, which takes a tenth of the time. */
import { openMessageCipher } from "../../ffi/secretstream.ts";
import {
  type MessageCipher,
  portableCipher,
  SEALED_EXTRA_BYTES,
  SecretStream,
  STREAM_HEADER_BYTES,
} from "../crypto/secretstream.ts";

let chosen: MessageCipher | undefined;

/** Looked for once, when the first is asked for. */
export function messageCipher(): MessageCipher {
  chosen ??= choose();
  return chosen;
}

function choose(): MessageCipher {
  const native = openMessageCipher();
  return native && agrees(native) ? native : portableCipher;
}

/** Whether it seals to the portable cipher's bytes, opens them, and refuses what was changed. A few lengths: every one costs the start of a program 0.3 ms. */
function agrees(cipher: MessageCipher): boolean {
  const key = Uint8Array.from({ length: 32 }, (_, i) => i);
  const header = new Uint8Array(STREAM_HEADER_BYTES);
  const stream = (by: MessageCipher) => new SecretStream(key, header, by);
  const [sealing, opening, theirs] = [stream(cipher), stream(cipher), stream(portableCipher)];
  for (const length of [0, 7, 100]) {
    const message = new Uint8Array(length).fill(length);
    const [ours, expected] = [new Uint8Array(length + SEALED_EXTRA_BYTES), new Uint8Array(length + SEALED_EXTRA_BYTES)];
    sealing.seal(message, ours);
    theirs.seal(message, expected);
    if (Buffer.compare(ours, expected) !== 0) return false;
    if (opening.open(ours.with(length, ours[length]! ^ 1))) return false;
    if (Buffer.compare(opening.open(ours) ?? key, message) !== 0) return false;
  }
  return true;
}
