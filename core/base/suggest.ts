/** "Did you mean": the known names nearest to one that is not known. */

import { compareCodePoints } from "./order.ts";

/** Longer words than this are compared by their start only: a suggestion is for typing mistakes. */
const WORD_CHARS_MAX = 64;

/**
 * The known words near enough to `word` to be meant, nearest first, at most `limit`. Near is an edit distance
 * of about a third of the word, the same word in another case, or the same last part of a dotted name.
 */
export function nearestWords(word: string, known: Iterable<string>, limit = 3): string[] {
  const wanted = word.toLowerCase().slice(0, WORD_CHARS_MAX);
  const distanceMax = Math.max(1, Math.floor(wanted.length / 3));
  const ranked: { readonly word: string; readonly distance: number }[] = [];
  for (const candidate of new Set(known)) {
    const lower = candidate.toLowerCase().slice(0, WORD_CHARS_MAX);
    const distance = Math.min(
      editDistance(wanted, lower),
      lastPart(wanted) === lastPart(lower) && wanted !== "" ? 1 : Number.POSITIVE_INFINITY,
      wanted.length >= 3 && lower.startsWith(wanted) ? distanceMax : Number.POSITIVE_INFINITY,
    );
    if (distance <= distanceMax) ranked.push({ word: candidate, distance });
  }
  ranked.sort((a, b) => a.distance - b.distance || compareCodePoints(a.word, b.word));
  // A word that is clearly nearest stands alone.
  const best = ranked[0]?.distance ?? 0;
  const enough = best <= 1 ? best : best + 1;
  return ranked
    .filter((entry) => entry.distance <= enough)
    .slice(0, limit)
    .map((entry) => entry.word);
}

/** The one nearest known word, or null when none is near. */
export function nearestWord(word: string, known: Iterable<string>): string | null {
  return nearestWords(word, known, 1)[0] ?? null;
}

/** ` did you mean "x"?`-style hint for one unknown word, or the known words when none is near. */
export function suggestion(word: string, known: Iterable<string>, kind: string): string {
  const all = [...known];
  const near = nearestWords(word, all);
  if (near.length > 0) return `did you mean ${near.map((name) => `"${name}"`).join(" or ")}?`;
  if (all.length === 0) return `there are no ${kind} yet`;
  const shown = all.slice(0, 12).join(", ");
  return `known ${kind}: ${shown}${all.length > 12 ? `, and ${all.length - 12} more` : ""}`;
}

/** Insertions, deletions, replacements and swaps of neighbours between two words. */
export function editDistance(a: string, b: string): number {
  const width = b.length + 1;
  let before: number[] = [];
  let previous = Array.from({ length: width }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column < width; column++) {
      const same = a[row - 1] === b[column - 1];
      let best = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        best = Math.min(best, (before[column - 2] ?? 0) + 1);
      }
      current.push(best);
    }
    before = previous;
    previous = current;
  }
  return previous[b.length] ?? a.length;
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}
