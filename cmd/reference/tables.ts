/** The columns that the system tables really have. */

import type { Column } from "../../core/table/types.ts";
import { duckDBType } from "../../sql/duckdb/types.ts";
import { systemTableColumns } from "../../storage/catalog/system.ts";
import { informationSchemaColumns } from "../lake/information-schema.ts";
import { MODEL_COLUMNS } from "../lake/model-facts.ts";
import { QUARANTINE_STATE_COLUMNS } from "../lake/quarantine-state.ts";

export interface SystemColumn {
  readonly name: string;
  readonly type: string;
}

/** By qualified name. */
export type SystemColumns = ReadonlyMap<string, readonly SystemColumn[]>;

/** Columns of every table of `lake` and of `information_schema`, in their order. */
export function systemColumns(): SystemColumns {
  const ofLake = [...systemTableColumns()].map(([name, columns]) => {
    const shown = name === "quarantine" ? QUARANTINE_STATE_COLUMNS : columns.map(shownColumn);
    return [`lake.${name}`, shown] as const;
  });
  const ofSchema = [...informationSchemaColumns()].map(
    ([name, columns]) => [`information_schema.${name}`, columns.map(shownColumn)] as const,
  );
  const ofModels = ["lake.models", MODEL_COLUMNS.map(shownColumn)] as const;
  return new Map([...ofLake, ofModels, ...ofSchema]);
}

function shownColumn({ name, type }: Column): SystemColumn {
  return { name, type: duckDBType(type).toLowerCase() };
}
