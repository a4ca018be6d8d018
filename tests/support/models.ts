/** Models for tests: parsed from text the way the program does it, and analyses of the tables they name. */

import { MODEL_TOOLS } from "../../cmd/project/model-tools.ts";
import { parseYaml } from "../../cmd/project/yaml.ts";
import { must } from "../../core/base/assert.ts";
import type { Analysis } from "../../core/model/analysis.ts";
import { NO_MACROS } from "../../core/model/macros.ts";
import type { Model, ViolationAction } from "../../core/model/model.ts";
import { type ParsedModel, parseModel } from "../../core/model/parse.ts";
import { NO_VARIABLES } from "../../core/model/variables.ts";

/** Parses a model text under a file name. */
export function parsed(
  file: string,
  text: string,
  onFail: ViolationAction | null = null,
): ParsedModel {
  const given = { onFailOf: () => onFail, variables: NO_VARIABLES, macros: NO_MACROS };
  return parseModel(file, text, { parseYaml, ...MODEL_TOOLS, ...given });
}

/** A model that must parse: `model("silver.orders", "select 1", "kind: view")`. */
export function model(name: string, sql = "select 1", front = ""): Model {
  const text = front === "" ? sql : `/* tarn\n${front}\n*/\n${sql}`;
  const result = parsed(`models/${name.replace(".", "/")}.sql`, text);
  return must(result.model, result.errors.map((error) => error.message).join("; "));
}

/** What an engine would say of a query that reads these names, in this order, found in its text. */
export function analysis(sql: string, names: readonly string[]): Analysis {
  const tables = names.map((name) => ({ name, at: null, offset: sql.indexOf(name) }));
  const columns = { words: [], unnamed: false };
  const none = {
    notIncremental: [],
    drivers: [],
    followed: [],
    beyondRows: [],
    combines: false,
    notDeterministic: [],
    clock: [],
    outputs: [],
  };
  return { tables, ...none, columns };
}
