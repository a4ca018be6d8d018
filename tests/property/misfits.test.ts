/**
 * The laws of misfits: whatever files of numbers, days and codes come with a few values that are none, each row is in
 * the table or set aside, exactly; landing, replays and rereads agree; and a choice is taken back by the other.
 *
 * TARN_PROPERTY_RUNS multiplies the number of stories.
 */

import { afterAll, expect, test } from "bun:test";
import { mkdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { buildOf, hasFailed } from "../../cmd/lake/build.ts";
import { changedColumn } from "../../cmd/lake/column-change.ts";
import { lakeRows } from "../../cmd/lake/query.ts";
import { rereadOf } from "../../cmd/lake/reread.ts";
import { openSession, type Session } from "../../cmd/open.ts";
import { must } from "../../core/base/assert.ts";
import { tempFolder } from "../support/temp-folder.ts";

const STORIES = 2 * Number(process.env.TARN_PROPERTY_RUNS ?? "1");
const EVERYTHING = { select: [], exclude: [], full: false, models: false, sources: true };
/** Dropped long ago: nothing waits for it to settle. */
const OLD = new Date("2026-01-01T00:00:00Z");
const counts = { stories: 0, builds: 0, aside: 0, texts: 0 };

const KINDS = {
  long: (row: number) => `${row}`,
  decimal: (row: number) => `${row}.25`,
  date: (row: number) => `2026-01-${String(1 + (row % 28)).padStart(2, "0")}`,
} as const;
type Kind = keyof typeof KINDS;

/** What a file holds in its one column that is told about. */
interface FileForm {
  readonly kind: Kind;
  readonly values: number;
  readonly misfits: number;
  readonly isPadded: boolean;
  readonly nulls: number;
  /** Misfits are its first values, or stand among the others. */
  readonly isFirst: boolean;
}

const few = fc.constantFrom(0, 0, 0, 1, 1, 2, 5, 12);
const file: fc.Arbitrary<FileForm> = fc.record({
  kind: fc.constantFrom<Kind>("long", "long", "long", "decimal", "decimal", "date"),
  values: fc.constantFrom(1, 20, 99, 100, 150, 500, 1_200, 1_200, 1_200, 1_200),
  misfits: few,
  isPadded: fc.constantFrom(...Array.from({ length: 9 }, () => false), true),
  nulls: fc.constantFrom(0, 3),
  isFirst: fc.boolean(),
});

afterAll(() => console.log(`misfits: ${JSON.stringify(counts)}`));

test(
  "each row lands or is set aside as its file's share says, and comes to the same again",
  async () => {
    const story = fc.array(file, { minLength: 1, maxLength: 4 });
    await fc.assert(fc.asyncProperty(story, run), { numRuns: STORIES });
  },
  60_000 + STORIES * 60_000,
);

async function run(files: readonly FileForm[]): Promise<void> {
  counts.stories++;
  await using folder = await tempFolder();
  await mkdir(join(folder.path, "drops/o"), { recursive: true });
  await writeFile(join(folder.path, "tarn.yaml"), "timezone: UTC\n");
  const model = new Model();
  await using session = await openSession({ folder: folder.path, args: {} }, { engine: "test" });
  for (const [index, form] of files.entries()) {
    const texts = textsOf(form);
    model.take(texts);
    const path = join(folder.path, `drops/o/${index}.csv`);
    const lines = texts.map((text, row) => `${index * 10_000 + row},${text ?? ""}`);
    await writeFile(path, `id,amount\n${lines.join("\n")}\n`);
    await utimes(path, OLD, OLD);
    const following = { signal: new AbortController().signal, onEvent: () => {} };
    expect(hasFailed(await buildOf(session, EVERYTHING, following))).toBe(false);
    counts.builds++;
    expect(await stateOf(session)).toEqual(model.state());
  }
  counts.aside += model.state().aside;
  if (model.type === "string") counts.texts++;
  const before = model.state();
  await reread(session);
  // Rows that an earlier type set aside fit the text that the column has become.
  const again = await stateOf(session);
  expect(again).toEqual(model.type === "string" ? model.widened() : before);
  await choose(session, "widen");
  const widened = await stateOf(session);
  expect({ landed: widened.landed, aside: widened.aside }).toEqual({
    landed: before.landed + before.aside,
    aside: 0,
  });
  await choose(session, "keep");
  const kept = await stateOf(session);
  await choose(session, "widen");
  expect(await stateOf(session)).toEqual(widened);
  await choose(session, "keep");
  expect(await stateOf(session)).toEqual(kept);
  await reread(session);
  expect(await stateOf(session)).toEqual(kept);
}

interface State {
  readonly type: string;
  readonly landed: number;
  readonly aside: number;
}

/** The rule once more, by the file, as the decision states it. */
class Model {
  type: Kind | "string" | null = null;
  #landed: { readonly text: string | null }[] = [];
  #aside = 0;

  take(texts: readonly (string | null)[]): void {
    const values = texts.filter((text) => text !== null);
    this.type = this.#learn(values);
    for (const text of texts) {
      if (text === null || fits(text, this.type)) this.#landed.push({ text });
      else this.#aside++;
    }
  }

  state(): State {
    return { type: this.type ?? "string", landed: this.#landed.length, aside: this.#aside };
  }

  widened(): State {
    return { type: "string", landed: this.#landed.length + this.#aside, aside: 0 };
  }

  #learn(values: readonly string[]): Kind | "string" | null {
    const before = this.type;
    if (values.length === 0 || before === "string") return before;
    const whole = kindOf(values);
    const most = whole ?? mostlyOf(values);
    const next = most === null || before === null ? most : widen(before, most);
    if (next !== null && next !== "string") {
      const misfits = values.filter((text) => !fits(text, next)).length;
      if (misfits === 0 || this.#areFew(misfits, values.length)) return next;
      return "string";
    }
    if (before === null) return "string";
    return this.#areFew(values.length, values.length) ? before : "string";
  }

  #areFew(misfits: number, values: number): boolean {
    const landed = this.#landed.filter(({ text }) => text !== null).length;
    const all = Math.max(values, Math.min(values + landed, 1_000));
    return all >= 100 && misfits * 100 <= all;
  }
}

function kindOf(values: readonly string[]): Kind | null {
  const kinds: readonly Kind[] = ["long", "decimal", "date"];
  return kinds.find((kind) => values.every((text) => fits(text, kind))) ?? null;
}

function mostlyOf(values: readonly string[]): Kind | null {
  const isPadded = values.some((text) => /^0\d+$/.test(text));
  const kinds: readonly Kind[] = isPadded ? ["date"] : ["long", "decimal", "date"];
  const counted = kinds.map((kind) => ({
    kind,
    misfits: values.filter((text) => !fits(text, kind)).length,
  }));
  const [best] = counted.sort((a, b) => a.misfits - b.misfits);
  return best === undefined || best.misfits === values.length ? null : best.kind;
}

function widen(a: Kind, b: Kind): Kind | "string" {
  if (a === b) return a;
  return a === "date" || b === "date" ? "string" : "decimal";
}

function fits(text: string, type: Kind | "string" | null): boolean {
  if (type === "string" || type === null) return true;
  if (type === "date") return /^\d{4}-\d\d-\d\d$/.test(text);
  return type === "long" ? /^(0|[1-9]\d*)$/.test(text) : /^(0|[1-9]\d*)(\.\d+)?$/.test(text);
}

function textsOf({ kind, values, misfits, isPadded, nulls, isFirst }: FileForm) {
  const texts: (string | null)[] = Array.from({ length: values }, (_, row) => KINDS[kind](row));
  for (let index = 0; index < Math.min(misfits, values); index++) {
    const at = isFirst ? index : Math.floor(((index + 0.5) * values) / misfits);
    texts[at] = isPadded && index === 0 ? "007" : "n/a";
  }
  return [...texts, ...Array.from({ length: nulls }, () => null)];
}

async function stateOf(session: Session): Promise<State> {
  const table = await session.catalog.load("bronze_quarantine.o");
  const [row] = await lakeRows(
    session,
    `select (select count(*) from bronze.o) as landed,
       ${table === null ? "0" : "(select count(*) from bronze_quarantine.o)"} as aside,
       (select lower(split_part(data_type, '(', 1)) from information_schema.columns
         where table_schema = 'bronze' and table_name = 'o' and column_name = 'amount') as type`,
  );
  const { landed, aside, type } = must(row, "one row");
  const word = String(type).replace("bigint", "long").replace("varchar", "string");
  return { type: word, landed: Number(landed), aside: Number(aside) };
}

async function reread(session: Session): Promise<void> {
  await rereadOf(session, { sources: ["o"], dryRun: false, why: null }, () => {});
}

async function choose(session: Session, choice: "keep" | "widen"): Promise<void> {
  await changedColumn(session, { table: "o", column: "amount", choice, why: "law", dryRun: false });
}
