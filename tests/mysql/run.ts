/**
 * `npm run test:mysql`: MariaDB as a source, with the server that is installed and those that TARN_TEST_MARIADB names;
 * MySQL where TARN_TEST_MYSQL says where one is.
 */

import { fetchMariaDb } from "../support/mysql.ts";
import { runSteps, suite } from "../support/steps.ts";

const HOW = "TARN_TEST_MARIADB=/folder:/folder names more servers";
process.env.TARN_TEST_MARIADB ??= fetchMariaDb() ?? "";
const steps = ["stream", "log", "values", "resume"].map((name) =>
  suite(name, [`tests/mysql/${name}.test.ts`], HOW),
);
process.exit(await runSteps(steps, process.argv.slice(2)));
