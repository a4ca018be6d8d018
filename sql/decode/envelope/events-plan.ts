/** What a file of change events holds: its table, and the columns of that table's feed with what they hold. */

import type { ObservedColumn } from "../../../core/engine.ts";
import { widen } from "../../../core/ingest/contract-rules.ts";
import { feedColumns, feedName } from "../../../core/ingest/feed.ts";
import { COLUMNS_MAX } from "../../../core/limits.ts";
import type { Column, Type } from "../../../core/table/types.ts";
import type { JsonNode } from "../json/parse.ts";
import { JsonPlace } from "../lossless/narrowest-type.ts";
import { columnNames } from "../prepared.ts";
import { Unreadable } from "../unreadable.ts";
import type { Change, Fields, FieldType } from "./change.ts";
import { type Events, isChanges } from "./events.ts";

export interface EventsPlan {
  /** `schema.table` of which alone the changes are meant; null: of whatever they are. */
  readonly table: string | null;
  /** The table's own columns, then those of the feed. */
  readonly columns: readonly ObservedColumn[];
  /** The place of a field among the own columns. */
  readonly placeByField: ReadonlyMap<string, number>;
}

/** The columns around a table's own ones. */
export interface EventsFrame {
  columnsOf(own: readonly Column[]): readonly Column[];
  /** What a field is called that has the name of one of them. */
  nameOf(field: string): string;
}

/** Reads all events. Throws Unreadable where they are of several tables and nobody says of which one is meant. */
export function planEvents(
  events: Events,
  wanted: string | null,
  frame: EventsFrame = FEED_FRAME,
): EventsPlan {
  const fields = new FeedFields();
  const tables = new Set<string>();
  for (const { told } of events()) {
    if (!isChanges(told)) continue;
    for (const change of told) {
      const { table } = change;
      if (table !== null && wanted !== null && table !== wanted) continue;
      if (table !== null) tables.add(table);
      fields.add(change);
    }
  }
  if (tables.size > 1) {
    const shown = [...tables].join(", ");
    throw new Unreadable("unreadable", `changes of ${shown}: say which are meant with table:`);
  }
  return planOf(wanted, fields.learned(), frame);
}

const FEED_FRAME: EventsFrame = {
  columnsOf: (own) => feedColumns(own, own),
  nameOf: feedName,
};

function planOf(
  table: string | null,
  own: readonly ObservedColumn[],
  { columnsOf, nameOf }: EventsFrame,
): EventsPlan {
  if (own.length > COLUMNS_MAX) {
    throw new Unreadable("limit", `more than ${COLUMNS_MAX} different fields`);
  }
  const names = columnNames(own.map(({ name }) => nameOf(name)));
  const columns = own.map(({ type }, place) => ({ type, name: names[place] ?? "" }));
  return {
    table,
    columns: columnsOf(columns).map((column, place) => ({
      ...column,
      unseen: own[place]?.unseen === true,
    })),
    placeByField: new Map(own.map(({ name }, place) => [name, place])),
  };
}

const NOT_SENT: JsonNode = { kind: "null" };

/** The fields of the rows of one table, in the order in which they came. */
class FeedFields {
  readonly #placeByName = new Map<string, JsonPlace>();
  readonly #typeByName = new Map<string, Type>();

  add({ before, after, types, unchanged }: Change): void {
    if (after !== null) this.#addRow(after, types);
    if (before !== null) this.#addRow(before, types);
    // Nothing was sent of them but what they are.
    if (unchanged.length > 0) {
      const said = unchanged.filter((name) => types.has(name));
      this.#addRow(new Map(said.map((name) => [name, NOT_SENT])), types);
    }
  }

  learned(): readonly ObservedColumn[] {
    return [...this.#placeByName].map(([name, place]) => {
      const said = this.#typeByName.get(name);
      return { name, ...(said === undefined ? place.learned() : { type: said, unseen: false }) };
    });
  }

  #addRow(fields: Fields, types: ReadonlyMap<string, FieldType>): void {
    for (const [name, node] of fields) {
      const place = this.#placeByName.get(name) ?? new JsonPlace();
      this.#placeByName.set(name, place);
      const said = types.get(name)?.type;
      if (said === undefined) {
        if (node.kind !== "exact") place.add(node, 1);
        continue;
      }
      const known = this.#typeByName.get(name);
      if (known !== said)
        this.#typeByName.set(name, known === undefined ? said : widen(known, said));
    }
  }
}
