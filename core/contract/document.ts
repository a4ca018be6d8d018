/** A contract as a document states it, whatever the document's format. */

import type { Cursor } from "../config/shape.ts";
import { isRecord, report } from "../config/shape.ts";
import { fromOdcs } from "./odcs.ts";
import { fromJsonSchema, isJsonSchema } from "./schema-reader.ts";
import type { DocumentQuestion, StatedContract } from "./stated.ts";

/**
 * The contract of a document in plain data: of the Open Data Contract Standard, or a JSON Schema. Reports what is
 * wrong with it, and as warnings what it says and is read otherwise; undefined where it is no contract.
 */
export function statedContract(
  document: unknown,
  question: DocumentQuestion,
  cursor: Cursor,
): StatedContract | undefined {
  if (!isRecord(document)) return report(cursor, "a contract is keys with values", FORMATS);
  if (document.kind === "DataContract" || "apiVersion" in document) {
    return checked(fromOdcs(document, question, cursor), cursor);
  }
  if (isJsonSchema(document)) return checked(fromJsonSchema(document, question, cursor), cursor);
  if ("dataContractSpecification" in document) {
    return report(cursor, "this is a document of the Data Contract Specification", FORMATS);
  }
  return report(cursor, "this is no contract that is known here", FORMATS);
}

const FORMATS =
  "a contract is a document of the Open Data Contract Standard (kind: DataContract), or a JSON Schema";

/** Two columns of one name are one to SQL. */
function checked(stated: StatedContract | undefined, cursor: Cursor): StatedContract | undefined {
  if (stated === undefined) return undefined;
  const seen = new Map<string, string>();
  for (const { name } of stated.columns) {
    const before = seen.get(name.toLowerCase());
    if (before !== undefined) {
      return report(cursor, `"${before}" and "${name}" are one column to SQL`);
    }
    seen.set(name.toLowerCase(), name);
  }
  if (stated.columns.length === 0) return report(cursor, "the contract has no columns");
  return stated;
}
