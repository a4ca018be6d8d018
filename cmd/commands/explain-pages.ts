/** What `tarn explain` says: a page for every error code, and for the problems that have one of their own. */

import { CODE_PAGES } from "../exit.ts";
import { stdout } from "../render/streams.ts";

export interface ExplainPage {
  readonly id: string;
  readonly title: string;
  /** What it means, and what was or was not done. */
  readonly means: string;
  /** What to do, first the most likely; lines that start with `$` can be pasted. */
  readonly todo: readonly string[];
}

export const EXPLAIN_PAGES: readonly ExplainPage[] = [
  {
    id: "T0101",
    title: "wrong words on the command line",
    means:
      "A command, flag or argument is not known or does not fit. Nothing was done. Exit code 2.",
    todo: ["$ tarn help", "the message names the nearest right word"],
  },
  {
    id: "T0102",
    title: "unknown command, flag or format",
    means:
      "A word on the command line is not known. Abbreviations are not guessed. Output formats are box, csv, " +
      "tsv, json, jsonl, markdown, line, arrow, parquet and xlsx. With -o FILE, .once and .output the " +
      "ending decides: .csv, .tsv, .json, .jsonl, .parquet, .arrow, .xlsx, .md or .txt, with .gz or .zst " +
      "behind it packed; another is refused.",
    todo: [
      '$ tarn sql -c "from silver.orders" --format csv',
      "$ tarn help",
      '$ tarn sql -c "from silver.orders" -o orders.xlsx',
    ],
  },
  {
    id: "T0106",
    title: "the configuration is wrong",
    means:
      "tarn.yaml or a model's front comment cannot be used as it is. Nothing was done. Exit " +
      "code 2.",
    todo: ["go to the place that the message shows", "$ tarn check", "$ tarn config schema"],
  },
  {
    id: "T0107",
    title: "unknown key",
    means:
      "A key in tarn.yaml or in a model's front comment is not one that is known there. It " +
      "is refused, because a misspelt key that is ignored costs a day.",
    todo: ["take the key that the message suggests", "$ tarn config show"],
  },
  {
    id: "T0108",
    title: "a value does not fit its key",
    means: "The key is known, but its value has another type or is out of range.",
    todo: ["the message says what fits", "durations are written 30s, 10m, 2h, 7d; sizes 64MB, 2GB"],
  },
  {
    id: "T0109",
    title: "not YAML",
    means: "The file does not parse as YAML, so nothing of it was read.",
    todo: [
      "go to the place that the message shows",
      "indent with spaces, one key: value a line; quote text that holds : or #",
    ],
  },
  {
    id: "T0110",
    title: "the front comment has no end",
    means:
      "A model may begin with a comment that holds its settings. This one is opened and not " +
      "closed.",
    todo: ["close it with */ on a line before the SELECT"],
  },
  {
    id: "T0111",
    title: "the model has no usable SELECT",
    means:
      "A model is one SELECT after an optional front comment. This file has none, or it is " +
      "too long.",
    todo: ["write one SELECT", "remove the file when it is not meant to be a model"],
  },
  {
    id: "T0112",
    title: "the model's name cannot be told from its path",
    means: "models/silver/orders.sql is silver.orders: the folder is the layer, the file the name.",
    todo: ["move the file to models/<layer>/<name>.sql"],
  },
  {
    id: "T0118",
    title: "a file of the project cannot be what its folder says",
    means:
      "A file below seeds/ is a table under the name of the file, with the ending of a data format, and no two " +
      "are the same table. Nothing was done.",
    todo: ["rename the file, or move it out of the folder", "$ tarn check"],
  },
  {
    id: "T0119",
    title: "unknown variable",
    means:
      "SQL names a variable, $NAME, that tarn.yaml does not declare, or that has no value here. Values are put in " +
      "as typed literals; text is never pasted. Nothing was done.",
    todo: [
      "declare it in tarn.yaml: vars: { region: north }",
      "$ tarn build --var region=south",
      "$ tarn build --env prod",
    ],
  },
  {
    id: "T0120",
    title: "a unit test cannot be as it is",
    means:
      "A unit test below tests/unit/ names a model that there is none of, gives rows of a table that the model does " +
      "not read, or none of one that it reads. No test was run.",
    todo: ["give rows of each table that the model reads; none are given as []", "$ tarn check"],
  },
  {
    id: "T0121",
    title: "a macro cannot be as it is",
    means:
      "A file below macros/ holds something else than CREATE MACRO, a macro is defined twice, calls itself, or has " +
      "the name of a function of the engine without saying OR REPLACE. Nothing was done.",
    todo: ["CREATE MACRO money(cents) AS (cents / 100)::decimal(12,2)", "$ tarn check"],
  },
  {
    id: "T0122",
    title: "a correction cannot be as it is",
    means:
      "A file below corrections/ names no table, a table that a model makes, or a column that is not there; sets " +
      "what no column of that type can hold; or looks at more than the row that it corrects. Nothing was done.",
    todo: [
      "/* tarn input: bronze.orders */ SET amount = amount / 100 WHERE currency = 'JPY'",
      "$ tarn check",
    ],
  },
  {
    id: "T0130",
    title: "a part of a dbt project is not run",
    means:
      "Something in a dbt project has no meaning here yet, or would ask the database while its templates are read. " +
      "The node that it belongs to, and what reads that, are left out; the rest runs as dbt would.",
    todo: [
      "see what is left out, each with its line: tarn check",
      "write it in another way, as the message says",
    ],
  },
  {
    id: "T0201",
    title: "the SQL is wrong",
    means:
      "The statement does not parse, or names something that does not exist. Nothing was changed.",
    todo: ["go to the caret", "$ tarn ls", "$ tarn show silver.orders --columns"],
  },
  {
    id: "T0202",
    title: "not found",
    means:
      "The table, snapshot, tag, model or file is not there (any more). Snapshots thin out " +
      "as they age, tags stay for ever.",
    todo: ["$ tarn ls", "$ tarn log silver.orders", "keep a moment for ever: $ tarn tag month-end"],
  },
  {
    id: "T0203",
    title: "column not found",
    means:
      "The table is there, the column is not: misspelt, renamed, or not in that version of " +
      "the table.",
    todo: [
      "$ tarn show bronze.orders --columns",
      "read an older version: from bronze.orders at (version => 12)",
    ],
  },
  {
    id: "T0204",
    title: "a name means several tables",
    means:
      "An unqualified name is looked for in gold, silver and bronze, and more than one has it.",
    todo: ["write the layer: silver.orders"],
  },
  {
    id: "T0205",
    title: "no kept snapshot at that time",
    means:
      "Old snapshots are thinned (keep: in tarn.yaml). The time asked for lies in a gap, or " +
      "before the table's first commit.",
    todo: ["take one of the moments that the message names", "$ tarn log silver.orders"],
  },
  {
    id: "T0206",
    title: "a column has a name that is kept",
    means:
      "_batch, _source_file (_file), _row and _ingested_at say where a row came from. A model whose " +
      "rows are followed has them anyway; another cannot make columns of these names. __START_AT and __END_AT " +
      "are those of a change feed with scd: 2.",
    todo: ["give the column another name: _source_file AS source_file"],
  },
  {
    id: "T0207",
    title: "a model breaks its contract",
    means:
      "contract: enforced says that the table has just the columns of columns:, by name and type. The query gives " +
      "others: it was edited, or a column of what it reads has another type. Nothing of the run is published, and " +
      "the old snapshot stays.",
    todo: [
      "write the cast that is meant: amount::decimal(18,2) AS amount",
      "or change columns: if the table is to be another one",
    ],
  },
  {
    id: "T0208",
    title: "not supported",
    means:
      "This is understood, but it is not done here. In the SQL shell, lake tables are read " +
      "only: rows come from drops and models, so that every row has an origin.",
    todo: [
      "put a file into drops/<source>/, or: $ tarn load FILE",
      "put a transformation into models/<layer>/<name>.sql, then: $ tarn build",
      "for scratch work: create temp table t as select …",
    ],
  },
  {
    id: "T0209",
    title: "a model's columns would change",
    means:
      "on_schema_change: fail says that its table keeps its columns. The query gives others: it was edited, or " +
      "what it reads got a column. Nothing is published, and the old snapshot stays.",
    todo: [
      "tarn plan says which columns",
      "take them once: tarn build NAME --full; or always: on_schema_change: sync_all_columns",
    ],
  },
  {
    id: "T0210",
    title: "no such table",
    means:
      "A name is no table, model or source of this lake. Unqualified names are looked for " +
      "in gold, silver and bronze.",
    todo: ["take the name that the message suggests", "$ tarn ls"],
  },
  {
    id: "T0211",
    title: "a name means several tables",
    means:
      "An unqualified name is looked for in gold, silver and bronze, and more than one has it.",
    todo: ["write the layer: silver.orders"],
  },
  {
    id: "T0212",
    title: "models read each other in a circle",
    means:
      "A model reads, over others, its own result. No order of building exists; the message " +
      "shows the path.",
    todo: ["let one of them read a table further up instead", "$ tarn check"],
  },
  {
    id: "T0213",
    title: "a table has two writers",
    means:
      "Two models, or a model and a source, write the same table. Which rows it has would " +
      "depend on who ran last.",
    todo: ["rename or remove one of them"],
  },
  {
    id: "T0214",
    title: "a model reads what is no table of the lake",
    means:
      "Models read tables of the lake only, so that their runs can be repeated; files and " +
      "system tables change under them.",
    todo: ["drop the file under drops/, and read the bronze table that it becomes"],
  },
  {
    id: "T0215",
    title: "a model reads as of a moment that moves",
    means:
      "A moment that counts from now, or from the newest snapshot, is another one at every run: " +
      "rows of one run would say one thing and rows of the next another. A model names moments " +
      "that are written out. Where a tag or a time leads is kept with the model's place, so it " +
      "runs again when a tag is moved.",
    todo: [
      "write the moment: AT (TIMESTAMP => '2026-01-31 09:00'), @12",
      "or name it: tarn tag month-end, then AT (TAG => 'month-end')",
    ],
  },
  {
    id: "T0220",
    title: "an incremental model runs full",
    means:
      "The kind of the model allows work on new rows only, but its query needs all rows (an " +
      "aggregate, a window, a distinct, two driving inputs), or one of its tests does, or it " +
      "reads the clock, whose value is another at every run. The result is right; it is " +
      "only slower. This is a warning.",
    todo: [
      "write kind: full to say that it is meant",
      "or split the query: an append model below, a full one above",
      "$ tarn plan",
    ],
  },
  {
    id: "T0221",
    title: "two runs may differ",
    means:
      "The query's result is not determined by its input: random(), a sample, an estimate, or " +
      "rows that tie where nothing tells which comes first. Ties over tables of the lake are " +
      "put in order by the places of their rows, and are not meant here. A replay could " +
      "not be compared. This is a warning.",
    todo: [
      "add an order by that has no ties, or name the columns in place of a *",
      "compute the value from a column, such as hash(id)",
    ],
  },
  {
    id: "T0222",
    title: "a model reads the clock",
    means:
      "now() and its like are the time of the run. A model is computed when what it reads " +
      "changes, so that its rows fall behind the clock until then. A replay takes the time of " +
      "the run that it repeats. This is a warning.",
    todo: [
      "compare with now() in the query that reads the model",
      "or rebuild it by a schedule: $ tarn build gold.open --full",
    ],
  },
  {
    id: "T0301",
    title: "another process committed first",
    means:
      "A commit was computed on a table that has moved on since. Nothing of it was written. " +
      "A model table changed by another engine stops here too, because its rows can no " +
      "longer be explained by its model.",
    todo: ["run it again: it is safe", "$ tarn log silver.orders"],
  },
  {
    id: "T0302",
    title: "another engine runs this lake",
    means:
      "up, build, load, replay and maintain take turns: one engine per lake. Queries never " +
      "need to wait.",
    todo: [
      "$ tarn status",
      "stop the other process, or send it the work by running the same command beside it",
    ],
  },
  {
    id: "T0303",
    title: "a file cannot be read or written",
    means:
      "The disk is full or read-only, a permission is missing, or a worker died. Commits " +
      "are atomic: what was acknowledged is safe, the rest was not done. Exit code 3: worth " +
      "another try.",
    todo: ["free space, or mend the permission", "$ tarn doctor"],
  },
  {
    id: "T0401",
    title: "the input cannot be read",
    means:
      "A file is not what its name or its source says. Bad rows are quarantined; a bad file " +
      "is set aside whole.",
    todo: ["$ tarn quarantine list", "fix the file and drop it again"],
  },
  {
    id: "T0405",
    title: "the schema does not fit",
    means:
      "A source brought a column or type that its contract does not allow (schema: fail), " +
      "or a table cannot change so.",
    todo: [
      "declare the column in tarn.yaml",
      "or allow it: schema: evolve",
      "for what landed already: $ tarn reread SOURCE --dry-run",
      "$ tarn plan",
    ],
  },
  {
    id: "T0412",
    title: "rows were quarantined",
    means:
      "Some rows of a file do not fit. They are kept with raw text, position and reason in " +
      "<layer>_quarantine.<table>; all other rows landed.",
    todo: ["$ tarn quarantine show orders", "$ tarn quarantine retry orders"],
  },
  {
    id: "T0501",
    title: "a test or expectation failed",
    means:
      "The new result was not published: the old snapshot stays and is marked stale, and " +
      "what hangs on it waits.",
    todo: [
      "$ tarn status",
      "look at the rows with the test's SQL, fix the model or the data",
      "$ tarn build",
    ],
  },
  {
    id: "T0601",
    title: "the lake's files are damaged",
    means:
      "Metadata or a data file is missing, cut or not what was written. Nothing is guessed " +
      "and nothing was overwritten.",
    todo: ["$ tarn doctor", "restore the warehouse folder from a backup, or replay from bronze"],
  },
  {
    id: "T0701",
    title: "a bug in tarn",
    means: "Something that must hold did not. What was committed is safe. Exit code 70.",
    todo: ["run it again with --debug and report what it prints"],
  },
];

/** The page for `T0203`, `t203`, `203` or the name of an error code; null where there is none. */
export function findPage(wanted: string): ExplainPage | null {
  const text = wanted.trim();
  const codes = new Map<string, string>(Object.entries(CODE_PAGES));
  const digits = /^t?(\d{1,4})$/i.exec(text)?.[1];
  const id = codes.get(text.toLowerCase()) ?? (digits === undefined ? null : pageId(digits));
  return EXPLAIN_PAGES.find((candidate) => candidate.id === id) ?? null;
}

/** All that `findPage` finds by name. */
export function explainIds(): readonly string[] {
  return [...EXPLAIN_PAGES.map((candidate) => candidate.id), ...Object.keys(CODE_PAGES)];
}

/** The page as it is printed. */
export function explainText(page: ExplainPage): string {
  const code = Object.entries(CODE_PAGES).find(([, id]) => id === page.id)?.[0];
  const todo = page.todo.map((line) => (line.startsWith("$ ") ? `    ${line}` : `  - ${line}`));
  const title = `${page.id}: ${page.title}${code === undefined ? "" : `  (${code})`}`;
  return `${title}\n\n${wrapped(page.means)}\n\nWhat to do\n${todo.join("\n")}\n`;
}

/** One line per page. */
export function explainList(): string {
  return EXPLAIN_PAGES.map((page) => `${page.id}  ${page.title}\n`).join("");
}

function pageId(digits: string): string {
  return `T${digits.padStart(4, "0")}`;
}

function wrapped(text: string): string {
  return Bun.wrapAnsi(text, Math.min(88, stdout.columns() ?? 88), { trim: true });
}
