/** The reference as pages: made of what the program itself reads, so that a page cannot say what it does not do. */

import type { ErrorCode } from "../../core/base/errors.ts";
import { own } from "../../core/base/json.ts";
import { EXPLAIN_PAGES } from "../commands/explain-pages.ts";
import { CODE_PAGES, EXIT, exitCodeOfCode } from "../exit.ts";
import { ALIASES, HELP, spec } from "../tree.ts";
import { COMMAND_WORDS } from "./command-words.ts";
import { configSettings, modelSettings, type Setting } from "./settings.ts";
import {
  ADDED_COLUMNS,
  COMMON_COLUMNS,
  INFORMATION_SCHEMA,
  LAKE_TABLES,
  REASONS,
  type TableMeaning,
} from "./table-meanings.ts";
import { type SystemColumns, systemColumns } from "./tables.ts";

export interface ReferencePage {
  /** In docs/guide/reference/. */
  readonly file: string;
  readonly text: string;
}

/** All pages, in the order in which they are read. */
export async function referencePages(): Promise<readonly ReferencePage[]> {
  return [
    { file: "commands.md", text: page("Commands", await commandLines()) },
    { file: "tarn-yaml.md", text: page("tarn.yaml", await configLines()) },
    { file: "models.md", text: page("The comment of a model", modelLines()) },
    { file: "tables.md", text: page("System tables and columns", tableLines(systemColumns())) },
    { file: "errors.md", text: page("Errors and exit codes", errorLines()) },
  ];
}

const MADE =
  "<!-- Made by `npm run docs` from what the program reads. Edit cmd/reference/ or the settings, not this page. -->";

function page(title: string, lines: readonly string[]): string {
  return `${[`# ${title}`, "", MADE, "", ...lines].join("\n").trimEnd()}\n`;
}

async function configLines(): Promise<string[]> {
  const lines = [
    "The only file that a project needs, and it may be empty. `tarn config show` prints what is in force,",
    "`tarn check` finds what is wrong, and editors complete it by the schema that `tarn init` writes.",
    "",
    "Durations are written `200ms`, `2s`, `5m`, `2h`, `14d`; sizes `64MB` or `1.5GiB`. A list of one may stand without",
    `its brackets. \`\${NAME}\` is a variable of the environment or of \`.env\`, \`\${NAME:-default}\` likewise, and`,
    `\`\${secret:NAME}\` a value of \`tarn secret\`. A key that is not known is an error that names the nearest.`,
  ];
  for (const { title, about, settings } of await configSettings()) {
    lines.push("", `## ${title}`, "", about, "", ...settingTable(settings));
  }
  return lines;
}

function modelLines(): string[] {
  return [
    "A model is one SELECT in `models/<layer>/<name>.sql`. A comment before it may hold its settings, in YAML:",
    "",
    "```sql",
    "/* tarn",
    "   kind: merge",
    "   key: order_id",
    "   latest_by: updated_at",
    "   tests:",
    "     - not_null: [order_id, customer_id]",
    "     - expect: amount >= 0",
    "       on_fail: quarantine",
    "*/",
    "select order_id, customer_id, amount, updated_at from bronze.orders",
    "```",
    "",
    "Only a comment `/* tarn … */` before the query counts. Its keys:",
    "",
    ...settingTable(modelSettings()),
  ];
}

function settingTable(settings: readonly Setting[]): string[] {
  const rows = settings.map(({ path, takes, absent, meaning, example }) => {
    const key = path.split(".").at(-1) ?? "";
    return [`\`${path}\``, meaning, takes, absent, `\`${key}: ${example}\``];
  });
  return table(["key", "meaning", "takes", "without it", "example"], rows);
}

async function commandLines(): Promise<string[]> {
  const { commands } = await spec();
  const global = (commands[0]?.flags ?? []).filter((flag) => flag.global);
  const lines = [
    "`tarn help COMMAND` prints the same. Data goes to standard output, words for people to standard error; `--json`",
    "makes one document, or one event a line, of the data. `tarn --spec` prints all of this page as JSON.",
    "",
    "Flags of every command, which may stand before its name:",
    "",
    ...flagTable(global),
  ];
  for (const [group, entries] of HELP) {
    lines.push("", `## ${group}`);
    for (const [name, summary] of entries) {
      const command = commands.find((one) => one.name === name);
      if (command === undefined) continue;
      lines.push("", `### tarn ${name}`, "", command.description);
      if (command.description === "") lines.push(summary);
      const own = command.flags.filter((flag) => !flag.global && flag.type !== "positional");
      const positional = command.flags.find((flag) => flag.type === "positional");
      const words = command.words !== "" ? command.words : (positional?.value ?? "");
      const usage = ["tarn", name, words, own.length > 0 ? "[FLAGS]" : ""].filter((w) => w !== "");
      const others = Object.entries(ALIASES).filter(([, of]) => of === name);
      lines.push("", `Written: \`${usage.join(" ")}\``);
      if (command.examples.length > 0) lines.push("", "```sh", ...command.examples, "```");
      for (const [other] of others) lines.push("", `\`tarn ${other}\` is the same.`);
      lines.push(...wordTable(name));
      if (own.length > 0) lines.push("", ...flagTable(own));
    }
  }
  return lines;
}

function wordTable(name: string): string[] {
  const words = own(COMMAND_WORDS, name);
  if (words === undefined) return [];
  const rows = Object.entries(words).map(([word, text]) => [`\`${name} ${word}\``, text]);
  return ["", ...table(["word", "what it does"], rows)];
}

type Flag = Awaited<ReturnType<typeof spec>>["commands"][number]["flags"][number];

function flagTable(flags: readonly Flag[]): string[] {
  const rows = flags.map(({ name, value, letter, description }) => {
    const short = letter === null ? "" : `-${letter}, `;
    return [`\`${short}--${name}${value === null ? "" : ` ${value}`}\``, sentence(description)];
  });
  return table(["flag", "meaning"], rows);
}

function tableLines(columns: SystemColumns): string[] {
  const lines = [
    "System tables are read as any other, `from lake.commits`, and tell what is true now. Those of Iceberg answer to",
    "the name of one table as well: `from orders$snapshots`. Instants are shown in the project's zone.",
  ];
  const of = (schema: string, tables: Readonly<Record<string, TableMeaning>>): void => {
    lines.push("", `## Schema ${schema}`);
    for (const [name, { row, example, columns: meanings }] of Object.entries(tables)) {
      lines.push("", `### ${schema}.${name}`, "", row, "", "```sql", example, "```", "");
      const known = columns.get(`${schema}.${name}`) ?? [];
      const rows = known.map(({ name: column, type }) => [
        `\`${column}\``,
        type,
        own(meanings, column) ?? own(COMMON_COLUMNS, column) ?? "",
      ]);
      lines.push(...table(["column", "type", "meaning"], rows));
    }
  };
  of("lake", LAKE_TABLES);
  of("information_schema", INFORMATION_SCHEMA);
  lines.push("", "## Columns that tables have besides their own", "");
  lines.push(
    "They say where a row came from. The first group stays out of `select *` in tarn's shell and answers by name.",
  );
  for (const { of: whose, columns: meanings } of Object.values(ADDED_COLUMNS)) {
    const rows = Object.entries(meanings).map(([column, text]) => [`\`${column}\``, text]);
    lines.push("", `### ${whose}`, "", ...table(["column", "meaning"], rows));
  }
  lines.push("", "## Why rows are set aside", "", "The words in `reason`:", "");
  lines.push(
    ...table(
      ["reason", "meaning"],
      Object.entries(REASONS).map(([a, b]) => [`\`${a}\``, b]),
    ),
  );
  return lines;
}

/** What each exit code says to a script. */
export const EXIT_MEANINGS: Readonly<Record<string, string>> = {
  ok: "All was done.",
  data: "A file, model, test or query failed; the rest was done.",
  usage: "Wrong words or configuration; nothing was done.",
  busy: "It cannot be reached, or another one has it: worth another try.",
  changed: "Something differs; only with --exit-code.",
  bug: "A bug of tarn's.",
  interrupted: "Stopped by Ctrl-C; what was committed stays.",
  terminated: "Stopped by SIGTERM; what was committed stays.",
};

function errorLines(): string[] {
  const codes = Object.keys(CODE_PAGES) as ErrorCode[]; // parse: it has each code and no other key
  const codeByPage = new Map(Object.entries(CODE_PAGES).map(([code, id]) => [id, code]));
  const lines = [
    "An error says what, where and what to do next, and names its page: `tarn explain T0203` prints what stands here.",
    "`--json` prints it as a document with `code`, `page`, `message`, `hint` and `place`.",
    "",
    "## Exit codes",
    "",
    ...table(
      ["code", "meaning"],
      Object.entries(EXIT).map(([name, code]) => [`\`${code}\``, own(EXIT_MEANINGS, name) ?? ""]),
    ),
    "",
    "## Codes",
    "",
    "The word in `code`, which a script may act on:",
    "",
    ...table(
      ["code", "page", "exit code"],
      codes.map((code) => [
        `\`${code}\``,
        `[${CODE_PAGES[code]}](#${CODE_PAGES[code].toLowerCase()})`,
        String(exitCodeOfCode(code)),
      ]),
    ),
    "",
    "## Pages",
  ];
  for (const { id, title, means, todo } of EXPLAIN_PAGES) {
    const code = codeByPage.get(id);
    lines.push(
      "",
      `### ${id}`,
      "",
      `**${title}**${code === undefined ? "" : ` (\`${code}\`)`}`,
      "",
      means,
      "",
    );
    lines.push(
      ...todo.map((line) => (line.startsWith("$ ") ? `- \`${line.slice(2)}\`` : `- ${line}`)),
    );
  }
  return lines;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;
  return [line(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(line)];
}

function cell(text: string): string {
  return text.replaceAll("\n", " ").replaceAll("|", "\\|");
}

function sentence(text: string): string {
  const upper = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.?!]$/.test(upper) ? upper : `${upper}.`;
}
