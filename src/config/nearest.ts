/**
 * The known name that a mistyped one was meant to be.
 *
 * @module
 */

/**
 * The name with the fewest edits (Levenshtein) to `written`, or `undefined` when none is near.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(nearestName("modle", ["name", "model"]), "model");
 * assertEquals(nearestName("zzzzzz", ["name", "model"]), undefined);
 * ```
 */
export function nearestName(written: string, known: readonly string[]): string | undefined {
  const wanted = written.slice(0, 100).toLowerCase();
  let best: string | undefined;
  let fewest = Math.max(2, Math.ceil(wanted.length / 2)) + 1;
  for (const name of known) {
    const edits = editsBetween(wanted, name.toLowerCase());
    if (edits < fewest) [best, fewest] = [name, edits];
  }
  return best;
}

function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
