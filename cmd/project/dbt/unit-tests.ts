/** Unit tests of dbt, with rows as dictionaries or CSV, in the lake's words. */

import { LakeError } from "../../../core/base/errors.ts";
import { isRecord, type Path } from "../../../core/config/shape.ts";
import type { GivenRows, UnitRow, UnitTest } from "../../../core/model/unit-test.ts";
import { TemplateError } from "./jinja/values.ts";
import { type DbtProject, told } from "./load.ts";
import { unsupportedPart } from "./package.ts";
import { type Entry, nameOf } from "./properties.ts";

export interface LoadedUnits {
  readonly units: readonly UnitTest[];
  readonly errors: readonly LakeError[];
  /** Tests that are left out. */
  readonly warnings: readonly LakeError[];
}

/** Reads them all; never throws for what they say. */
export function loadUnitTests(project: DbtProject): LoadedUnits {
  const units: UnitTest[] = [];
  const errors: LakeError[] = [];
  const warnings: LakeError[] = [];
  for (const entry of project.properties.units) {
    try {
      const unit = unitOf(project, entry);
      if (unit instanceof LakeError) warnings.push(unit);
      else units.push(unit);
    } catch (thrown) {
      errors.push(told(thrown, entry.file.file, entry.file.placeOf(entry.path, "value").line));
    }
  }
  return { units, errors, warnings };
}

function unitOf(project: DbtProject, entry: Entry): UnitTest | LakeError {
  const { file, path, data } = entry;
  const placeOf = (at: Path, what: "key" | "value") => file.placeOf([...path, ...at], what);
  const name = nameOf(entry);
  const model = String(data.model ?? "");
  const node = project.translated.find((one) => one.node.name === model);
  if (node === undefined) {
    const place = placeOf(["model"], "value");
    return unsupportedPart(
      `the unit test ${name}: ${model} is no model that runs`,
      "see: tarn check",
      place,
    );
  }
  if (isRecord(data.overrides) && Object.keys(data.overrides).length > 0) {
    const place = placeOf(["overrides"], "key");
    const hint = "give rows that need none: the test is of the query of all rows";
    return unsupportedPart(`overrides of the unit test ${name} are not done`, hint, place);
  }
  const given: GivenRows[] = [];
  for (const [index, one] of (Array.isArray(data.given) ? data.given : []).entries()) {
    const place = placeOf(["given", index], "value");
    const rows = isRecord(one) ? rowsOf(one) : null;
    if (!isRecord(one) || rows === null) {
      return unsupportedPart(`rows of the unit test ${name} are not read`, ROWS_HINT, place);
    }
    const input = String(one.input ?? "");
    const table = input === "this" ? input : relationNamed(project, entry, input);
    given.push({ input: table, rows, columns: new Map(), place });
  }
  const expected = isRecord(data.expect) ? rowsOf(data.expect) : null;
  if (expected === null) {
    const place = placeOf(["expect"], "key");
    return unsupportedPart(`rows of the unit test ${name} are not read`, ROWS_HINT, place);
  }
  return {
    ...{ name, file: file.file, model: node.model.name, given, expected },
    description: typeof data.description === "string" ? data.description : null,
    ...{ tags: [], vars: new Map(), now: null },
    place: placeOf(["name"], "value"),
    modelPlace: placeOf(["model"], "value"),
    expectPlace: placeOf(["expect"], "key"),
  };
}

const ROWS_HINT = "write rows as dictionaries, or as CSV in the file itself (format: csv)";

function relationNamed({ compiler }: DbtProject, entry: Entry, input: string): string {
  if (!/^\s*(?:ref|source)\s*\(/.test(input)) {
    throw new TemplateError(`input: ${input} is no ref() or source()`);
  }
  return compiler
    .renderText(`{{ ${input} }}`, entry.package, entry.file.file)
    .sql.replaceAll('"', "");
}

/** Null where they are written otherwise. */
function rowsOf(data: Readonly<Record<string, unknown>>): readonly UnitRow[] | null {
  const { rows, format, fixture } = data;
  if (fixture !== undefined) return null;
  if (Array.isArray(rows)) return rows.filter(isRecord);
  if (rows === undefined) return [];
  if (typeof rows !== "string" || format !== "csv") return null;
  const [header = [], ...records] = rows.trim().split("\n").map(fieldsOf);
  return records.map((record) =>
    Object.fromEntries(header.map((name, nth) => [name.trim(), cellOf(record[nth] ?? "")])),
  );
}

/** Fields of a line, in quotes or not. */
function fieldsOf(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain = ""]) =>
    quoted === undefined ? plain.trim() : quoted.replaceAll('""', '"'),
  );
}

function cellOf(text: string): unknown {
  return text === "" || text.toLowerCase() === "null" ? null : text;
}
