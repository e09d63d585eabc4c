/** How soon a store of some size answers. */
import { join } from "node:path";
import { type DnetDbFile, openDnetDb } from "../../src/io/dnetdb-file.ts";
import type { MemberReference, Slot } from "../../src/overlay/dnetdb/operands.ts";
import type { SeededRandom } from "../support/random.ts";

/** Code is compiled meanwhile. */
const WARM_UPS = 5_000;
const ASKED = 20_000;
const STARTS = 11;

export const QUESTIONS = ["key", "address"] as const;
export type Question = (typeof QUESTIONS)[number];
/** In µs, each of many. */
export type Answers = { readonly [question in Question]: number[] };

interface Place {
  readonly dnet: Uint8Array;
  readonly slot: Slot;
  readonly member: MemberReference;
}

/** Members anywhere in the store, one after another, by a connection of its own. */
export function ask(path: string, random: SeededRandom): Answers {
  const file = openDnetDb(path);
  try {
    const places = placesOf(file);
    const answers: Answers = { key: [], address: [] };
    for (let i = 0; i < WARM_UPS + ASKED; i++) {
      const { dnet, slot, member } = random.pick(places);
      const took = {
        key: micros(() => file.store.slotsOf(dnet, member).length === 1),
        address: micros(() => file.store.hasSlot(dnet, slot)),
      };
      if (i >= WARM_UPS) for (const question of QUESTIONS) answers[question].push(took[question]);
    }
    return answers;
  } finally {
    file.close();
  }
}

/** Ms from opening it to the first answer, each in a process of its own. */
export function open(path: string): number[] {
  const file = openDnetDb(path);
  const record = file.store.state.records("dnet")[0]!.id.toHex();
  file.close();
  const program = [process.execPath, join(import.meta.dir, "dnetdb-opened.ts"), path, record];
  return Array.from({ length: STARTS }, () => {
    const { stdout, success } = Bun.spawnSync(program, { stderr: "inherit" });
    if (!success) throw new Error(`${path} does not open`);
    return Number(stdout.toString());
  });
}

function placesOf({ store }: DnetDbFile): Place[] {
  return store.state
    .records("dnet")
    .flatMap(({ id: dnet }) => store.slots(dnet).map(({ slot, member }) => ({ dnet, slot, member: member! })));
}

function micros(asks: () => boolean): number {
  const began = Bun.nanoseconds();
  const isThere = asks();
  const took = (Bun.nanoseconds() - began) / 1_000;
  if (!isThere) throw new Error("a member is not found");
  return took;
}
