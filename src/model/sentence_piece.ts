/**
 * SentencePiece's scores as merges of a BPE.
 *
 * @module
 */

/** Longest piece taken apart; SentencePiece's own limit is 16 letters (`max_sentencepiece_length`). */
const MAX_PIECE_LETTERS = 64;

/**
 * Every way to put a piece together from two others, the best score first: the order in which SentencePiece merges.
 * Ties are broken as Hugging Face's converter does (longer first parts first, then longer second parts).
 */
export function sentencePieceMerges(
  tokens: readonly string[],
  scores: readonly (number | boolean | string)[],
): [string, string][] {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const merges: { readonly left: string; readonly right: string; readonly score: number }[] = [];
  for (const [token, id] of ids) {
    if (token.length > MAX_PIECE_LETTERS) continue;
    const ways: { readonly left: string; readonly right: string }[] = [];
    for (let cut = 1; cut < token.length; cut++) {
      const left = token.slice(0, cut), right = token.slice(cut);
      if (ids.has(left) && ids.has(right)) ways.push({ left, right });
    }
    ways.sort((a, b) => ids.get(a.left)! - ids.get(b.left)! || ids.get(a.right)! - ids.get(b.right)!);
    const score = Number(scores[id] ?? 0);
    for (const way of ways) merges.push({ ...way, score });
  }
  merges.sort((a, b) =>
    b.score - a.score || b.left.length - a.left.length || b.right.length - a.right.length
  );
  return merges.map(({ left, right }) => [left, right]);
}
