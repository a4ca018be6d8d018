/**
 * Statements over a table of format v2 and one of format v3, in transactions that do the same to both: whatever befalls
 * the lake, their rows are the same. Marks, vectors that take older ones in, rows written again, compaction, and the
 * upgrade of the table of v2.
 */

import {
  type Expect,
  type LakeView,
  NOTHING_OUTSIDE,
  type Scenario,
  type Step,
} from "./scenario.ts";

const TWO = "gold.two";
const THREE = "gold.three";
const MODES = ["delete", "update", "merge"]
  .map((what) => `'write.${what}.mode' = 'merge-on-read'`)
  .join(", ");
const ROWS = 24;
const MERGED = 100;

/** Each may be given again after it was done. */
const STEPS: readonly Step[] = [
  step("tables made", [
    `create table if not exists ${TWO} with (${MODES}) as
       select i::int as id, 'a' as word from range(${ROWS}) r(i)`,
    `create table if not exists ${THREE} with ('format-version' = '3', ${MODES}) as
       select i::int as id, 'a' as word from range(${ROWS}) r(i)`,
  ]),
  both("rows deleted", [`delete from t where id in (1, 2)`]),
  both("rows merged", [
    `merge into t using (values (3, 'b'), (${MERGED}, 'b'), (${MERGED + 1}, 'b')) as s(id, word) on t.id = s.id
       when matched then update set word = s.word
       when not matched then insert (id, word) values (s.id, s.word)`,
  ]),
  both("rows of several files changed and deleted", [
    `update t set word = 'c' where id in (4, ${MERGED})`,
    `delete from t where id in (3, 5, ${MERGED + 1})`,
  ]),
  {
    ...step("upgraded", [
      `alter table ${TWO} set ('format-version' = '3')`,
      `delete from ${TWO} where id = 6`,
      `delete from ${THREE} where id = 6`,
    ]),
  },
  { name: "files made one", action: "compact", models: [] },
  both("rows written again", [
    `update t set word = 'd' where id in (7, 8)`,
    `delete from t where id = 9`,
  ]),
  { name: "retention", action: "maintain", models: [] },
];

export const STATEMENTS: Scenario = {
  name: "statements",
  steps: STEPS,
  sources: [],
  sourceByTable: new Map(),
  rewrittenRowsMax: null,
  config: {},
  prepare: () => {},
  attach: async () => NOTHING_OUTSIDE,
  memory: () => null,
  recall: () => {},
  check,
};

/** The two tables hold the same rows, each once; rows of v3 keep their ids, and no two have one. */
async function check(view: LakeView, complete: boolean, expect: Expect): Promise<void> {
  const { catalog, rowsAt } = view;
  const said: string[] = [];
  for (const name of [TWO, THREE]) {
    const table = await catalog.load(name);
    const rows = table === null ? [] : await rowsAt(table, table.current?.snapshotId ?? null);
    const ids = rows.map((row) => Number(row.id));
    expect(`${name}: a row twice`, new Set(ids).size === ids.length);
    said.push(
      rows
        .map((row) => `${row.id} ${row.word}`)
        .sort()
        .join(),
    );
    const marks = table === null ? [] : (await catalog.scan(table, table.current)).deletes;
    const about = marks.map((file) => file.referencedDataFile);
    const isVector = marks.every((file) => file.format.toLowerCase() === "puffin");
    if (table?.formatVersion === 3 && name === THREE) {
      expect(`${name}: marks that are no vectors`, isVector);
      expect(`${name}: two vectors of one file`, new Set(about).size === about.length);
    }
    if (name !== THREE || table === null) continue;
    const rowIds = (await view.rowIdsAt(table, table.current?.snapshotId ?? null)).map(Number);
    expect(`${name}: ids of rows ${rowIds}`, new Set(rowIds).size === ids.length);
    for (const [at, id] of ids.entries())
      expect(`${name}: row ${id} is ${rowIds[at]} by now`, id >= MERGED || rowIds[at] === id);
  }
  expect(`the tables differ: ${said.join(" and ")}`, said[0] === said[1]);
  if (!complete) return;
  const wanted = [0, 4, 7, 8, ...Array.from({ length: ROWS - 10 }, (_, at) => at + 10), MERGED];
  const words = wanted.map(
    (id) => `${id} ${id === 4 || id === MERGED ? "c" : id === 7 || id === 8 ? "d" : "a"}`,
  );
  expect(`the end is ${said[0]}`, said[0] === words.sort().join());
}

function step(name: string, statements: readonly string[]): Step {
  const sql = ["begin", ...statements, "commit"].join(";\n");
  return { name, action: "statements", models: [], sql };
}

/** The same to both tables. */
function both(name: string, statements: readonly string[]): Step {
  const all = [TWO, THREE].flatMap((table) => statements.map((sql) => into(sql, table)));
  return step(name, all);
}

function into(sql: string, table: string): string {
  return sql.replace(/\b(from|update|into) t\b/, `$1 ${table} as t`);
}
