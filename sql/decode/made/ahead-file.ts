/**
 * A data file of the table whose rows are there before it is known what all of them belong to: that is written behind
 * them, once somebody says it.
 */

import { renameSync, rmSync } from "node:fs";
import type { Field, Schema } from "../../../core/table/types.ts";
import type { FilledColumn, GroupTarget } from "./group-target.ts";
import type { Leaf } from "./pages.ts";
import { ParquetFile, type PartField } from "./parquet-file.ts";
import { RunColumn } from "./run-column.ts";

/** What rows are filled with later. */
export interface LateValues {
  /** By the names of fields. */
  readonly leaves: ReadonlyMap<string, Leaf>;
  /** Puts the rows of a group into them. */
  readonly fill: (group: number, rows: number) => void;
}

export class AheadFile implements GroupTarget {
  readonly form = "zstd";
  readonly #schema: Schema;
  readonly #path: string;
  readonly #late: ReadonlySet<string>;
  /** Fields that the batch says, or nobody. */
  readonly #constants: Field[] = [];
  #file: ParquetFile | null = null;
  rows = 0;

  /** `late`: names of fields that rows are given later. */
  constructor(schema: Schema, path: string, late: ReadonlySet<string>) {
    this.#schema = schema;
    this.#path = path;
    this.#late = late;
  }

  get isPending(): boolean {
    return this.#file?.isPending === true;
  }

  group(columns: readonly FilledColumn[], rows: number): void {
    this.#file ??= this.#begin(columns);
    this.#file.group(rows);
    this.rows += rows;
  }

  async settle(): Promise<void> {
    await this.#file?.settle();
  }

  /** Its rows are there: it waits for the rest. */
  async rest(): Promise<void> {
    await this.settle();
    this.#file?.rest();
  }

  /** Moves it to a path, with what was late in it; answers its bytes. */
  async finish(
    path: string,
    said: ReadonlyMap<string, string | number>,
    late: LateValues,
    footer: ReadonlyMap<string, string>,
  ): Promise<number> {
    const file = this.#file;
    if (file === null) return 0;
    const runs = this.#constants.map((field) => ({
      column: new RunColumn(field.type, this.form),
      name: field.name,
      value: said.get(field.name) ?? null,
    }));
    const constants = runs.map(({ name, column }) => [name, column] as const);
    await file.late(new Map([...late.leaves, ...constants]), (group, rows) => {
      late.fill(group, rows);
      for (const { column, value } of runs) {
        if (value === null) column.missing(rows);
        else column.add(value, rows);
      }
    });
    const sizeBytes = file.finish(footer);
    renameSync(this.#path, path);
    return sizeBytes;
  }

  discard(): void {
    this.#file?.close();
    rmSync(this.#path, { force: true });
  }

  #begin(columns: readonly FilledColumn[]): ParquetFile {
    const filledById = new Map(columns.map((column) => [column.field.id, column]));
    const fields = this.#schema.fields.map((field): PartField => {
      const { id, name, type } = field;
      const filled = filledById.get(id);
      if (filled === undefined) {
        this.#constants.push(field);
        return { id, name, type, leaves: [new RunColumn(type, this.form)], isLate: true };
      }
      const { leaves, isRequired = false } = filled;
      return { id, name, type, leaves, isRequired, isLate: this.#late.has(name) };
    });
    return new ParquetFile(this.#path, fields, { form: this.form });
  }
}
