/** The pane below scrolling lines: drawn once per change, erased whole, never more than half the screen. */

import { expect, test } from "bun:test";
import { Pane } from "../../../cmd/render/pane.ts";

const ESCAPE = String.fromCharCode(27);
const CODES = new RegExp(`(${ESCAPE}\\[\\d+[AJ]|\\r|\\n)`);
const UP = new RegExp(`^${ESCAPE}\\[(\\d+)A$`);

/** What a screen shows after the writes: enough of a terminal for lines, moves up and erasure below. */
function screenAfter(text: string): string[] {
  let lines: string[] = [""];
  for (const part of text.split(CODES)) {
    const move = UP.exec(part)?.[1];
    if (move !== undefined) lines = lines.slice(0, lines.length - Number(move));
    else if (part === `${ESCAPE}[0J` || part === "\r") lines[lines.length - 1] = "";
    else if (part === "\n") lines.push("");
    else lines[lines.length - 1] += part;
  }
  return lines;
}

function paneOf(size: { columns: number; rows: number }) {
  const written: string[] = [];
  const pane = new Pane({ write: (text) => void written.push(text), size: () => size });
  const say = (line: string) => pane.above(() => void written.push(`${line}\n`));
  return { pane, say, screen: () => screenAfter(written.join("")), written };
}

test("lines are written above it, and it stays below", () => {
  const { pane, say, screen } = paneOf({ columns: 40, rows: 20 });
  say("one");
  pane.update(["a 1", "b 1"]);
  say("two");
  pane.update(["a 2", "b 1"]);
  say("three");
  expect(screen()).toEqual(["one", "two", "three", "a 2", "b 1", ""]);
  pane.close();
  expect(screen()).toEqual(["one", "two", "three", ""]);
});

test("what did not change is not drawn again", () => {
  const { pane, written } = paneOf({ columns: 40, rows: 20 });
  pane.update(["a"]);
  const before = written.length;
  pane.update(["a"]);
  expect(written.length).toBe(before);
});

test("it is cut to the width, and to half of the rows", () => {
  const { pane, screen } = paneOf({ columns: 8, rows: 6 });
  pane.update(["a long line", "b", "c", "d", "e"]);
  expect(screen()).toEqual(["a lon …", "b", "  … …", ""]);
});
