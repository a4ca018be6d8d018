/** The tests of a dbt project in the lake's words. */

import type { ProjectTests } from "../project-tests.ts";
import { loadDataTests } from "./data-tests.ts";
import type { DbtProject } from "./load.ts";

/** Reads them; never throws for what they say. */
export function dbtTests(project: DbtProject): ProjectTests {
  const { tests, errors } = loadDataTests(project);
  return { queries: tests.map(({ test }) => test), uses: [], units: [], errors };
}
