import { expect, test } from "bun:test";
import { keyPairFromSeed } from "../../../src/crypto/ed25519.ts";
import { NoiseSymmetricState } from "../../../src/crypto/noise-symmetric-state.ts";
import { vectors } from "../../support/vectors.ts";

interface Step {
  op: "mixHash" | "mixKey" | "encryptAndHash" | "decryptAndHash";
  data?: string;
  dh?: string;
  plaintext?: string;
  ciphertext?: string;
  h: string;
  ck: string;
  k: string | null;
  n: number;
}

interface IkVector {
  name: string;
  protocol: string;
  prologue: string;
  responderStaticSeed: string;
  afterInitialise: { h: string; ck: string };
  initiatorTrace: Step[];
  result: { initiatorTx: string; initiatorRx: string };
}

const bytes = (hex: string | undefined) => Uint8Array.fromHex(hex ?? "");

function initialised({ protocol, prologue, responderStaticSeed }: IkVector): NoiseSymmetricState {
  const state = new NoiseSymmetricState(protocol);
  state.mixHash(bytes(prologue));
  state.mixHash(keyPairFromSeed(bytes(responderStaticSeed)).publicKey);
  return state;
}

/** Does the step; what it gives out is checked, and the state is left for the caller to check. */
function take(state: NoiseSymmetricState, { op, data, dh, plaintext, ciphertext }: Step): void {
  if (op === "mixHash") state.mixHash(bytes(data));
  else if (op === "mixKey") state.mixKey(bytes(dh));
  else if (op === "encryptAndHash") expect(state.seal(bytes(plaintext)).toHex()).toBe(ciphertext!);
  else expect(state.open(bytes(ciphertext))?.toHex()).toBe(plaintext);
}

for (const vector of vectors<IkVector[]>("noiseIK")) {
  test(`after every step of the handshake it is as the reference's: ${vector.name}`, () => {
    const state = initialised(vector);
    expect({ h: state.hash.toHex(), ck: state.chainingKey.toHex() }).toEqual(vector.afterInitialise);
    for (const step of vector.initiatorTrace) {
      take(state, step);
      expect([state.hash.toHex(), state.chainingKey.toHex()]).toEqual([step.h, step.ck]);
      expect([state.key?.toHex() ?? null, state.nonce]).toEqual([step.k, step.n]);
    }
    const { initiatorTx, initiatorRx } = vector.result;
    expect(state.split().map((key) => key.toHex())).toEqual([initiatorTx, initiatorRx]);
  });
}

test("what is sealed before there is a key travels in clear, and counts in the hash", () => {
  const [sender, receiver, other] = [1, 2, 3].map(() => new NoiseSymmetricState("Noise_XX"));
  const plaintext = bytes("0102");
  expect(sender!.seal(plaintext)).toEqual(plaintext);
  expect(receiver!.open(plaintext)).toEqual(plaintext);
  expect(receiver!.hash).toEqual(sender!.hash);
  expect(other!.hash).not.toEqual(sender!.hash);
});

test("under one key each message has a nonce of its own", () => {
  const [sender, receiver] = [new NoiseSymmetricState("Noise_XX"), new NoiseSymmetricState("Noise_XX")];
  for (const state of [sender, receiver]) state.mixKey(bytes("0a"));
  for (const plaintext of ["01", "01", "02"]) {
    const sealed = sender.seal(bytes(plaintext));
    expect(receiver.open(sealed)).toEqual(bytes(plaintext));
  }
  expect([sender.nonce, receiver.nonce]).toEqual([3, 3]);
});
