/**
 * `npm run test:mysql`: MariaDB and MySQL as sources, with the server that is installed, those that TARN_TEST_MARIADB
 * names, and the MySQL of TARN_TEST_MYSQL: a url, or a folder with one. Where they name none, one of each is fetched.
 */

import { fetchMariaDb, fetchMysql } from "../support/mysql-programs.ts";
import { runSteps, suite } from "../support/steps.ts";

const HOW = "TARN_TEST_MARIADB=/folder:/folder and TARN_TEST_MYSQL=mysql://… name more servers";
process.env.TARN_TEST_MARIADB ??= fetchMariaDb() ?? "";
process.env.TARN_TEST_MYSQL ??= fetchMysql() ?? "";
const steps = ["stream", "log", "values", "resume", "tls", "pull", "reconcile", "lookup"].map(
  (name) => suite(name, [`tests/mysql/${name}.test.ts`], HOW),
);
process.exit(await runSteps(steps, process.argv.slice(2)));
