/** Changes as rows of a feed. */

import { FEED, placeIn } from "../../../core/ingest/feed.ts";
import { STRING } from "../../../core/table/type-text.ts";
import type { Type } from "../../../core/table/types.ts";
import { exactFor } from "../json/exact.ts";
import { Entries, type Exact, Instant } from "../lossless/exact-value.ts";
import type { RowFault, SourceRow } from "../made/row-source.ts";
import type { TargetOf } from "../made/targets.ts";
import { findName } from "../target-columns.ts";
import type { Change, FieldNode } from "./change.ts";
import { type Event, faulty, isChanges } from "./events.ts";
import type { EventsPlan } from "./events-plan.ts";

/** One of the table's own columns. */
interface Own {
  readonly name: string;
  readonly type: Type;
  /** In `_before`. */
  readonly beforeType: Type;
  readonly isRedacted: boolean;
}

/** Values by the names of columns. */
export type Beside = readonly (readonly [string, Exact])[];

/** Makes the rows of one pass over a file. */
export class ChangeRows {
  /** How many events of each kind, in words, change no row of the table. */
  readonly others = new Map<string, number>();
  readonly #plan: EventsPlan;
  readonly #own: readonly Own[];
  readonly #names: readonly string[];
  #count = 0;
  #position = "";
  #place = 0;

  constructor(plan: EventsPlan, targetOf: TargetOf) {
    this.#plan = plan;
    this.#names = plan.columns.map(({ name }) => name);
    const before = targetOf(FEED.before).type;
    const fields = before.kind === "struct" ? before.fields : [];
    const fieldNames = fields.map(({ name }) => name);
    this.#own = this.#names.slice(0, plan.placeByField.size).map((name) => ({
      name,
      ...targetOf(name),
      beforeType: fields[findName(fieldNames, name)]?.type ?? STRING,
    }));
  }

  /** `beside` are values of columns that no change tells of. */
  rowsOf({ line, text, told }: Event, beside: Beside = []): SourceRow[] {
    if (typeof told === "string") {
      this.#other(told);
      return [];
    }
    if (!isChanges(told)) return [this.#row(line, [], told, text)];
    return told.flatMap((change) => {
      const { table } = this.#plan;
      if (table !== null && change.table !== null && change.table !== table) {
        this.#other("change of another table");
        return [];
      }
      const values = faulty(() => this.#values(change, beside));
      return Array.isArray(values)
        ? [this.#row(line, values, null)]
        : [this.#row(line, [], values as RowFault, text)]; // parse: what is no list is a fault
    });
  }

  #set(values: Exact[], beside: Beside): void {
    for (const [name, value] of beside) {
      const at = this.#names.indexOf(name, this.#own.length);
      if (at >= 0) values[at] = value;
    }
  }

  #row(
    line: number | null,
    values: readonly Exact[],
    fault: RowFault | null,
    raw?: string,
  ): SourceRow {
    this.#count++;
    return {
      row: this.#count,
      values,
      fault,
      ...(line === null ? {} : { line }),
      ...(raw === undefined ? {} : { raw }),
    };
  }

  #other(kind: string): void {
    this.others.set(kind, (this.others.get(kind) ?? 0) + 1);
  }

  #values(change: Change, beside: Beside): Exact[] {
    const { op, before, after, unchanged, transaction, committedAt, position } = change;
    this.#place = position === this.#position ? this.#place + 1 : 0;
    this.#position = position;
    const values: Exact[] = this.#names.map(() => null);
    const shown = op === "d" ? before : after;
    const old: (readonly [string, Exact])[] = [];
    for (const [field, place] of this.#plan.placeByField) {
      const own = this.#own[place];
      if (own === undefined) continue;
      const node = shown?.get(field);
      if (node !== undefined) values[place] = fieldValue(change, field, node, own.type);
      const was = own.isRedacted ? undefined : before?.get(field);
      if (was !== undefined) old.push([own.name, fieldValue(change, field, was, own.beforeType)]);
    }
    const names = unchanged.map((field) => this.#own[this.#placeOf(field)]?.name ?? field);
    this.#set(values, [
      [FEED.op, op],
      [FEED.position, placeIn(position, this.#place)],
      [FEED.transaction, transaction],
      [FEED.committedAt, committedAt === null ? null : new Instant(committedAt, 0, true)],
      [FEED.before, before === null || old.length === 0 ? null : new Entries(old)],
      [FEED.unchanged, names.length === 0 ? null : names],
      ...beside,
    ]);
    return values;
  }

  #placeOf(field: string): number {
    return this.#plan.placeByField.get(field) ?? -1;
  }
}

function fieldValue(change: Change, field: string, node: FieldNode, type: Type): Exact {
  if (node.kind === "exact") return node.value;
  const said = change.types.get(field);
  return said === undefined ? exactFor(node, type) : said.read(node, type);
}
