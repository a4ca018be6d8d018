/** The first rows of a table, of a moment of it, or of a model that is not built yet. */

import { LakeError } from "../../core/base/errors.ts";
import { isHidden } from "../../core/table/system-columns.ts";
import { typeToText } from "../../core/table/type-text.ts";
import { splitVersion } from "../../core/table/version-ref.ts";
import { quoteIdentifier } from "../../sql/syntax/quote.ts";
import type { Session } from "../open.ts";

export interface ShowRequest {
  /** A table or model, with a version where it is not the current one: `orders@-1`. */
  readonly table: string;
  readonly limit: number;
  /** A condition in SQL. */
  readonly where: string | null;
  /** The query of the model, even where its table is there. */
  readonly model: boolean;
}

/** The query that answers with these rows. Throws `not-found` with the nearest right name. */
export async function showQuery(session: Session, request: ShowRequest): Promise<string> {
  const { name, version } = splitVersion(request.table);
  const table = await session.tableName(name);
  const model = session.project.models.find((candidate) => candidate.name === table);
  const exists = (await session.catalog.load(table)) !== null;
  const fromModel = request.model || (!exists && model !== undefined);
  const [namespace = "", last = ""] = table.split(".");
  const named = version === null ? last : `${last}@${version}`;
  const rows =
    fromModel && model !== undefined
      ? `(${model.sql.trim().replace(/;\s*$/, "")}\n) as model_query`
      : `${quoteIdentifier(namespace)}.${quoteIdentifier(named)}`;
  const where = request.where === null ? "" : ` where ${request.where}`;
  return `select * from ${rows}${where} limit ${request.limit}`;
}

export interface ShownColumn {
  readonly name: string;
  /** In Iceberg's words. */
  readonly type: string;
  readonly required: boolean;
  readonly doc: string | null;
}

/** The columns of a table as it stands, but for those of the lake. Throws `not-found`. */
export async function columnsOfTable(
  session: Session,
  asked: string,
): Promise<readonly ShownColumn[]> {
  const table = await session.tableName(asked);
  const found = await session.catalog.load(table);
  if (found === null) {
    throw new LakeError("not-found", `${table} is not built yet`, { hint: "run: tarn build" });
  }
  return found.schema.fields
    .filter(({ name }) => !isHidden(name))
    .map(({ name, type, required, doc = null }) => ({
      name,
      type: typeToText(type),
      required,
      doc,
    }));
}
