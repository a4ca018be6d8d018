/** Editing, against a plain model that cuts the whole text into graphemes each time. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { EditBuffer } from "../../../../sql/shell/edit-buffer.ts";

const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: "grapheme" });

function buffer(text: string, cursor = text.length): EditBuffer {
  const edited = new EditBuffer();
  edited.set(text, { fresh: true, cursor });
  return edited;
}

function shown(edited: EditBuffer): string {
  return `${edited.text.slice(0, edited.cursor)}|${edited.text.slice(edited.cursor)}`;
}

test("graphemes are never cut", () => {
  const edited = buffer("a👩‍🚀e\u0301日");
  const stops: string[] = [];
  for (let step = 0; step < 4; step++) {
    edited.left();
    stops.push(shown(edited));
  }
  expect(stops).toEqual([
    "a👩‍🚀e\u0301|日",
    "a👩‍🚀|e\u0301日",
    "a|👩‍🚀e\u0301日",
    "|a👩‍🚀e\u0301日",
  ]);
  edited.right();
  edited.delete();
  expect(shown(edited)).toBe("a|e\u0301日");
});

test("up and down keep the column over short and wide lines", () => {
  const edited = buffer("abcdef\nab\n日本語字", 5);
  expect(edited.down()).toBe(true);
  expect(shown(edited)).toBe("abcdef\nab|\n日本語字");
  edited.down();
  expect(shown(edited)).toBe("abcdef\nab\n日本|語字");
  expect(edited.down()).toBe(false);
  edited.up();
  edited.up();
  expect(shown(edited)).toBe("abcde|f\nab\n日本語字");
  expect(edited.up()).toBe(false);
});

test("words, kills that join, yank and the ring", () => {
  const edited = buffer("select a.b, count(*)");
  edited.killWordBefore();
  expect(shown(edited)).toBe("select a.b, |");
  edited.killWordBefore();
  edited.killWordBefore();
  expect(shown(edited)).toBe("select |");
  edited.yank();
  expect(shown(edited)).toBe("select a.b, count(*)|");
  edited.killBlankWordBefore();
  edited.lineStart();
  edited.killWordAfter();
  edited.lineEnd();
  edited.yank();
  expect(shown(edited)).toBe(" a.b, select|");
  edited.yankPop();
  expect(shown(edited)).toBe(" a.b, count(*)|");
});

test("typing is undone by the word, redo brings it back", () => {
  const edited = new EditBuffer();
  for (const character of "select 12") edited.insert(character);
  edited.undo();
  expect(edited.text).toBe("select ");
  edited.undo();
  expect(edited.text).toBe("select");
  edited.redo();
  edited.redo();
  expect(edited.text).toBe("select 12");
});

test("transpose", () => {
  const edited = buffer("slect e", 2);
  edited.transpose();
  expect(shown(edited)).toBe("sel|ct e");
  const end = buffer("ab");
  end.transpose();
  expect(shown(end)).toBe("ba|");
  const first = buffer("ab\ncd", 3);
  first.transpose();
  expect(first.text).toBe("ab\ncd");
});

type Step =
  | { readonly do: "insert"; readonly text: string }
  | {
      readonly do: "backspace" | "delete" | "left" | "right" | "start" | "end" | "kill" | "unkill";
    };

/** The model: text and cursor, every answer from a fresh cut of the whole text. */
class Model {
  text = "";
  cursor = 0;

  boundaries(): number[] {
    const all = [0];
    let at = 0;
    for (const line of this.text.split(/(\n)/)) {
      for (const { segment } of GRAPHEMES.segment(line)) {
        at += segment.length;
        all.push(at);
      }
    }
    return all;
  }

  step(step: Step): void {
    const all = this.boundaries();
    const place = all.indexOf(this.cursor);
    const before = all[place - 1] ?? this.cursor;
    const after = all[place + 1] ?? this.cursor;
    const lineStart = this.text.lastIndexOf("\n", this.cursor - 1) + 1;
    const start = this.cursor === 0 ? 0 : lineStart;
    const found = this.text.indexOf("\n", this.cursor);
    const end = found < 0 ? this.text.length : found;
    if (step.do === "insert") this.splice(this.cursor, this.cursor, step.text);
    if (step.do === "backspace") this.splice(before, this.cursor, "");
    if (step.do === "delete") this.splice(this.cursor, after, "");
    if (step.do === "left") this.cursor = before;
    if (step.do === "right") this.cursor = after;
    if (step.do === "start") this.cursor = start;
    if (step.do === "end") this.cursor = end;
    if (step.do === "kill") this.splice(this.cursor, end === this.cursor ? after : end, "");
    if (step.do === "unkill") this.splice(start === this.cursor ? before : start, this.cursor, "");
  }

  splice(start: number, end: number, text: string): void {
    this.text = this.text.slice(0, start) + text + this.text.slice(end);
    const wanted = start + text.length;
    this.cursor = this.boundaries().find((at) => at >= wanted) ?? this.text.length;
  }
}

test("random keys do what the model does, and undo goes all the way back", () => {
  const insert = fc
    .constantFrom("a", " ", "\n", "日", "e\u0301", "\u0301", "👩‍🚀", "🇩🇪", "🇩", "'", "select 1")
    .map((text): Step => ({ do: "insert", text }));
  const other = fc
    .constantFrom("backspace", "delete", "left", "right", "start", "end", "kill", "unkill")
    .map((name): Step => ({ do: name as Exclude<Step["do"], "insert"> }));
  fc.assert(
    fc.property(fc.array(fc.oneof(insert, other), { maxLength: 60 }), (steps) => {
      const edited = new EditBuffer();
      const model = new Model();
      for (const step of steps) {
        apply(edited, step);
        model.step(step);
        expect(shown(edited)).toBe(
          `${model.text.slice(0, model.cursor)}|${model.text.slice(model.cursor)}`,
        );
      }
      const final = edited.text;
      for (let count = 0; count < steps.length; count++) edited.undo();
      expect(edited.text).toBe("");
      for (let count = 0; count < steps.length; count++) edited.redo();
      expect(edited.text).toBe(final);
    }),
    { numRuns: 300 },
  );
});

function apply(edited: EditBuffer, step: Step): void {
  if (step.do === "insert") edited.insert(step.text);
  if (step.do === "backspace") edited.backspace();
  if (step.do === "delete") edited.delete();
  if (step.do === "left") edited.left();
  if (step.do === "right") edited.right();
  if (step.do === "start") edited.lineStart();
  if (step.do === "end") edited.lineEnd();
  if (step.do === "kill") edited.killToLineEnd();
  if (step.do === "unkill") edited.killToLineStart();
}
