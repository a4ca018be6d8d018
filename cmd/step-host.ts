/** The process that runs a step written in TypeScript: rows of the stream on its input to a function, and back. */

import { Console } from "node:console";
import { relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type RecordBatch, RecordBatchReader } from "apache-arrow";
import { errorText, LakeError } from "../core/base/errors.ts";
import { parseJson } from "../core/base/json.ts";
import { parseTypeText } from "../core/config/type-text.ts";
import type { Row } from "../core/ports.ts";
import { freshSchema } from "../core/table/evolution.ts";
import type { Column, Schema } from "../core/table/types.ts";
import { rowsToArrow } from "../storage/parquet/columns.ts";
import { STREAM_END, streamPiece } from "../storage/steps/ipc.ts";
import { type StepRow, storedValue, valueReaders, wholeVector } from "../storage/steps/values.ts";

/** Rows that are written at a time. */
const BATCH_ROWS = 8_192;
/** Rows go where the file's own prints do not. */
const writeOut = process.stdout.write.bind(process.stdout);

/** What a file may export: a function of a row, or of all rows together, and the columns of what they give. */
interface StepModule {
  readonly default?: unknown;
  readonly all?: unknown;
  readonly columns?: unknown;
}

/** Runs the file over stdin and stdout, and ends the process; what it prints goes to stderr. */
export async function runStepHost(file: string, columnsText: string): Promise<never> {
  Object.defineProperty(globalThis, "console", { value: new Console(process.stderr) });
  process.stdout.write = process.stderr.write.bind(process.stderr);
  try {
    await run(file, columnsText);
  } catch (thrown) {
    await written(process.stderr.write.bind(process.stderr), `${wordsOf(thrown, file)}\n`);
    process.exit(1);
  }
  process.exit(0);
}

async function run(file: string, columnsText: string): Promise<void> {
  // parse: a file of the project; what it exports is looked at below
  const module = (await import(pathToFileURL(resolve(file)).href)) as StepModule; // parse: above
  const columns = columnsOf(file, module, columnsText);
  const schema = freshSchema(columns, new Set());
  const writer = new Writer(schema);
  const { default: each, all } = module;
  if (typeof all === "function") {
    const rows: StepRow[] = [];
    for await (const row of inputRows()) rows.push(row);
    await writer.take(await all(rows));
  } else if (typeof each === "function") {
    for await (const row of inputRows()) await writer.take(await each(row));
  } else {
    throw new LakeError("input", `${file} exports no function`, {
      hint: "export default (row) => …, or export function all(rows)",
    });
  }
  await writer.end();
}

function columnsOf(file: string, module: StepModule, text: string): Column[] {
  const declared: unknown = parseJson(text) ?? Object.entries(module.columns ?? {});
  const pairs = Array.isArray(declared) ? declared : [];
  if (pairs.length === 0) {
    throw new LakeError("input", `nobody says which columns ${file} gives`, {
      hint: 'write columns: into the model, or: export const columns = { id: "bigint" }',
    });
  }
  return pairs.map(([name, written]: [string, string]) => {
    const parsed = parseTypeText(String(written));
    if (parsed.kind === "type") return { name, type: parsed.type };
    throw new LakeError("input", `${file}: the column ${name} has no type: ${parsed.reason}`);
  });
}

async function* inputRows(): AsyncGenerator<StepRow> {
  const reader = await RecordBatchReader.from(Bun.stdin.stream());
  await reader.open();
  const readers = valueReaders(reader.schema);
  for await (const batch of reader) yield* rowsIn(batch, readers);
}

function* rowsIn(batch: RecordBatch, readers: ReturnType<typeof valueReaders>): Generator<StepRow> {
  const vectors = readers.map((_reader, index) => wholeVector(batch.getChildAt(index)));
  for (let row = 0; row < batch.numRows; row++) {
    const members = readers.map(({ name, read }, index) => {
      const value: unknown = vectors[index]?.get(row) ?? null;
      return [name, value === null ? null : read(value)] as const;
    });
    yield Object.fromEntries(members);
  }
}

class Writer {
  readonly #schema: Schema;
  #rows: Row[] = [];
  #count = 0;
  #isFirst = true;

  constructor(schema: Schema) {
    this.#schema = schema;
  }

  /** A row, several, or none. */
  async take(given: unknown): Promise<void> {
    if (given === null || given === undefined) return;
    if (typeof given !== "object") throw noRow(given);
    const isMany = Symbol.iterator in given || Symbol.asyncIterator in given;
    if (!isMany) this.#add(given);
    // parse: it says that it can be walked
    else for await (const one of given as AsyncIterable<unknown>) this.#add(one); // parse: above
    if (this.#rows.length >= BATCH_ROWS) await this.#flush();
  }

  async end(): Promise<void> {
    if (this.#isFirst || this.#rows.length > 0) await this.#flush();
    await written(writeOut, STREAM_END);
  }

  #add(given: unknown): void {
    if (typeof given !== "object" || given === null) throw noRow(given);
    this.#count += 1;
    const row: Record<string, Row[string]> = {};
    const left = new Set(Object.keys(given));
    for (const { name, type } of this.#schema.fields) {
      const value: unknown = Object.hasOwn(given, name) ? Reflect.get(given, name) : undefined;
      left.delete(name);
      const stored = storedValue(value, type);
      if (stored === undefined) {
        throw new LakeError(
          "input",
          `row ${this.#count}: ${name} is ${shown(value)}, which is no value of its type`,
          {
            hint: "columns: of the model says its type",
          },
        );
      }
      row[name] = stored;
    }
    const [other] = left;
    if (other !== undefined) {
      throw new LakeError("input", `row ${this.#count} has a member ${other}, which is no column`, {
        hint: "leave it out, or add it to columns: of the model",
      });
    }
    this.#rows.push(row);
  }

  async #flush(): Promise<void> {
    const piece = streamPiece(rowsToArrow(this.#schema, this.#rows), this.#isFirst);
    this.#isFirst = false;
    this.#rows = [];
    await written(writeOut, piece);
  }
}

function written(write: typeof writeOut, piece: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => write(piece, () => resolve()));
}

function noRow(given: unknown): LakeError {
  return new LakeError("input", `${shown(given)} is no row`, {
    hint: "give an object with a member for each column, a list of them, or null",
  });
}

function shown(value: unknown): string {
  const text = typeof value === "bigint" ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function wordsOf(thrown: unknown, file: string): string {
  if (thrown instanceof LakeError) {
    return `${errorText(thrown)}${thrown.hint === null ? "" : ` (${thrown.hint})`}`;
  }
  const unread = unreadIn(thrown);
  if (unread.length > 0) return unread.join("; ");
  return `${errorText(thrown)}${thrown instanceof Error ? placeIn(thrown, file) : ""}`;
}

/** What Bun could not read, with its places: one error, or several in one, that have a `position`. */
function unreadIn(thrown: unknown): string[] {
  const errors: unknown[] = thrown instanceof AggregateError ? thrown.errors : [thrown];
  return errors.flatMap((one) => {
    const position: unknown = isObject(one) ? Reflect.get(one, "position") : null;
    if (!isObject(position)) return [];
    const [file, line, column] = ["file", "line", "column"].map((key) =>
      Reflect.get(position, key),
    );
    if (typeof line !== "number" || typeof column !== "number") return [];
    return [`${errorText(one)} at ${relative(process.cwd(), String(file))}:${line}:${column}`];
  });
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Where in the file it was thrown. */
function placeIn({ stack = "" }: Error, file: string): string {
  const place = stack.split("\n").find((line) => line.includes(file.split("/").at(-1) ?? file));
  const found = /:(\d+):(\d+)\)?$/.exec(place?.trim() ?? "");
  return found === null ? "" : ` at ${file}:${found[1]}:${found[2]}`;
}
