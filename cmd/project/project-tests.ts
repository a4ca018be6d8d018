/** The tests of a project, however they are written. */

import type { LakeError } from "../../core/base/errors.ts";
import type { QueryTest } from "../../core/model/test-file.ts";
import type { UnitTest } from "../../core/model/unit-test.ts";

export interface ProjectTests {
  /** Queries of tests/, by file. */
  readonly queries: readonly QueryTest[];
  /** Tests of the project's own as models use them. */
  readonly uses: readonly QueryTest[];
  readonly units: readonly UnitTest[];
  readonly errors: readonly LakeError[];
  /** Tests that are left out. */
  readonly warnings?: readonly LakeError[];
}
