import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ExpirationHeap } from "../../src/dht/expiration_heap.ts";

Deno.test("ExpirationHeap gives the earliest first whatever is taken out of its middle", () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.integer(), fc.boolean())), (pairs) => {
    const heap = new ExpirationHeap<{ expiration: number; heapIndex: number }>();
    const items = pairs.map(([expiration]) => ({ expiration, heapIndex: -1 }));
    for (const item of items) heap.add(item);
    for (const [i, item] of items.entries()) if (pairs[i]![1]) heap.remove(item);
    const order: number[] = [];
    for (let first = heap.first; first !== undefined; first = heap.first) {
      order.push(first.expiration);
      heap.remove(first);
    }
    const left = pairs.filter(([, isOut]) => !isOut).map(([expiration]) => expiration);
    assertEquals(order, left.sort((a, b) => a - b));
  }));
});

Deno.test("ExpirationHeap refuses to remove what it does not hold", () => {
  assertThrows(() => new ExpirationHeap().remove({ expiration: 1, heapIndex: -1 }), RangeError);
});
