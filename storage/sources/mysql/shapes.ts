/** Tables as the log describes them, with what the catalog adds, each description once. */

import { type ImageLayout, imageLayout } from "../../../core/ingest/binlog-row.ts";
import type { SegmentShape } from "../../../core/ingest/segment.ts";
import { refusal } from "../source-failure.ts";
import { type CatalogTable, type Charsets, catalogTable, isReadable } from "./catalog.ts";
import type { Connection } from "./connection.ts";
import { READ_ANEW } from "./failure.ts";
import type { MysqlSettings } from "./settings.ts";
import type { MapColumn, TableMap } from "./table-map.ts";
import { landsAs, wireOfCatalog, wireOfMap } from "./types.ts";

/** A table of the log whose rows are wanted. */
export interface LoggedTable {
  readonly shape: SegmentShape;
  readonly layout: ImageLayout;
}

/** Columns of a sequence, which the log has as a table. MariaDB, "CREATE SEQUENCE". */
const SEQUENCE_COLUMN = "next_not_cached_value";

export class ShapeBook {
  readonly #control: Connection;
  readonly #charsets: Charsets;
  readonly #before: MysqlSettings["before"];
  readonly #byText = new Map<string, LoggedTable | null>();
  readonly #lastByName = new Map<string, SegmentShape>();
  #lastNumber = 0;

  constructor(control: Connection, charsets: Charsets, before: MysqlSettings["before"]) {
    this.#control = control;
    this.#charsets = charsets;
    this.#before = before;
  }

  /** A number for a shape that nothing else has. */
  nextNumber(): number {
    this.#lastNumber += 1;
    return this.#lastNumber;
  }

  /** What is known of a description; undefined for one that `describe` has to look up. */
  known(text: string): LoggedTable | null | undefined {
    return this.#byText.get(text);
  }

  /** Null for what is no table to be read: a sequence, or one that keeps its own history. */
  async describe(text: string, map: TableMap): Promise<LoggedTable | null> {
    const { schema, table, columns } = map;
    const inCatalog = await catalogTable(this.#control, schema, table);
    const isSequence = columns[0]?.name === SEQUENCE_COLUMN || inCatalog?.type === "SEQUENCE";
    const isOther = isSequence || (inCatalog !== null && !isReadable(inCatalog));
    const logged = isOther ? null : this.#logged(map, inCatalog);
    this.#byText.set(text, logged);
    return logged;
  }

  /** The table as it was described last; one without columns where it never was. */
  lastOf(schema: string, table: string): SegmentShape {
    const known = this.#lastByName.get(`${schema}.${table}`);
    if (known !== undefined) return known;
    const shape = this.#shape(schema, table, []);
    this.#lastByName.set(`${schema}.${table}`, shape);
    return shape;
  }

  /** The same of a table of the catalog, whose rows are read as answers. */
  ofCatalog({ schema, table, columns }: CatalogTable): SegmentShape {
    const described = columns.map((column) => {
      const wire = wireOfCatalog(column, this.#charsets);
      return { name: column.name, type: landsAs(wire), wire, key: column.key };
    });
    const shape = this.#shape(schema, table, described);
    this.#lastByName.set(`${schema}.${table}`, shape);
    return shape;
  }

  /** Whoever changed a table may have changed types with it. */
  forget(schema: string, table: string): void {
    for (const [text, logged] of this.#byText) {
      const isOf = logged?.shape.schema === schema && logged.shape.table === table;
      if (isOf || logged === null) this.#byText.delete(text);
    }
  }

  #logged({ schema, table, columns }: TableMap, inCatalog: CatalogTable | null): LoggedTable {
    const described = columns.map((column) => {
      const name = nameOf(column, schema, table);
      const known = inCatalog?.columns.find((one) => one.name === name) ?? null;
      const wire = wireOfMap(column, known, this.#charsets);
      return { name, type: landsAs(wire), wire, key: column.key };
    });
    const shape = this.#shape(schema, table, described);
    this.#lastByName.set(`${schema}.${table}`, shape);
    return { shape, layout: imageLayout(columns) };
  }

  #shape(schema: string, table: string, columns: SegmentShape["columns"]): SegmentShape {
    const hasKey = columns.some(({ key }) => key);
    const identity = this.#before === "all" || !hasKey ? "full" : "default";
    return { shape: this.nextNumber(), schema, table, oid: 1, columns, identity };
  }
}

function nameOf({ name }: MapColumn, schema: string, table: string): string {
  if (name !== null) return name;
  throw refusal(
    "config",
    `the log does not name the columns of ${schema}.${table}`,
    `SET GLOBAL binlog_row_metadata = FULL; and, for what was logged without, ${READ_ANEW}`,
  );
}
