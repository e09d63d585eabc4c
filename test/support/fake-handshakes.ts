/** Either end of a handshake, made by hand: what a test sends to a connector or a listener in the other's name. */
import { type KeyPair, keyPairFromSeed } from "../../src/crypto/ed25519.ts";
import { NS_PEER_HANDSHAKE } from "../../src/crypto/namespaces.ts";
import { NoiseHandshake } from "../../src/crypto/noise.ts";
import { decodeNoisePayload, encodeNoisePayload, type NoisePayload } from "../../src/wire/noise-payload.ts";
import { SeededRandom } from "./random.ts";

export const keyPair = (seed: number): KeyPair => keyPairFromSeed(new SeededRandom(seed).bytes(32));

export const payload = (fields: Partial<NoisePayload> = {}): Omit<NoisePayload, "version"> => ({
  error: 0,
  firewall: 0,
  holepunch: null,
  addresses4: [],
  addresses6: [],
  udx: { reusableSocket: false, roams: false, id: 77, seq: 0 },
  secretStream: true,
  relayThrough: null,
  relayAddresses: null,
  ...fields,
});

/** A client: its first message, and what it makes of the answer. */
export function fakeClient(seed: number, server: Uint8Array, fields: Partial<NoisePayload> = {}) {
  const noise = new NoiseHandshake({
    pattern: "IK",
    isInitiator: true,
    prologue: NS_PEER_HANDSHAKE,
    staticKeyPair: keyPair(seed),
    ephemeralKeyPair: keyPair(seed + 100_000),
    remotePublicKey: server,
  });
  const hello = noise.send(encodeNoisePayload(payload(fields)))!;
  const receive = (answer: Uint8Array) => decodeNoisePayload(noise.receive(answer)!)!;
  return { hello, receive, session: () => noise.session!, publicKey: keyPair(seed).publicKey };
}

/** A server's answer to a first message; `plain` instead of a payload, where it is to be none. */
export function fakeServer(server: KeyPair, hello: Uint8Array, fields: Partial<NoisePayload>, plain?: Uint8Array) {
  const noise = new NoiseHandshake({
    pattern: "IK",
    isInitiator: false,
    prologue: NS_PEER_HANDSHAKE,
    staticKeyPair: server,
    ephemeralKeyPair: keyPair(424_242),
    remotePublicKey: null,
  });
  const heard = decodeNoisePayload(noise.receive(hello)!)!;
  const answer = noise.send(plain ?? encodeNoisePayload(payload(fields)))!;
  return { heard, answer, session: noise.session! };
}
