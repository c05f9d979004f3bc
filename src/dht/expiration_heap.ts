/**
 * What expires next.
 *
 * @module
 */

/** Something that expires and knows its place in the heap. */
export interface HeapItem {
  /** Unix seconds, never NaN. */
  readonly expiration: number;
  /** Kept by the heap; −1 outside of it. */
  heapIndex: number;
}

/**
 * A binary heap whose items can be taken out of its middle: it never holds more than what is alive, however often the
 * same key is stored anew.
 */
export class ExpirationHeap<T extends HeapItem> {
  readonly #items: T[] = [];

  /** Items held. */
  get size(): number {
    return this.#items.length;
  }

  /** The item that expires first. */
  get first(): T | undefined {
    return this.#items[0];
  }

  /** Adds an item that is not in the heap. */
  add(item: T): void {
    item.heapIndex = this.#items.length;
    this.#items.push(item);
    this.#up(item);
  }

  /** Takes an item out. Throws `RangeError` when it is not in. */
  remove(item: T): void {
    const index = item.heapIndex;
    if (this.#items[index] !== item) throw new RangeError("Cannot remove item: it is not in the heap");
    const last = this.#items.pop()!;
    item.heapIndex = -1;
    if (last === item) return;
    this.#put(last, index);
    this.#up(last);
    this.#down(last);
  }

  #put(item: T, index: number): void {
    this.#items[index] = item;
    item.heapIndex = index;
  }

  #up(item: T): void {
    while (item.heapIndex > 0) {
      const parent = this.#items[(item.heapIndex - 1) >> 1]!;
      if (parent.expiration <= item.expiration) return;
      this.#swap(item, parent);
    }
  }

  #down(item: T): void {
    while (true) {
      const left = this.#items[2 * item.heapIndex + 1];
      const right = this.#items[2 * item.heapIndex + 2];
      const child = left !== undefined && right !== undefined && right.expiration < left.expiration
        ? right
        : left;
      if (child === undefined || child.expiration >= item.expiration) return;
      this.#swap(child, item);
    }
  }

  #swap(a: T, b: T): void {
    const [at, to] = [a.heapIndex, b.heapIndex];
    this.#put(a, to);
    this.#put(b, at);
  }
}
