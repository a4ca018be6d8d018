/** A program for the terminal tests: the shell over two snapshots of one table. Arguments: folder, history file. */

import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createStyle } from "../../cmd/render/style.ts";
import { processTerminal } from "../../cmd/render/terminal.ts";
import { historyFile } from "../../cmd/shell/history.ts";
import { shellPresenter } from "../../cmd/shell/presenter.ts";
import { shellFile } from "../../cmd/shell/shell.ts";
import { QuerySession } from "../../sql/query/query.ts";
import { resultOf } from "../../sql/query/result.ts";
import { History } from "../../sql/shell/history.ts";
import { runShell } from "../../sql/shell/shell.ts";
import { openTestDuckDB, TestLake } from "./test-lake.ts";

const [folder = "", historyPath = ""] = process.argv.slice(2);
const lake = await TestLake.create(folder);
const session = new QuerySession({
  open: openTestDuckDB,
  lookup: lake,
  timezone: "UTC",
  writablePath: (path) => resolve(folder, path),
});
const terminal = processTerminal();
await runShell({
  session,
  presenter: shellPresenter({
    style: createStyle(false),
    debug: false,
    timezone: () => session.timezone,
    width: () => terminal.columns(),
    jsonNumbers: "js",
  }),
  lake: {
    tableLines: async () => ["  silver.orders   3 rows"],
    snapshots: async () =>
      resultOf(
        [{ name: "version", type: { kind: "integer", bits: 64, signed: true, text: "int64" } }],
        [[2n], [1n]],
      ),
    moment: async (text) => ({ asOf: text, label: text }),
  },
  history: new History(historyFile(historyPath), "shop"),
  terminal,
  editing: process.env.TERM !== "dumb",
  colors: false,
  name: "shop",
  banner: "ready",
  mode: "box",
  busy: () => undefined,
  readText: (path) => readFile(join(folder, path), "utf8"),
  openOutput: (path) => shellFile(session, join(folder, path)),
});
await session.close();
terminal.close();
console.log("left");
