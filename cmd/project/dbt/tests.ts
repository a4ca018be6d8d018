/** The tests of a dbt project in the lake's words. */

import type { ProjectTests } from "../project-tests.ts";
import { loadDataTests } from "./data-tests.ts";
import type { DbtProject } from "./load.ts";
import { loadUnitTests } from "./unit-tests.ts";

/** Reads them; never throws for what they say. */
export function dbtTests(project: DbtProject): ProjectTests {
  const { tests, errors, warnings } = loadDataTests(project);
  const units = loadUnitTests(project);
  return {
    queries: tests.map(({ test }) => test),
    uses: [],
    units: units.units,
    errors: [...errors, ...units.errors],
    warnings: [...warnings, ...units.warnings],
  };
}
