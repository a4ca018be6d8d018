/**
 * The laws of texts that go on: whatever is written in pieces, cut, copied, rotated, packed and misread at first, each
 * line is in the table once, and once it is whole nothing else is.
 *
 * TARN_PROPERTY_RUNS multiplies the number of stories.
 */

import { afterAll, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { WHOLE_FILE } from "../../core/ingest/quarantine.ts";
import { LandingLake, LOG, ORDERS } from "./landing-lake.ts";

const STORIES = 10 * Number(process.env.TARN_PROPERTY_RUNS ?? "1");
const TIMEOUT_MS = 60_000 + STORIES * 60_000;
const counts: Record<string, number> = { stories: 0, builds: 0 };

/** How a log is written. */
interface Form {
  readonly format: "csv" | "jsonl";
  readonly encoding: "utf-8" | "utf-16le";
  readonly delimiter: "," | ";";
  readonly isQuoted: boolean;
  readonly ends: "\n" | "\r\n";
}

/** What tarn.yaml says at first, of all sources alike; `right` reads them all. */
const SETTINGS = {
  right: {},
  delimiter: { format: "csv", delimiter: "|" },
  header: { format: "csv", header: false },
  format: { format: "parquet" },
} as const;

type Step =
  | { readonly kind: "write"; readonly log: number; readonly lines: number; readonly cut: number }
  | { readonly kind: "build" }
  | { readonly kind: "rename" | "copyTruncate" | "pack" | "unpack" | "copy"; readonly log: number }
  /** Its first bytes alone, as where an upload begins anew; a build sees that, or not; then it is whole again. */
  | {
      readonly kind: "cut";
      readonly log: number;
      readonly share: number;
      readonly isSeen: boolean;
    }
  | { readonly kind: "replay" | "reread" }
  | { readonly kind: "mend" };

interface Setup {
  readonly logs: readonly Form[];
  readonly settings: keyof typeof SETTINGS;
  readonly onLanded: "keep" | "move" | "delete";
  readonly sameBytes: "skip" | "land";
}

const log = fc.nat({ max: 9 });
const share = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const form: fc.Arbitrary<Form> = fc.record({
  format: fc.constantFrom("csv", "jsonl"),
  encoding: fc.constantFrom("utf-8", "utf-8", "utf-16le"),
  delimiter: fc.constantFrom(",", ";"),
  isQuoted: fc.boolean(),
  ends: fc.constantFrom("\n", "\n", "\r\n"),
});
const setup: fc.Arbitrary<Setup> = fc.record({
  logs: fc.array(form, { minLength: 1, maxLength: 3 }),
  settings: fc.constantFrom("right", "right", "right", "delimiter", "header", "format"),
  onLanded: fc.constantFrom("keep", "keep", "keep", "move", "delete"),
  sameBytes: fc.constantFrom("skip", "skip", "skip", "land"),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("write" as const),
      log,
      lines: fc.oneof(fc.nat({ max: 4 }), fc.constant(90)),
      cut: fc.oneof(fc.constant(0), fc.nat({ max: 24 })),
    }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("build" as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "rename" as const,
        "copyTruncate" as const,
        "pack" as const,
        "unpack" as const,
        "copy" as const,
      ),
      log,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("cut" as const), log, share, isSeen: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom("replay" as const, "reread" as const) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("mend" as const) }) },
);

test(
  "each line of texts that go on is in the table once, at every moment of any story",
  async () => {
    const story = fc.tuple(setup, fc.array(step, { minLength: 6, maxLength: 24 }));
    await fc.assert(
      fc.asyncProperty(story, async ([given, steps]) => {
        count("stories");
        const isAside = given.settings === "format";
        await using told = await Story.begin(isAside ? { ...given, onLanded: "keep" } : given);
        for (const one of steps) await told.take(one);
        await told.end();
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

/** One log: what its writer wrote into the file that it has now, and what of its last line is still to come. */
interface Written {
  readonly form: Form;
  readonly name: string;
  rest: Uint8Array;
  /** Lines that are not whole in the file, each with the count of bytes behind it. */
  coming: readonly { readonly id: number; readonly behind: number }[];
  rotations: number;
  /** Packed rotations, by their names. */
  readonly packed: string[];
}

/** A lake beside the lines that were written. */
class Story implements AsyncDisposable {
  readonly #lake: LandingLake;
  readonly #setup: Setup;
  readonly #logs: readonly Written[];
  #settings: keyof typeof SETTINGS;
  /** Ids of whole lines, as often as they are to land. */
  readonly #ids: number[] = [];
  #count = 0;

  private constructor(lake: LandingLake, given: Setup) {
    this.#lake = lake;
    this.#setup = given;
    this.#settings = given.settings;
    this.#logs = given.logs.map((each, index) => ({
      form: each,
      name: `app${index}.${each.format}`,
      rest: new Uint8Array(),
      coming: [],
      rotations: 0,
      packed: [],
    }));
  }

  static async begin(given: Setup): Promise<Story> {
    const lake = await LandingLake.open(declared(given, given.settings));
    return new Story(lake, given);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lake[Symbol.asyncDispose]();
  }

  async take(one: Step): Promise<void> {
    // What comes later under the name of a file that was set aside whole takes its place: it is only written on.
    const isAside = this.#settings === "format";
    if (isAside && !["write", "build", "mend"].includes(one.kind)) return;
    if (await this.#done(one)) count(one.kind);
  }

  /** Every line is ended: then nothing is open, and all of it can be read again. */
  async end(): Promise<void> {
    for (const each of this.#logs) await this.#finish(each);
    await this.#build();
    await this.#mend();
    await this.#check("the end");
    await this.#replayed("replay");
    await this.#replayed("reread");
    // A header cut within a character is set aside whole, and stays so where its file is renamed before it goes on.
    const isLeft = (file: string): boolean => this.#logs.some(({ name }) => file.endsWith(name));
    const open = (await this.#lake.aside()).filter(
      ({ status, position, file }) =>
        status === "open" && !(position === WHOLE_FILE && isLeft(file)),
    );
    expect(JSON.stringify(open), "nothing is open").toBe("[]");
    const models = await this.#lake.rows(LOG, "select id from t");
    expect(models.map(({ id }) => Number(id)).sort(byNumber), "the model").toEqual(
      this.#ids.toSorted(byNumber),
    );
  }

  async #done(one: Step): Promise<boolean> {
    switch (one.kind) {
      case "write":
        await this.#write(this.#log(one.log), one.lines, one.cut);
        return true;
      case "build":
        await this.#build();
        return true;
      case "rename":
      case "copyTruncate":
      case "pack":
        return this.#rotate(this.#log(one.log), one.kind);
      case "unpack":
        return this.#unpack(this.#log(one.log));
      case "copy":
        return this.#copy(this.#log(one.log));
      case "cut":
        return this.#cut(this.#log(one.log), one.share, one.isSeen);
      case "replay":
      case "reread":
        return this.#isRight && this.#replayed(one.kind);
      case "mend":
        if (this.#isRight) return false;
        await this.#mend();
        return true;
    }
  }

  #log(pick: number): Written {
    const found = this.#logs[pick % this.#logs.length];
    if (found === undefined) throw new Error("a story has logs");
    return found;
  }

  get #isRight(): boolean {
    return this.#settings === "right";
  }

  async #write(each: Written, lines: number, cut: number): Promise<void> {
    const { form: how, name } = each;
    const before = await this.#lake.content(name);
    const header = how.format === "csv" ? headerOf(how) : "";
    const isNew = (before?.length ?? 0) + each.rest.length === 0;
    const texts = Array.from({ length: lines }, () => this.#line(how));
    const added = bytesOf(how, `${isNew ? header : ""}${texts.join("")}`, isNew);
    const bytes = joined(before ?? new Uint8Array(), each.rest, added);
    // Who takes files away takes whole ones.
    const fresh = each.rest.length + added.length;
    const back = this.#setup.onLanded === "keep" && lines > 0 ? Math.min(cut, fresh) : 0;
    const older = each.coming.map(({ id, behind }) => ({ id, behind: behind + added.length }));
    const newer = texts.map((_, index) => ({
      id: this.#count - texts.length + index + 1,
      behind: bytesOf(how, texts.slice(index + 1).join(""), false).length,
    }));
    each.coming = [...older, ...newer].filter(({ behind }) => behind < back);
    each.rest = bytes.slice(bytes.length - back);
    await this.#put(name, bytes.slice(0, bytes.length - back));
  }

  async #put(name: string, bytes: Uint8Array | null): Promise<void> {
    await (bytes === null ? this.#lake.remove(name) : this.#lake.drop(name, bytes));
  }

  async #finish(each: Written): Promise<void> {
    if (each.rest.length > 0) await this.#write(each, 0, 0);
  }

  #line(how: Form): string {
    this.#count += 1;
    this.#ids.push(this.#count);
    const value = `n${this.#count}e`;
    const quoted = how.isQuoted ? `"${value}"` : value;
    return how.format === "csv"
      ? `${this.#count}${how.delimiter}${quoted}${how.ends}`
      : `${JSON.stringify({ id: this.#count, n: value })}${how.ends}`;
  }

  async #rotate(each: Written, kind: "rename" | "copyTruncate" | "pack"): Promise<boolean> {
    // Who wants equal bytes twice gets them twice under another name.
    if (this.#setup.sameBytes === "land") return false;
    await this.#finish(each);
    const bytes = await this.#lake.content(each.name);
    if (bytes === null || bytes.length === 0) return false;
    each.rotations += 1;
    const name = each.name.replace(".", `.${each.rotations}.`);
    if (kind === "pack") {
      each.packed.push(`${name}.gz`);
      await this.#put(`${name}.gz`, gzipSync(bytes));
    } else await this.#put(name, bytes);
    await this.#put(each.name, kind === "copyTruncate" ? new Uint8Array() : null);
    return true;
  }

  /** A packed rotation lies unpacked beside itself. */
  async #unpack(each: Written): Promise<boolean> {
    const packed = each.packed.at(-1);
    const bytes = packed === undefined ? null : await this.#lake.content(packed);
    if (packed === undefined || bytes === null) return false;
    await this.#put(packed.replace(".gz", ""), Bun.gunzipSync(Uint8Array.from(bytes)));
    return true;
  }

  /** Under another name: more of the same where that is wanted. */
  async #copy(each: Written): Promise<boolean> {
    await this.#finish(each);
    const bytes = await this.#lake.content(each.name);
    if (bytes === null || bytes.length === 0) return false;
    each.rotations += 1;
    await this.#put(each.name.replace(".", `.copy${each.rotations}.`), bytes);
    if (this.#setup.sameBytes === "land") this.#ids.push(...idsOf(each.form, bytes));
    return true;
  }

  async #cut(each: Written, part: number, isSeen: boolean): Promise<boolean> {
    const bytes = await this.#lake.content(each.name);
    if (bytes === null || this.#setup.onLanded !== "keep") return false;
    if (this.#setup.sameBytes === "land") return false;
    await this.#build();
    await this.#put(each.name, bytes.slice(0, Math.floor(part * bytes.length)));
    if (isSeen) await this.#build();
    await this.#put(each.name, bytes);
    return true;
  }

  async #build(): Promise<void> {
    await this.#lake.build();
    count("builds");
    await this.#check("a build");
  }

  /** The settings that read all, for what landed under others too. */
  async #mend(): Promise<void> {
    const before = this.#settings;
    this.#settings = "right";
    this.#lake.declare(declared(this.#setup, "right"));
    if (before === "format") await this.#retryWhole();
    else if (before !== "right" && (await this.#lake.isThere())) await this.#lake.reread();
    await this.#build();
  }

  async #retryWhole(): Promise<void> {
    const rows = (await this.#lake.aside()).filter(
      ({ status, position }) => status === "open" && position === WHOLE_FILE,
    );
    const items = rows.map(({ status: _, ...row }) => ({ ...row, text: null, set: null }));
    const { failed } = await this.#lake.retry(items);
    expect(failed, "files that are read right").toEqual([]);
  }

  async #replayed(kind: "replay" | "reread"): Promise<boolean> {
    await this.#build();
    if (!(await this.#lake.isThere())) return false;
    await (kind === "replay" ? this.#lake.replay() : this.#lake.reread());
    await this.#check(kind);
    await this.#build();
    return true;
  }

  /** Whole lines are there once; a line in the making may be there as far as it is, and none that is whole by now. */
  async #check(after: string): Promise<void> {
    if (!this.#isRight) return;
    const rows = await this.#lake.rows(ORDERS, "select id, n::varchar as n from t");
    const coming = new Set(this.#logs.flatMap((each) => each.coming.map(({ id }) => id)));
    const whole = rows.filter(({ id, n }) => n === `n${id}e`).map(({ id }) => Number(id));
    const ids = (all: readonly number[]): number[] =>
      all.filter((id) => !coming.has(id)).toSorted(byNumber);
    expect(ids(whole).join(" "), `lines after ${after}`).toBe(ids(this.#ids).join(" "));
    const open = this.#logs.filter(({ rest }) => rest.length > 0).length;
    const others = rows.length - ids(whole).length;
    expect(others, `lines in the making after ${after}`).toBeLessThanOrEqual(open + coming.size);
  }
}

function declared({ onLanded, sameBytes }: Setup, settings: keyof typeof SETTINGS) {
  return {
    source: "orders",
    movedFrom: null,
    sameName: "version",
    type: "varchar",
    settings: { on_landed: onLanded, same_bytes: sameBytes, ...SETTINGS[settings] },
  } as const;
}

function headerOf({ delimiter, ends }: Form): string {
  return `id${delimiter}n${ends}`;
}

function bytesOf({ encoding }: Form, text: string, isNew: boolean): Uint8Array {
  if (encoding === "utf-8") return Buffer.from(text);
  return Buffer.from(isNew ? `\ufeff${text}` : text, "utf16le");
}

function idsOf({ encoding }: Form, bytes: Uint8Array): number[] {
  const text = new TextDecoder(encoding).decode(bytes);
  return [...text.matchAll(/n(\d+)e/g)].map(([, id]) => Number(id));
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

function byNumber(a: number, b: number): number {
  return a - b;
}
