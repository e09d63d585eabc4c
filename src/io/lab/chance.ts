/** What decides where packets are lost, how late they are, and which ports NATs choose; a seeded one in tests. */
export interface Chance {
  /** An integer in [0, bound). */
  below(bound: number): number;
  /** True with this probability. */
  chance(probability: number): boolean;
  pick<Item>(items: readonly Item[]): Item;
}

/** Not for secrets: it plays the weather. */
export const systemChance: Chance = {
  below: (bound) => Math.floor(Math.random() * bound),
  chance: (probability) => Math.random() < probability,
  pick: (items) => items[Math.floor(Math.random() * items.length)]!,
};
