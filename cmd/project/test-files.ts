/** The tests of a project on disk: queries, tests with parameters, unit tests, and what is wrong with them. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import type { LakeConfig } from "../../core/config.ts";
import type { Macros } from "../../core/model/macros.ts";
import type { Model } from "../../core/model/model.ts";
import type { ParseContext } from "../../core/model/parse.ts";
import { settingPlace } from "../../core/model/setting-place.ts";
import {
  GENERIC_FOLDER,
  type GenericTest,
  parseGenericTest,
  parseQueryTest,
  type QueryTest,
  TESTS_FOLDER,
  UNIT_FOLDER,
  useOf,
} from "../../core/model/test-file.ts";
import { parseUnitTests, type UnitTest } from "../../core/model/unit-test.ts";
import type { Variables } from "../../core/model/variables.ts";
import { MODEL_TOOLS } from "./model-tools.ts";
import { filesBelow } from "./project.ts";
import type { ProjectTests } from "./project-tests.ts";
import { parseYaml } from "./yaml.ts";

/** What of a project its tests are read with. */
export interface TestedProject {
  readonly config: LakeConfig;
  readonly macros: Macros;
  /** Tests that are written otherwise, of a project of dbt. */
  readonly tests?: () => ProjectTests;
}

/** Reads everything; never throws for what the files say. */
export function loadTests(
  root: string,
  project: TestedProject,
  models: readonly Model[],
): ProjectTests {
  if (project.tests !== undefined) return project.tests();
  const context = contextOf(project, project.config.variables);
  const errors: LakeError[] = [];
  const queries: QueryTest[] = [];
  const units: UnitTest[] = [];
  const generics = new Map<string, GenericTest>();
  const { files } = filesBelow(root, TESTS_FOLDER, /\.(?:sql|ya?ml)$/i);
  for (const file of files) {
    const text = readFileSync(join(root, file), "utf8");
    if (/\.ya?ml$/i.test(file)) {
      if (!file.startsWith(`${UNIT_FOLDER}/`)) {
        errors.push(strayUnit(file));
        continue;
      }
      const read = parseUnitTests(file, text, parseYaml);
      units.push(...read.tests);
      errors.push(...read.errors);
    } else if (file.startsWith(`${GENERIC_FOLDER}/`)) {
      const read = parseGenericTest(file, text, context);
      if (read.test !== null) generics.set(read.test.name, read.test);
      errors.push(...read.errors);
    } else {
      const read = parseQueryTest(file, text, context);
      if (read.test !== null) queries.push(read.test);
      errors.push(...read.errors);
    }
  }
  const uses = models.flatMap((model) =>
    model.uses.flatMap((use) => {
      const placeOf = (word: string) => settingPlace(model, word, "tests");
      const read = useOf(model, use, generics, context, placeOf);
      errors.push(...read.errors);
      return read.test === null ? [] : [read.test];
    }),
  );
  return { queries, uses, units, errors };
}

/** One query of the project. Throws what is wrong with it, and `not-found`. */
export function readQueryTest(root: string, project: TestedProject, file: string): QueryTest {
  let text: string;
  try {
    text = readFileSync(join(root, file), "utf8");
  } catch (thrown) {
    throw new LakeError("not-found", `${file} cannot be read`, {
      hint: "name files of the project, each with a query that answers what must not be",
      cause: thrown,
    });
  }
  const { test, errors } = parseQueryTest(file, text, contextOf(project, project.config.variables));
  if (test === null) throw new AggregateError(errors);
  return test;
}

/** What reading a file of SQL needs besides it. */
export function contextOf({ config, macros }: TestedProject, variables: Variables): ParseContext {
  const onFailOf = (layer: string) => config.layers.get(layer)?.onFail ?? null;
  return { parseYaml, ...MODEL_TOOLS, onFailOf, variables, macros };
}

function strayUnit(file: string): LakeError {
  return new LakeError("config", `${file} is no test: unit tests lie in ${UNIT_FOLDER}/`, {
    hint: `move it to ${UNIT_FOLDER}/`,
    place: { file, line: 1, column: 1 },
    page: "T0118",
  });
}
