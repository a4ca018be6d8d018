/** A Parquet file row by row: what the engine refuses, or reads as something else, put together here. */

import { closeSync, openSync } from "node:fs";
import { Entries, type Exact, exactJson, Mapping } from "../lossless/exact-value.ts";
import { BATCH_ROWS, type RowBatch, type RowSource, type SourceRow } from "../made/row-source.ts";
import type { Prepared } from "../prepared.ts";
import { Unreadable } from "../unreadable.ts";
import { Cursor } from "./cursor.ts";
import { leavesOf, type ParquetFooter, type ParquetNode, readFooter } from "./footer.ts";
import { type Shape, shapeOf } from "./schema.ts";
import type { RowState } from "./values.ts";
import { variantOf } from "./variant.ts";

/** The rows of a Parquet file; a page that does not decode makes the whole file unreadable. */
export async function openParquet(prepared: Prepared, decodedBytesMax: number): Promise<RowSource> {
  const footer = readFooter(prepared.path);
  async function* read(): AsyncGenerator<RowBatch> {
    const file = openSync(prepared.path, "r");
    try {
      yield* rowsOf(file, footer, decodedBytesMax);
    } finally {
      closeSync(file);
    }
  }
  return { names: prepared.header ?? [], text: "numbers", read };
}

function* rowsOf(file: number, footer: ParquetFooter, bytesMax: number): Generator<RowBatch> {
  const state: RowState = { badText: null };
  const leaves = footer.columns.flatMap(leavesOf);
  const cursors = leaves.map((leaf) => new Cursor(file, leaf, state));
  const assembler = new Assembler(cursors);
  const readers = footer.columns.map((column) => assembler.reader(shapeOf(column)));
  let [row, plainBytes] = [0, 0];
  for (const [group, { rows: count, chunks }] of footer.groups.entries()) {
    for (const [index, cursor] of cursors.entries()) {
      const chunk = chunks[index];
      if (chunk !== undefined) cursor.start(chunk, group);
    }
    for (let left = count; left > 0; left -= BATCH_ROWS) {
      const rows: SourceRow[] = [];
      for (let index = Math.min(left, BATCH_ROWS); index > 0; index--) {
        rows.push(readRow(readers, ++row, state));
      }
      const before = plainBytes;
      plainBytes = cursors.reduce((sum, cursor) => sum + cursor.plainBytes, 0);
      if (plainBytes > bytesMax) {
        throw new Unreadable("limit", `unpacks to more than ${bytesMax} bytes`);
      }
      yield { rows, bytes: plainBytes - before };
    }
    for (const cursor of cursors) cursor.end();
  }
}

function readRow(readers: readonly (() => Exact)[], row: number, state: RowState): SourceRow {
  state.badText = null;
  const values = readers.map((read) => read());
  if (state.badText === null) return { row, values, fault: null };
  const message = `${state.badText} holds bytes that are not UTF-8`;
  return { row, values, fault: { reason: "encoding", column: state.badText, message } };
}

/** Compiles readers of one value each: every leaf below takes the entries that belong to it. */
class Assembler {
  readonly #cursors: readonly Cursor[];

  constructor(cursors: readonly Cursor[]) {
    this.#cursors = cursors;
  }

  reader(shape: Shape): () => Exact {
    switch (shape.kind) {
      case "leaf": {
        const [cursor] = this.#under(shape.node);
        return () => cursor?.take() ?? null;
      }
      case "struct":
        return this.#optional(shape.node, this.#fields(shape.node));
      case "variant":
        return this.#optional(shape.node, variantReader(this.#fields(shape.node)));
      case "list": {
        const items = this.#items(shape.item, this.reader(shape.element));
        return shape.node === null ? items : this.#optional(shape.node, items);
      }
      case "map": {
        const [key, value] = [this.reader(shape.key), this.reader(shape.value)];
        const pairs = this.#items(shape.item, () => [key(), value()] as const);
        return this.#optional(shape.node, () => mapOf(pairs()));
      }
    }
  }

  #fields(node: ParquetNode): () => Entries {
    const fields = node.children
      .filter((child) => leavesOf(child).length > 0)
      .map((child) => ({ name: child.name, read: this.reader(shapeOf(child)) }));
    return () => new Entries(fields.map(({ name, read }) => [name, read()] as const));
  }

  #optional(node: ParquetNode, read: () => Exact): () => Exact {
    const cursors = this.#under(node);
    const [first] = cursors;
    // Nothing under it says whether it is there.
    if (first === undefined) return () => null;
    if (node.repetition !== "optional") return read;
    return () => {
      if (first.definition >= node.definition) return read();
      for (const cursor of cursors) cursor.skip();
      return null;
    };
  }

  #items<T>(item: ParquetNode, read: () => T): () => T[] {
    const cursors = this.#under(item);
    const [first] = cursors;
    return () => {
      const items: T[] = [];
      if (first === undefined) return items;
      if (first.definition < item.definition) {
        for (const cursor of cursors) cursor.skip();
        return items;
      }
      do items.push(read());
      while (first.repetition === item.depth);
      return items;
    };
  }

  #under(node: ParquetNode): Cursor[] {
    return leavesOf(node).flatMap(({ leaf }) => {
      const cursor = this.#cursors[leaf?.index ?? -1];
      return cursor === undefined ? [] : [cursor];
    });
  }
}

function mapOf(pairs: readonly (readonly [Exact, Exact])[]): Exact {
  const isText = pairs.every(([key]) => typeof key === "string");
  return isText
    ? new Entries(pairs.map(([key, value]) => [String(key), value]))
    : new Mapping(pairs);
}

function variantReader(read: () => Entries): () => Exact {
  return () => {
    const value = variantOf(read());
    // As a JSON column has it: a null of its own is no value.
    return value === undefined || value === null ? null : exactJson(value);
  };
}
