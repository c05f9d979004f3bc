/**
 * Matrices the other way round.
 *
 * @module
 */

/** Rows and columns turned together: tiles of this size stay in the processor's nearest cache. */
const TILE = 32;

/**
 * The transpose of a row-major matrix `[rows, columns]`: a new array, `[columns, rows]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(transpose(Float32Array.of(1, 2, 3, 4, 5, 6), 2, 3), Float32Array.of(1, 4, 2, 5, 3, 6));
 * ```
 */
export function transpose(matrix: Float32Array, rows: number, columns: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(matrix.length);
  for (let top = 0; top < rows; top += TILE) {
    const bottom = Math.min(rows, top + TILE);
    for (let left = 0; left < columns; left += TILE) {
      const right = Math.min(columns, left + TILE);
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++) {
          out[column * rows + row] = matrix[row * columns + column]!;
        }
      }
    }
  }
  return out;
}
