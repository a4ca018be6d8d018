/**
 * The laws of landing: whatever is dropped, rewritten, broken, copied, retried, restored, replayed and read again, in
 * whatever order, every good row is in the table exactly once, and every other one is open while its file is live.
 *
 * TARN_PROPERTY_RUNS multiplies the number of stories.
 */

import { afterAll, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { must } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import type { Landed } from "../../core/ingest/landing.ts";
import { type AsideRow, LandingLake, LOG, ORDERS, PLACES } from "./landing-lake.ts";
import {
  type Content,
  type FileRow,
  type Format,
  fits,
  type Landing,
  LandingOracle,
  type Spot,
  type State,
  type Type,
} from "./landing-oracle.ts";

const STORIES = 8 * Number(process.env.TARN_PROPERTY_RUNS ?? "1");
const TIMEOUT_MS = 60_000 + STORIES * 60_000;
const counts: Record<string, number> = { stories: 0, checks: 0 };

/** A number that fits a type or not, a text, or null: no row at all. */
type Value = string | null;
type Step =
  | { readonly kind: "drop"; readonly format: Format; readonly files: readonly Value[][] }
  | { readonly kind: "rewrite"; readonly pick: number; readonly rows: readonly Value[] }
  | { readonly kind: "rewriteKeeping"; readonly pick: number; readonly rows: readonly Value[] }
  /** More rows behind those that a text has; under its own name, or under a new one, and the old one begins anew. */
  | { readonly kind: "grow" | "rotate"; readonly pick: number; readonly rows: readonly Value[] }
  /** Half of an upload, under a name that is new or not. */
  | { readonly kind: "broken"; readonly pick: number; readonly isNew: boolean }
  /** The bytes of a file under another name, that is new or not. */
  | { readonly kind: "copy"; readonly from: number; readonly to: number; readonly isNew: boolean }
  | { readonly kind: "retry"; readonly pick: number; readonly count: number; readonly how: How }
  | { readonly kind: "giveUp"; readonly pick: number }
  /** A name is forgotten; and dropped again as it was. */
  | { readonly kind: "forget"; readonly pick: number; readonly again: boolean }
  | { readonly kind: "restore"; readonly share: number; readonly back: boolean }
  | { readonly kind: "replay" }
  | { readonly kind: "reread"; readonly type: Type }
  | { readonly kind: "rename"; readonly isSaid: boolean }
  | { readonly kind: "compact"; readonly targetBytes: number }
  | { readonly kind: "foreign"; readonly n: number }
  | { readonly kind: "recompute" };
type How = "asItIs" | "text" | "field" | "wrong";

const TYPES = ["decimal(4,0)", "int", "bigint", "varchar"] as const;
const value: fc.Arbitrary<Value> = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -99, max: 99 }).map(String) },
  { weight: 2, arbitrary: fc.constantFrom("100000", "5000000000") },
  { weight: 2, arbitrary: fc.constantFrom("x7", "y z") },
  { weight: 1, arbitrary: fc.constant(null) },
);
const rows = fc.array(value, { minLength: 1, maxLength: 5 });
const pick = fc.nat({ max: 1000 });
const type = fc.constantFrom(...TYPES);
const format = fc.constantFrom<Format>("csv", "ndjson", "gz");

function kind<Kind extends string, Rest>(
  name: Kind,
  rest: { [K in keyof Rest]: fc.Arbitrary<Rest[K]> },
) {
  return fc.record({ kind: fc.constant(name), ...rest }) as fc.Arbitrary<{ kind: Kind } & Rest>; // parse: made of these
}

const share = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const how = fc.constantFrom<How>("asItIs", "text", "text", "field", "wrong");
const drop = kind("drop", { format, files: fc.array(rows, { minLength: 1, maxLength: 3 }) });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: drop },
  { weight: 4, arbitrary: kind("rewrite", { pick, rows }) },
  { weight: 2, arbitrary: kind("rewriteKeeping", { pick, rows }) },
  { weight: 4, arbitrary: kind("grow", { pick, rows }) },
  { weight: 2, arbitrary: kind("rotate", { pick, rows }) },
  { weight: 2, arbitrary: kind("broken", { pick, isNew: fc.boolean() }) },
  { weight: 3, arbitrary: kind("copy", { from: pick, to: pick, isNew: fc.boolean() }) },
  { weight: 7, arbitrary: kind("retry", { pick, count: fc.integer({ min: 1, max: 3 }), how }) },
  { weight: 3, arbitrary: kind("giveUp", { pick }) },
  { weight: 4, arbitrary: kind("forget", { pick, again: fc.boolean() }) },
  { weight: 4, arbitrary: kind("restore", { share, back: fc.boolean() }) },
  { weight: 3, arbitrary: kind("replay", {}) },
  { weight: 3, arbitrary: kind("reread", { type }) },
  { weight: 2, arbitrary: kind("rename", { isSaid: fc.boolean() }) },
  { weight: 9, arbitrary: kind("compact", { targetBytes: fc.constantFrom(8_000, 1024 ** 2) }) },
  { weight: 1, arbitrary: kind("foreign", { n: fc.nat({ max: 9 }) }) },
  { weight: 1, arbitrary: kind("recompute", {}) },
);

test(
  "every row is where its file, its corrections and the restores put it, at every moment of any story",
  async () => {
    const story = fc.tuple(
      fc.constantFrom<"version" | "replace">("version", "replace"),
      type,
      drop,
      fc.array(step, { minLength: 5, maxLength: 12 }),
    );
    await fc.assert(
      fc.asyncProperty(story, async ([sameName, first, begin, steps]) => {
        count("stories");
        await using told = await Story.begin(sameName, first);
        for (const one of [begin, ...steps, { kind: "replay" } as const]) await told.take(one);
        await told.take({ kind: "recompute" });
      }),
      { numRuns: STORIES, endOnFailure: true },
    );
  },
  TIMEOUT_MS,
);

afterAll(() => {
  const said = Object.entries(counts).map(([name, number]) => `${number} ${name}`);
  console.log(`counted: ${said.join(", ")}; seed ${process.env.TARN_SEED}`);
});

function count(name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

/** A lake and what it must hold, side by side. */
class Story implements AsyncDisposable {
  readonly #lake: LandingLake;
  readonly #oracle: LandingOracle;
  readonly #states: { readonly snapshotId: bigint; readonly state: State }[] = [];
  /** The batch that each landing was seen in first, and always is. */
  readonly #batches = new Map<number, string>();
  #files = 0;
  #ids = 0;
  #contents = 0;

  private constructor(lake: LandingLake, oracle: LandingOracle) {
    this.#lake = lake;
    this.#oracle = oracle;
  }

  static async begin(sameName: "version" | "replace", type: Type): Promise<Story> {
    const lake = await LandingLake.open({ source: "orders", movedFrom: null, sameName, type });
    return new Story(lake, new LandingOracle(sameName, type));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lake[Symbol.asyncDispose]();
  }

  async take(one: Step): Promise<void> {
    if (await this.#done(one)) count(one.kind);
    await this.#check(one.kind);
    await this.#remember();
    await this.#build(new Map());
    await this.#check(`${one.kind}, built`);
    await this.#remember();
  }

  /** False where there is nothing to do it to. */
  async #done(one: Step): Promise<boolean> {
    switch (one.kind) {
      case "drop": {
        const files = one.files.map((values): [string, Content] => [
          this.#newName(one.format),
          this.#content(one.format, this.#rows(values)),
        ]);
        await this.#build(new Map(files));
        return true;
      }
      case "rewrite":
      case "rewriteKeeping":
        return this.#rewrite(one);
      case "grow":
      case "rotate":
        return this.#grow(one);
      case "broken":
        return this.#break(one);
      case "copy":
        return this.#copy(one);
      case "retry":
        return this.#retry(one.pick, one.count, one.how);
      case "giveUp":
        return this.#giveUp(one.pick);
      case "forget":
        return this.#forget(one.pick, one.again);
      case "restore":
        return this.#restore(one.share, one.back);
      case "replay":
        if ((await this.#lake.head()) === null) return false;
        await this.#lake.replay();
        return true;
      case "reread":
        return this.#reread(one.type);
      case "rename":
        return this.#rename(one.isSaid);
      case "compact":
        return this.#lake.compact(one.targetBytes);
      case "foreign": {
        const id = this.#newId();
        if (!(await this.#lake.appendForeign(id, one.n))) return false;
        this.#oracle.appendForeign({ id, n: String(one.n) });
        return true;
      }
      case "recompute":
        await this.#lake.build(true);
        return true;
    }
  }

  async #build(files: ReadonlyMap<string, Content>): Promise<void> {
    for (const [file, content] of files) await this.#lake.drop(file, bytesOf(content));
    this.#oracle.land(files);
    this.#seen(await this.#lake.build());
  }

  async #rewrite({ kind, pick, rows }: Step & { kind: "rewrite" | "rewriteKeeping" }) {
    const name = picked(this.#oracle.names, pick);
    if (name === null) return false;
    const kept = kind === "rewrite" ? [] : (this.#oracle.contentOf(name)?.rows ?? []);
    const form = formatOf(name);
    await this.#build(new Map([[name, this.#content(form, [...this.#rows(rows), ...kept])]]));
    return true;
  }

  async #grow({ kind, pick, rows }: Step & { kind: "grow" | "rotate" }): Promise<boolean> {
    const texts = this.#oracle.names.filter((name) => formatOf(name) !== "gz");
    const name = picked(texts, pick);
    const before = name === null ? null : this.#oracle.contentOf(name);
    if (name === null || before === null || before.rows === null) return false;
    // The last object that does not end is open: what comes behind it may be its rest.
    if (before.format === "ndjson" && before.rows.some(({ n }) => n === null)) return false;
    const after = { key: before.key, rows: before.rows.length };
    const more = this.#rows(rows);
    const whole = this.#content(before.format, [...before.rows, ...more]);
    const grown = { ...whole, after };
    if (!this.#oracle.goesOn(grown)) return false;
    const files = new Map<string, Content>([
      [kind === "grow" ? name : this.#newName(before.format), grown],
    ]);
    if (kind === "rotate") files.set(name, this.#content(before.format, this.#rows(["1"])));
    await this.#build(files);
    return true;
  }

  async #break({ pick, isNew }: Step & { kind: "broken" }): Promise<boolean> {
    const zipped = this.#oracle.names.filter((name) => formatOf(name) === "gz");
    const name = isNew ? this.#newName("gz") : picked(zipped, pick);
    if (name === null) return false;
    await this.#build(new Map([[name, this.#content("gz", null)]]));
    return true;
  }

  async #copy({ from, to, isNew }: Step & { kind: "copy" }): Promise<boolean> {
    const source = picked(this.#oracle.names, from);
    const content = source === null ? null : this.#oracle.contentOf(source);
    if (content === null || content.rows === null) return false;
    const same = this.#oracle.names.filter((name) => formatOf(name) === content.format);
    const name = isNew ? this.#newName(content.format) : must(picked(same, to), "at least itself");
    if (name === source) return false;
    await this.#build(new Map([[name, content]]));
    return true;
  }

  async #retry(pick: number, many: number, how: How): Promise<boolean> {
    const spots = this.#oracle.open.filter(({ index }) => index >= 0);
    const start = spots.length === 0 ? 0 : pick % spots.length;
    const chosen = spots.slice(start, start + many);
    if (chosen.length === 0) return false;
    const aside = await this.#lake.aside();
    const items = chosen.map((spot) => this.#item(spot, aside, how));
    const retried = await this.#lake.retry(items.map(({ item }) => item));
    let landed = 0;
    for (const { spot, text } of items) if (this.#oracle.retry(spot, text)) landed += 1;
    expect(retried, "retried").toMatchObject({ landed, already: [], gone: [], besides: 0 });
    await this.#check("retry");
    const again = await this.#lake.retry(items.map(({ item }) => item));
    expect(again, "retried twice").toMatchObject({ landed: 0, commit: null });
    expect(again.already).toHaveLength(landed);
    return true;
  }

  async #giveUp(pick: number): Promise<boolean> {
    const spot = picked(
      this.#oracle.open.filter(({ index }) => index >= 0),
      pick,
    );
    if (spot === null) return false;
    await this.#lake.dropRows([this.#item(spot, await this.#lake.aside(), "asItIs").item]);
    this.#oracle.drop(spot);
    return true;
  }

  async #forget(pick: number, again: boolean): Promise<boolean> {
    const isAlone = (file: string): boolean => !this.#oracle.isGoneOnWith(file);
    const live = new Set(this.#oracle.live.map(({ file }) => file));
    const names = this.#oracle.names.filter((file) => live.has(file) && isAlone(file));
    const name = picked(names, pick);
    if (name === null) return false;
    const content = must(this.#oracle.contentOf(name), "it is known");
    await this.#lake.forget(name);
    this.#oracle.forget(name);
    await this.#check("forget");
    await this.#remember();
    if (again) await this.#build(new Map([[name, content]]));
    return true;
  }

  async #restore(share: number, back: boolean): Promise<boolean> {
    const to = this.#states[Math.floor(share * this.#states.length)];
    const now = this.#states.at(-1);
    if (to === undefined || now === undefined || to === now) return false;
    await this.#restoreTo(to);
    if (!back) return true;
    await this.#check("restore");
    await this.#restoreTo(now);
    return true;
  }

  async #restoreTo({ snapshotId, state }: { snapshotId: bigint; state: State }): Promise<void> {
    await this.#lake.restore(snapshotId);
    this.#oracle.restore(state);
    // Who goes back also declares what was declared then.
    this.#lake.declare({ ...this.#lake.declared, type: state.type });
  }

  async #reread(type: Type): Promise<boolean> {
    if ((await this.#lake.head()) === null) return false;
    const before = this.#lake.declared;
    this.#lake.declare({ ...before, type });
    try {
      await this.#lake.reread();
    } catch (thrown) {
      // Rows of another engine do not become narrower.
      const isForeign = thrown instanceof LakeError && thrown.code === "schema";
      if (!isForeign || this.#oracle.state.foreign.length === 0) throw thrown;
      this.#lake.declare(before);
      return false;
    }
    this.#oracle.reread(type);
    return true;
  }

  async #rename(isSaid: boolean): Promise<boolean> {
    const before = this.#lake.declared;
    const source = `${before.source.slice(0, 6)}${this.#contents}${this.#ids}`;
    if (source === before.source || this.#oracle.live.length === 0) return false;
    this.#lake.declare({ ...before, source, movedFrom: isSaid ? before.source : null });
    await this.#build(new Map());
    return true;
  }

  /** Told from what landed: which batch the last landings are in. */
  #seen(landed: readonly Landed[]): void {
    const batches = landed.flatMap(({ batch, files }) =>
      files.flatMap(({ file, outcome }) => (outcome === "duplicate" ? [] : [{ file, batch }])),
    );
    for (const { number, file } of this.#oracle.state.landings) {
      if (this.#batches.has(number)) continue;
      const found = batches.find((one) => one.file === `drops/orders/${file}`);
      this.#batches.set(number, must(found, `${file} landed`).batch);
    }
  }

  async #remember(): Promise<void> {
    const snapshotId = await this.#lake.head();
    if (snapshotId === null || this.#states.at(-1)?.snapshotId === snapshotId) return;
    this.#states.push({ snapshotId, state: this.#oracle.state });
  }

  async #check(after: string): Promise<void> {
    count("checks");
    const select = "_batch, _source_file, _row, id, n::varchar as n";
    const rows = await this.#lake.rows(ORDERS, `select ${select} from t`);
    const own = this.#oracle.live.flatMap((landing) => this.#placed(landing));
    const foreign = this.#oracle.state.foreign.map(({ id, n }) => `null null ${id} ${n}`);
    const text = (row: Record<string, unknown>): string =>
      `${row._batch} ${row._source_file} ${row.id} ${row.n}`;
    expect(rows.map(text).sort(), `rows after ${after}`).toEqual([...own, ...foreign].sort());
    const places = rows.filter((row) => row._batch !== null);
    const keys = new Set(places.map((row) => `${row._batch} ${row._source_file} ${row._row}`));
    expect(keys.size, `places after ${after}`).toBe(places.length);
    this.#checkOrder(places);
    await this.#checkAside(after);
    await this.#checkLedger(after);
    if (after.endsWith("built")) await this.#checkModels(own, foreign, after);
  }

  #placed({ number, file, rows }: Landing): string[] {
    const batch = this.#batches.get(number);
    return rows.flatMap(({ id, n, fixed, isIn }) =>
      isIn ? [`${batch} drops/orders/${file} ${id} ${fixed ?? n}`] : [],
    );
  }

  /** Within one file, places are in the order of its rows. */
  #checkOrder(rows: readonly Record<string, unknown>[]): void {
    for (const { number, file, rows: held } of this.#oracle.live) {
      const batch = this.#batches.get(number);
      const of = rows.filter(
        (row) => row._batch === batch && row._source_file === `drops/orders/${file}`,
      );
      const ids = [...of]
        .sort((a, b) => Number(a._row) - Number(b._row))
        .map(({ id }) => Number(id));
      expect(ids, `order of ${file}`).toEqual(held.flatMap(({ id, isIn }) => (isIn ? [id] : [])));
    }
  }

  async #checkAside(after: string): Promise<void> {
    const aside = await this.#lake.aside();
    const open = aside.filter(({ status }) => status === "open").map(placeText);
    const expected = this.#oracle.open.map((spot) => this.#spotText(spot));
    expect(open.sort(), `open after ${after}`).toEqual(expected.sort());
    expect(new Set(aside.map(({ id }) => id)).size, `ids after ${after}`).toBe(aside.length);
  }

  async #checkLedger(after: string): Promise<void> {
    const files = await this.#lake.liveFiles();
    for (const { file, rowsIn, rowsLanded, rowsQuarantined, rowsDuplicate } of files) {
      const out = rowsLanded + rowsQuarantined + rowsDuplicate;
      expect(out, `${file} in the ledger after ${after}`).toBe(rowsIn);
    }
    const landed = files.reduce((sum, file) => sum + file.rowsLanded, 0);
    const own = this.#oracle.live.flatMap(({ rows }) => rows.filter(({ isIn }) => isIn));
    expect(landed, `landed in the ledger after ${after}`).toBe(own.length);
  }

  async #checkModels(own: readonly string[], foreign: readonly string[], after: string) {
    const tail = (text: string): string => text.split(" ").slice(2).join(" ");
    for (const [table, rows] of [
      [LOG, [...own, ...foreign]],
      [PLACES, own],
    ] as const) {
      const found = await this.#lake.rows(table, "select id || ' ' || n as r from t");
      expect(found.map(({ r }) => String(r)).sort(), `${table} after ${after}`).toEqual(
        rows.map(tail).sort(),
      );
    }
  }

  #item(spot: Spot, aside: readonly AsideRow[], how: How) {
    const place = this.#spotText(spot);
    const row = must(
      aside.find((one) => placeText(one) === place),
      `${place} is set aside`,
    );
    const landing = must(
      this.#oracle.live.find(({ number }) => number === spot.landing),
      "live",
    );
    const held = must(landing.rows[spot.index], "a row");
    const isRow = held.n !== null;
    const text = how === "asItIs" ? null : how === "wrong" ? "x y" : String(spot.index + 1);
    const isField = how === "field" && isRow;
    const whole =
      text === null || isField ? null : lineOf(landing.content.format, { ...held, n: text });
    const { status: _, ...given } = row;
    const item = { ...given, text: whole, set: isField ? `n=${text}` : null };
    return { spot, item, text };
  }

  #spotText({ landing, index }: Spot): string {
    const { file, content, base } = must(
      this.#oracle.state.landings.find(({ number }) => number === landing),
      "a landing",
    );
    const line = base + index + (content.format === "ndjson" ? 1 : 2);
    const position = index < 0 ? "file" : `line ${line}`;
    return `${this.#batches.get(landing)} drops/orders/${file} ${position}`;
  }

  #newName(form: Format): string {
    this.#files += 1;
    return `f${String(this.#files).padStart(2, "0")}.${form === "gz" ? "csv.gz" : form}`;
  }

  #newId(): number {
    this.#ids += 1;
    return this.#ids;
  }

  #rows(values: readonly Value[]): FileRow[] {
    return values.map((n) => ({ id: this.#newId(), n }));
  }

  #content(form: Format, rows: readonly FileRow[] | null): Content {
    this.#contents += 1;
    return { key: String(this.#contents), format: form, rows };
  }
}

/** Where the first lines are no JSON, the rest is told as rows. */
function placeText({ batch, file, position }: AsideRow): string {
  return `${batch} ${file} ${position.replace("row", "line")}`;
}

function picked<T>(list: readonly T[], pick: number): T | null {
  return list.length === 0 ? null : (list[pick % list.length] ?? null);
}

function formatOf(name: string): Format {
  return name.endsWith(".gz") ? "gz" : name.endsWith(".csv") ? "csv" : "ndjson";
}

function bytesOf({ key, format: form, rows }: Content): Uint8Array {
  if (rows === null) {
    const lines = Array.from({ length: 50 }, (_, index) => `${index},${key}${index * 7}`);
    const whole = gzipSync(`id,n\n${lines.join("\n")}\n`);
    return whole.subarray(0, Math.floor(whole.length / 2));
  }
  const lines = rows.map((row) => lineOf(form, row));
  const text = `${(form === "ndjson" ? lines : ["id,n", ...lines]).join("\n")}\n`;
  return form === "gz" ? gzipSync(text) : Buffer.from(text);
}

function lineOf(form: Format, { id, n }: FileRow): string {
  if (form !== "ndjson") return n === null ? `${id},1,2` : `${id},${n}`;
  if (n === null) return `{"id":${id},"n":1]`;
  return `{"id":${id},"n":${fits(n, "bigint") ? n : JSON.stringify(n)}}`;
}
