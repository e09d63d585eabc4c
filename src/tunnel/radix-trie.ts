/**
 * Longest-prefix match over keys of 32 or 128 bits: a binary trie with one node for a prefix or a fork, none between
 * (Patricia). Its nodes are numbers into typed arrays, so that a lookup allocates nothing. Keys are 32-bit words in
 * network order; each prefix has a value, an integer of 0 or more.
 */
const NONE = -1;
const FIRST_CAPACITY = 16;

export class RadixTrie {
  #root = NONE;
  #nodes = 0;
  #prefixes = 0;
  // One entry a node (two for children, #words for the key); a node whose value is NONE is a mere fork.
  #keys: Int32Array;
  #lengths = new Uint8Array(FIRST_CAPACITY);
  #values = new Int32Array(FIRST_CAPACITY);
  #children = new Int32Array(2 * FIRST_CAPACITY);
  readonly #words: number;

  constructor(keyBits: 32 | 128) {
    this.#words = keyBits / 32;
    this.#keys = new Int32Array(this.#words * FIRST_CAPACITY);
  }

  /** How many prefixes are in it. */
  get size(): number {
    return this.#prefixes;
  }

  /** Bits of `key` beyond `length` must be zero. A prefix that is in already gets the new value. */
  insert(key: Int32Array, length: number, value: number): void {
    let parent = NONE;
    let node = this.#root;
    while (node !== NONE) {
      const nodeLength = this.#lengths[node]!;
      const shared = Math.min(this.#sharedBits(node, key), length);
      if (shared < nodeLength) {
        this.#hang(this.#fork(node, key, shared, length, value), parent, key);
        return;
      }
      if (nodeLength === length) {
        this.#keyOf(node).set(key); // that of a fork goes on beyond its length
        this.#setValue(node, value);
        return;
      }
      parent = node;
      node = this.#children[2 * node + bitOf(key, nodeLength)]!;
    }
    this.#hang(this.#newNode(key, length, value), parent, key);
  }

  /** The value of the longest prefix that `key` starts with; -1 when there is none. */
  lookup(key: Int32Array): number {
    const fullLength = 32 * this.#words;
    let found = NONE;
    let node = this.#root;
    while (node !== NONE) {
      const length = this.#lengths[node]!;
      if (this.#sharedBits(node, key) < length) return found;
      if (this.#values[node] !== NONE) found = this.#values[node]!;
      if (length === fullLength) return found;
      node = this.#children[2 * node + bitOf(key, length)]!;
    }
    return found;
  }

  /** Takes out every prefix that has this value. */
  removeValue(value: number): void {
    for (let node = 0; node < this.#nodes; node++) if (this.#values[node] === value) this.#setValue(node, NONE);
    // With n prefixes a fresh trie has at most 2n - 1 nodes. Forks left behind cost little until they are the most of it.
    if (this.#nodes > 4 * this.#prefixes) this.#rebuild();
  }

  /** Calls `see` for every prefix, in no order that means anything. `key` is good during the call alone. */
  visit(see: (key: Int32Array, length: number, value: number) => void): void {
    for (let node = 0; node < this.#nodes; node++) {
      const value = this.#values[node]!;
      if (value !== NONE) see(this.#keyOf(node), this.#lengths[node]!, value);
    }
  }

  /** A node with `length` bits of `key` above `node`, which agrees with it in `shared` bits only. */
  #fork(node: number, key: Int32Array, shared: number, length: number, value: number): number {
    if (shared === length) {
      const above = this.#newNode(key, length, value);
      this.#children[2 * above + bitOf(this.#keyOf(node), length)] = node;
      return above;
    }
    const beside = this.#newNode(key, length, value);
    const above = this.#newNode(key, shared, NONE);
    const side = bitOf(key, shared);
    this.#children[2 * above + side] = beside;
    this.#children[2 * above + 1 - side] = node;
    return above;
  }

  /** Makes `node` the child of `parent` on the side where `key` goes on; NONE for the root. */
  #hang(node: number, parent: number, key: Int32Array): void {
    if (parent === NONE) this.#root = node;
    else this.#children[2 * parent + bitOf(key, this.#lengths[parent]!)] = node;
  }

  #newNode(key: Int32Array, length: number, value: number): number {
    if (this.#nodes === this.#lengths.length) this.#grow();
    const node = this.#nodes++;
    this.#keyOf(node).set(key);
    this.#lengths[node] = length;
    this.#values[node] = NONE;
    this.#children.fill(NONE, 2 * node, 2 * node + 2);
    this.#setValue(node, value);
    return node;
  }

  #setValue(node: number, value: number): void {
    this.#prefixes += Number(value !== NONE) - Number(this.#values[node] !== NONE);
    this.#values[node] = value;
  }

  #grow(): void {
    const capacity = 2 * this.#lengths.length;
    this.#keys = copyInto(new Int32Array(this.#words * capacity), this.#keys);
    this.#lengths = copyInto(new Uint8Array(capacity), this.#lengths);
    this.#values = copyInto(new Int32Array(capacity), this.#values);
    this.#children = copyInto(new Int32Array(2 * capacity), this.#children);
  }

  #rebuild(): void {
    const prefixes: [key: Int32Array, length: number, value: number][] = [];
    this.visit((key, length, value) => {
      prefixes.push([key.slice(), length, value]);
    });
    this.#root = NONE;
    this.#nodes = this.#prefixes = 0;
    for (const prefix of prefixes) this.insert(...prefix);
  }

  #keyOf(node: number): Int32Array {
    return this.#keys.subarray(node * this.#words, (node + 1) * this.#words);
  }

  /** In how many leading bits a node's key, all of its bits counted, agrees with `key`. */
  #sharedBits(node: number, key: Int32Array): number {
    const words = this.#words;
    for (let word = 0; word < words; word++) {
      const difference = this.#keys[node * words + word]! ^ key[word]!;
      if (difference !== 0) return 32 * word + Math.clz32(difference);
    }
    return 32 * words;
  }
}

/** Bit `at` of `key`, counted from the most significant of the first word. */
function bitOf(key: Int32Array, at: number): number {
  return (key[at >>> 5]! >>> (31 - (at & 31))) & 1;
}

function copyInto<Numbers extends Int32Array | Uint8Array>(target: Numbers, source: Numbers): Numbers {
  target.set(source);
  return target;
}
