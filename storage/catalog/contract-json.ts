/** Contracts as the catalog stores them: JSON with types in Iceberg's own spelling. */

import { LakeError } from "../../core/base/errors.ts";
import { isJsonObject, type Json, parseJson, stringifyJson } from "../../core/base/json.ts";
import type { Contract, ContractColumn } from "../../core/ingest/contract.ts";
import { parseType, typeToJson } from "../iceberg/type.ts";

export function contractToJson(contract: Contract): string {
  return stringifyJson({
    source: contract.source,
    version: contract.version,
    columns: contract.columns.map((column) => ({
      name: column.name,
      source: column.source,
      type: typeToJson(column.type),
      declared: column.declared,
      unseen: column.unseen,
      required: column.required,
    })),
  });
}

/** Throws `corrupt` when it is no contract. */
export function contractFromJson(text: string): Contract {
  const json = parseJson(text);
  if (!isJsonObject(json)) throw broken();
  const { source, version, columns } = json;
  if (typeof source !== "string" || typeof version !== "number") throw broken();
  if (!Array.isArray(columns)) throw broken();
  return { source, version, columns: columns.map((column: Json) => columnFromJson(column)) };
}

function columnFromJson(json: Json): ContractColumn {
  if (!isJsonObject(json)) throw broken();
  const { name, source } = json;
  if (typeof name !== "string" || typeof source !== "string") throw broken();
  return {
    name,
    source,
    type: parseType(json.type ?? null),
    declared: json.declared === true,
    unseen: json.unseen === true,
    required: json.required === true,
  };
}

function broken(): LakeError {
  return new LakeError("corrupt", "the catalog holds a contract that cannot be read", {
    hint: "restore catalog.db from a copy, or use the version that wrote it",
  });
}
