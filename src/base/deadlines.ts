/** Which of many things is due next: a binary heap whose entries may be put forward and off. */
export interface Due {
  /** Only this file writes them. */
  dueAt: number;
  place: number;
}

const NOWHERE = -1;

export class Deadlines<Item extends Due> {
  #heap: Item[] = [];

  get first(): Item | undefined {
    return this.#heap[0];
  }

  /** Moves it to where it belongs; Infinity takes it out. */
  set(item: Item, dueAt: number): void {
    if (item.place === NOWHERE) {
      if (dueAt === Infinity) return;
      item.dueAt = dueAt;
      item.place = this.#heap.length;
      this.#heap.push(item);
      return this.#rise(item);
    }
    if (dueAt === Infinity) return this.#remove(item);
    const isSooner = dueAt < item.dueAt;
    item.dueAt = dueAt;
    if (isSooner) this.#rise(item);
    else this.#sink(item);
  }

  #remove(item: Item): void {
    const last = this.#heap.pop()!;
    if (last !== item) {
      last.place = item.place;
      this.#heap[last.place] = last;
      this.#rise(last);
      this.#sink(last);
    }
    item.place = NOWHERE;
    item.dueAt = Infinity;
  }

  #rise(item: Item): void {
    const heap = this.#heap;
    while (item.place > 0) {
      const parent = heap[(item.place - 1) >>> 1]!;
      if (parent.dueAt <= item.dueAt) return;
      this.#swap(parent, item);
    }
  }

  #sink(item: Item): void {
    const heap = this.#heap;
    for (;;) {
      const left = heap[2 * item.place + 1];
      const right = heap[2 * item.place + 2];
      const child = left && right && right.dueAt < left.dueAt ? right : left;
      if (!child || child.dueAt >= item.dueAt) return;
      this.#swap(item, child);
    }
  }

  /** `upper` is the parent of `lower`. */
  #swap(upper: Item, lower: Item): void {
    const { place } = upper;
    upper.place = lower.place;
    lower.place = place;
    this.#heap[upper.place] = upper;
    this.#heap[lower.place] = lower;
  }
}
