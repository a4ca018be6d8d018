/** Which line of a template a line of its result comes from. */

const TAGS = /\{\{[\s\S]*?\}\}|\{%[\s\S]*?%\}|\{#[\s\S]*?#\}/g;

/**
 * For each line of the result the line of the template, from 1, that has its words: found from the one before on, as
 * loops and macros make lines that no text has. A line that nothing has is where the one before it is.
 */
export function linesOf(template: string, result: string): readonly number[] {
  const source = partsOf(template);
  let at = 0;
  let before = 1;
  return result.split("\n").map((line) => {
    if (line.trim() === "") return before;
    // In a loop lines come again: what is not found behind is looked for from the start.
    const found = find(source, line, at) ?? find(source, line, 0);
    if (found === null) return before;
    at = found + 1;
    before = found + 1;
    return before;
  });
}

/** Of each line the texts between its tags; tags over several lines leave nothing in them. */
function partsOf(template: string): readonly (readonly string[])[] {
  const marked = template.replace(TAGS, (tag) => `\u0000${tag.replace(/[^\n]/g, "")}\u0000`);
  return marked.split("\n").map((line) =>
    line
      .split("\u0000")
      .map((part) => part.trim())
      .filter((part) => part !== ""),
  );
}

function find(source: readonly (readonly string[])[], line: string, from: number): number | null {
  for (let index = from; index < source.length; index += 1) {
    const parts = source[index] ?? [];
    if (parts.length > 0 && hasInOrder(line, parts)) return index;
  }
  return null;
}

function hasInOrder(line: string, parts: readonly string[]): boolean {
  let at = 0;
  for (const part of parts) {
    const found = line.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return true;
}
