/** All rows of a file, as columns made without a look at each: parts for the engine, or a file of the table. */

import { rmSync } from "node:fs";
import type { DecodeRequest } from "../../../core/engine.ts";
import { ROW_ORDER_KEY } from "../../../core/table/system-columns.ts";
import { STRING } from "../../../core/table/type-text.ts";
import type { Schema } from "../../../core/table/types.ts";
import type { AheadFile, LateValues } from "./ahead-file.ts";
import type { FilledColumn, GroupTarget } from "./group-target.ts";
import { ParquetFile, type PartField } from "./parquet-file.ts";
import { RunColumn } from "./run-column.ts";

export interface WholeFile {
  readonly paths: readonly string[];
  readonly rows: number;
  /** Of all of them. */
  readonly sizeBytes: number;
}

/** Where such rows go. */
export interface WholeTarget extends GroupTarget {
  /** Settles, and ends what was written. */
  finish(): Promise<WholeFile>;
}

/** Parts with the columns that RowTable writes: c0, c1, … and `lake_file`, the name of the drop. */
export class PartsTarget implements WholeTarget {
  readonly form = "plain";
  readonly isPending = false;
  readonly #stem: string;
  readonly #name: string;
  readonly #paths: string[] = [];
  #rows = 0;
  #sizeBytes = 0;

  /** `stem` is the path of the parts without their number. */
  constructor(stem: string, name: string) {
    this.#stem = stem;
    this.#name = name;
  }

  group(columns: readonly FilledColumn[], rows: number): void {
    const path = `${this.#stem}-${this.#paths.length}`;
    this.#paths.push(path);
    const fields = columns.map(({ field: { type }, leaves }, index) => ({
      name: `c${index}`,
      type,
      leaves,
    }));
    const rescued = constant(`c${columns.length}`, null, rows);
    const file = constant("lake_file", this.#name, rows);
    const part = new ParquetFile(path, [...fields, rescued, file], { form: this.form });
    try {
      part.group(rows);
      this.#sizeBytes += part.finish();
    } finally {
      part.close();
    }
    this.#rows += rows;
  }

  async settle(): Promise<void> {
    // Nothing is packed.
  }

  async finish(): Promise<WholeFile> {
    return { paths: this.#paths, rows: this.#rows, sizeBytes: this.#sizeBytes };
  }

  discard(): void {
    for (const path of this.#paths) rmSync(path, { force: true });
  }
}

/** A data file of the table, with what the batch says of every row. */
export class DataTarget implements WholeTarget {
  readonly form = "zstd";
  readonly #schema: Schema;
  readonly #path: string;
  readonly #footer: ReadonlyMap<string, string>;
  /** By the name of the column; of the others that nothing fills nothing is said. */
  readonly #said: ReadonlyMap<string, string | number>;
  readonly #constants: { readonly runs: RunColumn; readonly said: string | number | null }[] = [];
  #file: ParquetFile | null = null;
  #rows = 0;

  /** `name` is the drop's, of which so many rows lie elsewhere, before these. */
  constructor(request: DecodeRequest, path: string, name: string, rowsBefore: number) {
    this.#schema = request.schema;
    this.#path = path;
    this.#footer = new Map([[ROW_ORDER_KEY, String(rowsBefore)]]);
    this.#said = saidOf(request, name);
  }

  /** A file whose rows were there before the batch was known, as this one. */
  async takeOver(ahead: AheadFile, late: LateValues): Promise<WholeFile> {
    const sizeBytes = await ahead.finish(this.#path, this.#said, late, this.#footer);
    return { paths: [this.#path], rows: ahead.rows, sizeBytes };
  }

  group(columns: readonly FilledColumn[], rows: number): void {
    this.#file ??= this.#begin(columns);
    for (const { runs, said } of this.#constants) {
      if (said === null) runs.missing(rows);
      else runs.add(said, rows);
    }
    this.#file.group(rows);
    this.#rows += rows;
  }

  get isPending(): boolean {
    return this.#file?.isPending === true;
  }

  async settle(): Promise<void> {
    await this.#file?.settle();
  }

  async finish(): Promise<WholeFile> {
    await this.settle();
    const sizeBytes = this.#file?.finish() ?? 0;
    const paths = this.#file === null ? [] : [this.#path];
    return { paths, rows: this.#rows, sizeBytes };
  }

  discard(): void {
    this.#file?.close();
    rmSync(this.#path, { force: true });
  }

  #begin(columns: readonly FilledColumn[]): ParquetFile {
    const filledById = new Map(columns.map((column) => [column.field.id, column]));
    const fields = this.#schema.fields.map(({ id, name, type }): PartField => {
      const filled = filledById.get(id);
      if (filled !== undefined) {
        const { leaves, isRequired = false } = filled;
        return { id, name, type, leaves, isRequired };
      }
      const runs = new RunColumn(type, this.form);
      this.#constants.push({ runs, said: this.#said.get(name) ?? null });
      return { id, name, type, leaves: [runs] };
    });
    return new ParquetFile(this.#path, fields, { form: this.form, footer: this.#footer });
  }
}

/** What a batch says of every row, by the names of the columns. */
function saidOf(request: DecodeRequest, name: string): ReadonlyMap<string, string | number> {
  return new Map<string, string | number>([
    ["_source", request.source],
    ["_source_file", name],
    ["_batch", request.batch],
    ["_ingested_at", request.ingestedAtMs * 1000],
  ]);
}

function constant(name: string, value: string | null, rows: number): PartField {
  const runs = new RunColumn(STRING, "plain");
  if (value === null) runs.missing(rows);
  else runs.add(value, rows);
  return { name, type: STRING, leaves: [runs] };
}
