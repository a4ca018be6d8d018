/** `tarn sql`: one query, a file of them, or the shell. */

import { realpathSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join, resolve, sep } from "node:path";
import { errorText, LakeError, systemCode } from "../../core/base/errors.ts";
import { parseSize } from "../../core/base/quantity.ts";
import { MAIN } from "../../core/limits.ts";
import type { LakeWriter } from "../../sql/dml/lake-writer.ts";
import { type DuckDB, openDuckDB, takeEarly } from "../../sql/duckdb/duckdb.ts";
import { QuerySession } from "../../sql/query/query.ts";
import { readsTables } from "../../sql/syntax/statement.ts";
import { defineTool, type Invocation } from "../command.ts";
import { EXIT } from "../exit.ts";
import type { JsonNumbers } from "../format/json.ts";
import { outputKind, type Packing } from "../render/output-file.ts";
import { type Format, parseFormat } from "../render/render.ts";
import { stdout } from "../render/streams.ts";
import { createStyle, type Style } from "../render/style.ts";
import { VERSION } from "../version.ts";
import { runScripts, type Script, WIDTH_OF_PIPES } from "./batch.ts";
import { usualOptions } from "./engine.ts";
import { LazyLake, lazyLookup } from "./lake.ts";
import type { PresentOptions } from "./presenter.ts";
import { shellWriter } from "./writer.ts";

const ARGS = {
  files: {
    type: "positional",
    required: false,
    valueHint: "FILE",
    description: "files that become tables, named by their stems",
  },
  command: { type: "string", alias: "c", valueHint: "SQL", description: "run this and leave" },
  file: {
    type: "string",
    alias: "f",
    valueHint: "FILE",
    description: "run a file, or several; - is stdin, and comes last",
  },
  format: {
    type: "string",
    valueHint: "FORMAT",
    description: "box, csv, tsv, json, jsonl, markdown, line, arrow, parquet or xlsx",
  },
  output: {
    type: "string",
    alias: "o",
    valueHint: "FILE",
    description:
      "the result to a file, in the format of its ending; .gz and .zst behind it pack it",
  },
  at: { type: "string", valueHint: "TIME|TAG", description: "read every table as of a moment" },
  branch: {
    type: "string",
    alias: "b",
    valueHint: "NAME",
    description: "read and change tables on a branch; others are read as on main",
  },
  "json-numbers": {
    type: "string",
    valueHint: "js|exact",
    description: "numbers that JavaScript would bend: as text (js) or bare (exact)",
  },
  "max-rows": { type: "string", valueHint: "N", description: "rows of a box; 0 shows all" },
} as const;

type Call = Invocation<typeof ARGS>;

export const command = defineTool({
  name: "sql",
  description: "SQL shell, or one query: lake tables, files, time travel.",
  args: ARGS,
  examples: [
    "tarn sql",
    'tarn sql -c "from gold.daily limit 10"',
    "tarn sql -c \"select count(*) from silver.orders at (timestamp => '2026-11-20')\"",
    'tarn sql orders.csv -c "from orders" --format json',
    'tarn sql -c "from silver.orders" -o orders.csv.gz',
  ],
  run: runSql,
});

export interface QueryCall {
  readonly folder: string;
  readonly sql: string;
  readonly terminal: Call["terminal"];
  readonly args: { readonly threads?: string | undefined; readonly memory?: string | undefined };
}

/** Runs one query for another command, shown as `tarn sql -c` shows it; answers the exit code. */
export async function runQuery({ folder, sql, terminal, args }: QueryCall): Promise<number> {
  await using lake = new LazyLake({ folder, args });
  const session = sessionFor(args, lake, null);
  const plan: Plan = {
    texts: null,
    format: terminal.json ? "json" : "box",
    output: null,
    packing: null,
    present: presentOf(terminal, "js"),
  };
  try {
    const signal = new AbortController().signal;
    const writable = (path: string) => writablePath(path, lake.warehouse);
    const scripts = [{ file: null, text: sql }];
    return await runScripts({ terminal, signal, session, ...plan, writable }, scripts);
  } finally {
    await session.close();
  }
}

/** What is asked for, before anything is opened. */
interface Plan {
  readonly texts: readonly Script[] | null;
  readonly format: Format;
  readonly output: string | null;
  /** How the output is packed. */
  readonly packing: Packing | null;
  readonly present: Omit<PresentOptions, "timezone">;
}

async function runSql(call: Call): Promise<number> {
  const plan = await planOf(call);
  await using lake = new LazyLake({ folder: call.folder, args: call.args });
  using writer = shellWriter(lake, call, call.signal);
  const session = sessionFor(call.args, lake, writer);
  const stop = () => session.interrupt();
  call.signal.addEventListener("abort", stop);
  // While DuckDB opens, the lake does; what fails is thrown again to the statement that needs it.
  if (plan.texts?.some(({ text }) => readsTables(text)) === true) lake.session().catch(() => null);
  try {
    for (const file of filesOf(call)) await session.addFile(fileArgument(file));
    const { at } = call.args;
    if (at !== undefined) {
      const { shownMoment } = await import("../lake/moments.ts");
      session.asOf = (await shownMoment(await lake.need(), at)).asOf;
    }
    const { branch } = call.args;
    if (branch !== undefined) {
      await lake.need();
      await session.useBranch(branch === MAIN ? null : branch);
    }
    if (plan.texts === null) return await interactive(call, plan, session, lake);
    // Known now, so that no output file is made in the lake's own folder.
    if (plan.output !== null) await lake.settings().catch(() => null);
    const writable = (path: string) => writablePath(path, lake.warehouse);
    const { terminal, signal } = call;
    return await runScripts({ terminal, signal, session, ...plan, writable }, plan.texts);
  } finally {
    call.signal.removeEventListener("abort", stop);
    await session.close();
  }
}

async function planOf(call: Call): Promise<Plan> {
  const { args, terminal } = call;
  const output = args.output === undefined || args.output === "-" ? null : args.output;
  const said = args.format === undefined ? null : parseFormat(args.format);
  const named = said ?? (terminal.json ? "json" : null);
  const { format, packing } =
    output === null ? { format: named ?? "box", packing: null } : outputKind(output, named);
  const numbers = args["json-numbers"] ?? "js";
  if (numbers !== "js" && numbers !== "exact") {
    throw usage(`--json-numbers is js or exact, not "${numbers}"`, "--json-numbers exact");
  }
  return {
    texts: await scriptsOf(call),
    format,
    output,
    packing,
    present: { ...presentOf(terminal, numbers), ...rowsMaxOf(args["max-rows"]) },
  };
}

function presentOf(terminal: Call["terminal"], jsonNumbers: JsonNumbers): Plan["present"] {
  return {
    style: stdoutStyle(terminal.style),
    debug: terminal.debug,
    width: () => stdout.columns() ?? WIDTH_OF_PIPES,
    jsonNumbers,
  };
}

/** Colours of the data: stdout may be a file while stderr is a terminal. */
function stdoutStyle(style: Style): Style {
  const forced = stdout.isTerminal || (process.env.FORCE_COLOR ?? "") !== "";
  return forced ? style : createStyle(false);
}

function rowsMaxOf(text: string | undefined): { rowsMax?: number } {
  if (text === undefined) return {};
  const count = Number(text);
  if (!Number.isInteger(count) || count < 0) {
    throw usage(`--max-rows ${text} is not a number of rows`, "--max-rows 100");
  }
  return { rowsMax: count === 0 ? Number.MAX_SAFE_INTEGER : count };
}

/** Texts to run; null for the shell. */
async function scriptsOf(call: Call): Promise<Script[] | null> {
  const commands = repeated(process.argv, ["-c", "--command"]);
  if (commands.length === 0 && call.args.command !== undefined) commands.push(call.args.command);
  const scripts: Script[] = commands.map((text) => ({ file: null, text }));
  const files = repeated(process.argv, ["-f", "--file"]);
  if (files.length === 0 && call.args.file !== undefined) files.push(call.args.file);
  for (const file of files) {
    if (file !== "-") scripts.push({ file, text: await readScript(file) });
  }
  if (files.includes("-") || (scripts.length === 0 && process.stdin.isTTY !== true)) {
    scripts.push({ file: "stdin", text: await Bun.stdin.text() });
  }
  return scripts.length === 0 ? null : scripts;
}

/** Every value of a flag that may be given more than once; the argument parser keeps only the last. */
function repeated(argv: readonly string[], names: readonly string[]): string[] {
  const values: string[] = [];
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? "";
    if (word === "--") break;
    const inline = names.find((name) => name.startsWith("--") && word.startsWith(`${name}=`));
    if (inline !== undefined) values.push(word.slice(inline.length + 1));
    else if (names.includes(word)) values.push(argv[++index] ?? "");
  }
  return values;
}

async function readScript(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (thrown) {
    throw new LakeError("usage", `${path} cannot be read: ${readFault(thrown)}`, {
      hint: "name a file of SQL statements",
      cause: thrown,
    });
  }
}

/** Why a file cannot be read, in words where the system has only a code. */
function readFault(thrown: unknown): string {
  const code = systemCode(thrown);
  if (code === "ENOENT") return "there is no such file";
  if (code === "EISDIR") return "it is a folder";
  return code === "EACCES" ? "permission denied" : errorText(thrown);
}

function filesOf(call: Call): string[] {
  // parse: every word that is no flag is in `_`
  const words = call.args._ as readonly string[]; // parse: see above
  return [...words];
}

/** The file's full path. Throws `usage` for what is no file, which may be SQL without -c. */
function fileArgument(path: string): string {
  try {
    return realpathSync(path);
  } catch (thrown) {
    const looksLikeSql = /\s/.test(path.trim());
    throw new LakeError("usage", `there is no file "${path}"`, {
      hint: looksLikeSql
        ? `to run it as SQL: tarn sql -c "${path}"`
        : "file arguments become tables",
      cause: thrown,
    });
  }
}

function sessionFor(
  args: QueryCall["args"],
  lake: LazyLake,
  writer: LakeWriter | null,
): QuerySession {
  let timezone = "UTC";
  return new QuerySession({
    open: async () => {
      // Settings that cannot be read are reported by the statement that needs the lake.
      const settings = await lake.settings().catch(() => null);
      timezone = settings?.timezone ?? timezone;
      return openEngine(args, timezone);
    },
    lookup: lazyLookup(lake),
    get timezone() {
      return timezone;
    },
    writablePath: (path) => writablePath(path, lake.warehouse),
    ...(writer === null ? {} : { writer }),
  });
}

async function openEngine(args: QueryCall["args"], timezone: string): Promise<DuckDB> {
  const { threads, memory } = args;
  const memoryBytes = memory === undefined ? null : parseSize(memory);
  if (memory !== undefined && memoryBytes === null) {
    throw usage(`--memory ${memory} is not a size`, "--memory 2GiB");
  }
  const usual = usualOptions();
  const options = {
    ...usual,
    threads: threads === undefined ? usual.threads : Math.max(1, Number(threads) || 1),
    memoryBytes: memoryBytes ?? usual.memoryBytes,
    timezone,
  };
  return openDuckDB(options, (await takeEarly()) ?? undefined);
}

/** The absolute path of a file to write. Throws when it lies in the lake: its files are never written by hand. */
function writablePath(path: string, warehouse: string | null): string {
  const expanded = path.startsWith("~/") ? join(homedir(), path.slice(2)) : resolve(path);
  const folder = realFolder(dirname(expanded));
  if (warehouse !== null && `${folder}${sep}`.startsWith(`${realFolder(warehouse)}${sep}`)) {
    throw new LakeError("unsupported", `${path} lies in the lake's own folder`, {
      hint: "write somewhere else; rows come into the lake from drops and models",
    });
  }
  return join(folder, basename(expanded));
}

function realFolder(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

async function interactive(
  call: Call,
  plan: Plan,
  session: QuerySession,
  lake: LazyLake,
): Promise<number> {
  const { startShell, shellFile } = await import("./shell.ts");
  await startShell({
    session,
    lake,
    present: { ...plan.present, timezone: () => session.timezone },
    format: plan.format,
    quiet: call.terminal.quiet,
    version: VERSION,
    openOutput: (path) => shellFile(session, writablePath(path, lake.warehouse)),
  });
  return EXIT.ok;
}

function usage(message: string, hint: string): LakeError {
  return new LakeError("usage", message, { hint });
}
