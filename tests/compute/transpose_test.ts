import { assertEquals } from "@std/assert";
import { transpose } from "../../src/compute/transpose.ts";

Deno.test("transpose puts every element to its place, for sizes around its tiles", () => {
  for (const [rows, columns] of [[1, 1], [1, 70], [70, 1], [31, 33], [32, 64], [65, 40], [0, 5]] as const) {
    const matrix = Float32Array.from({ length: rows * columns }, (_, i) => i);
    const turned = transpose(matrix, rows, columns);
    const wanted = Array.from(
      { length: rows * columns },
      (_, i) => (i % rows) * columns + Math.floor(i / rows),
    );
    assertEquals([...turned], wanted);
    assertEquals(transpose(turned, columns, rows), matrix);
  }
});
