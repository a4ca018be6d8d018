/** The command tree: what `tarn` can do, each command loaded when it is named. */

import type { ArgsDef, CommandDef } from "citty";
import { LakeError } from "../core/base/errors.ts";
import { own } from "../core/base/json.ts";
import { nearestWord } from "../core/base/suggest.ts";
import { GLOBAL_ARGS, GLOBAL_VALUE_FLAGS, parseArguments, terminalFor } from "./command.ts";
import { BUILD, VERSION } from "./version.ts";

const load = {
  init: () => import("./commands/init.ts").then((module) => module.command),
  dev: () => import("./commands/up.ts").then((module) => module.devCommand),
  up: () => import("./commands/up.ts").then((module) => module.command),
  sql: () => import("./shell/sql.ts").then((module) => module.command),
  status: () => import("./commands/status.ts").then((module) => module.command),
  ls: () => import("./commands/ls.ts").then((module) => module.command),
  show: () => import("./commands/show.ts").then((module) => module.command),
  log: () => import("./commands/log.ts").then((module) => module.command),
  diff: () => import("./commands/diff.ts").then((module) => module.command),
  load: () => import("./commands/load.ts").then((module) => module.command),
  quarantine: () => import("./commands/quarantine.ts").then((module) => module.command),
  check: () => import("./commands/check.ts").then((module) => module.command),
  plan: () => import("./commands/plan.ts").then((module) => module.command),
  build: () => import("./commands/build.ts").then((module) => module.command),
  test: () => import("./commands/test.ts").then((module) => module.command),
  retry: () => import("./commands/retry.ts").then((module) => module.command),
  replay: () => import("./commands/replay.ts").then((module) => module.command),
  reread: () => import("./commands/reread.ts").then((module) => module.command),
  repair: () => import("./commands/repair.ts").then((module) => module.command),
  undo: () => import("./commands/undo.ts").then((module) => module.command),
  restore: () => import("./commands/restore.ts").then((module) => module.command),
  tag: () => import("./commands/tag.ts").then((module) => module.command),
  branch: () => import("./commands/branch.ts").then((module) => module.command),
  source: () => import("./commands/source.ts").then((module) => module.command),
  reconcile: () => import("./commands/reconcile.ts").then((module) => module.command),
  secret: () => import("./commands/secret.ts").then((module) => module.command),
  contract: () => import("./commands/contract.ts").then((module) => module.command),
  drop: () => import("./commands/drop.ts").then((module) => module.command),
  forget: () => import("./commands/forget.ts").then((module) => module.command),
  maintain: () => import("./commands/maintain.ts").then((module) => module.command),
  doctor: () => import("./commands/doctor.ts").then((module) => module.command),
  "add-files": () => import("./commands/add-files.ts").then((module) => module.command),
  register: () => import("./commands/register.ts").then((module) => module.command),
  import: () => import("./commands/import.ts").then((module) => module.command),
  export: () => import("./commands/export.ts").then((module) => module.command),
  artifacts: () => import("./commands/artifacts.ts").then((module) => module.command),
  backup: () => import("./commands/backup.ts").then((module) => module.command),
  relocate: () => import("./commands/relocate.ts").then((module) => module.command),
  connect: () => import("./commands/connect.ts").then((module) => module.command),
  config: () => import("./commands/config.ts").then((module) => module.command),
  explain: () => import("./commands/explain.ts").then((module) => module.command),
} satisfies Record<string, () => Promise<CommandDef>>;

type Name = keyof typeof load;

/** Other words for a command. */
export const ALIASES: Readonly<Record<string, Name>> = { rejects: "quarantine" };

/** Words that a command takes besides its flags, which citty knows only by fixed places. */
export const WORDS: Readonly<Partial<Record<string, string>>> = {
  init: "[DIR]",
  ls: "[SEL…]",
  show: "TABLE[@VERSION]",
  log: "[TABLE]",
  diff: "TABLE@VERSION [TABLE@VERSION]",
  load: "FILE…|-",
  quarantine: "list|show|retry|drop|export|load [SOURCE]",
  plan: "[SEL…]",
  build: "[SEL…]",
  test: "[SEL…]",
  replay: "SEL…|FILE.ts",
  reread: "SOURCE…",
  repair: "[SEL…]",
  undo: "RUN|MODEL",
  restore: "TABLE",
  tag: "[NAME]",
  branch: "[create|audit|promote|cherry-pick|drop] [NAME] [TABLE…]",
  source: "ls|check|discover|models|pause|resume|resnapshot [NAME]",
  reconcile: "[SOURCE…]",
  secret: "set|ls|rm [NAME]",
  contract: "log|show|export TABLE, check FILE",
  drop: "TABLE",
  forget: "FILE|SOURCE",
  maintain: "compact|manifests|expire|orphans|all [TABLE]",
  "add-files": "TABLE FILE|DIR…",
  register: "NAME METADATA.json|DIR",
  import: "FILE|DIR [TABLE…]",
  export: "TABLE|QUERY",
  backup: "DIR",
  connect: "spark|pyiceberg|duckdb",
  config: "[show|schema]",
  explain: "[CODE|watermark [MODEL]]",
};

/** Commands by what they are for, one line each; the help prints exactly these. */
export const HELP: readonly (readonly [string, readonly (readonly [Name, string])[]])[] = [
  [
    "Start",
    [
      ["init", "new project from a template"],
      ["dev", "watch, check and build as you edit"],
      ["up", "watch and build, for ever"],
    ],
  ],
  [
    "Look",
    [
      ["sql", "SQL shell, or one query"],
      ["status", "what is fresh, waiting, failing"],
      ["ls", "tables and models"],
      ["show", "first rows of a table or model"],
      ["source", "where rows come from; check, pause, resume"],
      ["log", "commits"],
      ["contract", "columns and types of what lands, in versions"],
      ["diff", "rows that differ between two moments"],
    ],
  ],
  [
    "Load",
    [
      ["load", "land files by hand, or stdin"],
      ["add-files", "Parquet files into a table, as they are"],
      ["register", "an Iceberg table of another catalog"],
      ["import", "tables of DuckDB and SQLite files, folders of Parquet"],
      ["quarantine", "rows set aside: list, show, retry, drop, export, load"],
    ],
  ],
  [
    "Build",
    [
      ["check", "validate without touching data"],
      ["plan", "what a build would do, and why"],
      ["build", "land and build once"],
      ["test", "what must hold, and unit tests of models"],
      ["retry", "build again what failed, and what waits for it"],
    ],
  ],
  [
    "Time",
    [
      ["replay", "compute models again over bronze"],
      ["reread", "read all files of a source again, as tarn.yaml says"],
      ["repair", "compute windows again that rows came too late for"],
      ["restore", "set a table back"],
      ["undo", "take back what a run published"],
      ["tag", "name a moment"],
      ["branch", "stage rows beside main, audit them, make them main"],
    ],
  ],
  [
    "Keep",
    [
      ["maintain", "make small files one, fold deletes"],
      ["drop", "take a table out of the lake"],
      ["forget", "take a file, or all of a source, out of the lake"],
      ["reconcile", "compare what was delivered with its sources"],
      ["secret", "values that tarn.yaml only names: set, ls, rm"],
      ["doctor", "check the installation and the lake"],
      ["export", "a table or a query's result to files"],
      ["artifacts", "manifest.json and run_results.json of a dbt project"],
      ["backup", "copy the lake as of one moment, while it is used"],
      ["relocate", "adopt a moved or copied lake"],
      ["connect", "settings for Spark, PyIceberg, DuckDB"],
      ["config", "configuration in force, or its schema"],
      ["explain", "what an error means"],
    ],
  ],
];

/** Runs one command line; sets the exit code and never throws. */
export async function runTree(argv: readonly string[]): Promise<void> {
  const { words, help } = reorder(argv);
  const [first, ...rest] = words;
  const terminal = terminalFor(argv.includes("--json"), {
    color: argv.includes("--no-color") ? false : undefined,
  });
  if (first === "--version" || first === "version") {
    terminal.line(`tarn ${VERSION} (${BUILD})`);
    return;
  }
  if (first === "--spec") {
    terminal.document(await spec());
    return;
  }
  const asksHelp = first === undefined || first === "help" || first.startsWith("-");
  if (asksHelp) {
    const topic = first === "help" ? rest[0] : undefined;
    if (topic === undefined) return terminal.line(overview());
    return printUsage(topic, terminal);
  }
  if (help) return printUsage(first, terminal);
  if (first === "sql") (await import("./shell/engine.ts")).openEngineEarly();
  const command = await commandNamed(first, terminal);
  if (command === null) return;
  const args = parseArguments(rest, (await resolved(command.args)) ?? {});
  await command.run?.({ rawArgs: rest, args, cmd: command });
}

/** Global flags may stand before the command; the command's own words keep their order. */
export function reorder(argv: readonly string[]): { words: string[]; help: boolean } {
  const before: string[] = [];
  let index = 0;
  for (; index < argv.length; index++) {
    const word = argv[index] ?? "";
    if (!word.startsWith("-") || word === "--version" || word === "--spec") break;
    before.push(word);
    if (GLOBAL_VALUE_FLAGS.has(word)) before.push(argv[++index] ?? "");
  }
  const [command, ...rest] = argv.slice(index);
  const own = rest.slice(0, rest.indexOf("--") < 0 ? undefined : rest.indexOf("--"));
  const help = [...before, ...own].some((word) => word === "--help" || word === "-h");
  if (command === undefined) return { words: [], help };
  return { words: [command, ...before, ...rest], help };
}

async function commandNamed(
  name: string,
  terminal: ReturnType<typeof terminalFor>,
): Promise<CommandDef | null> {
  const known = own(ALIASES, name) ?? Object.keys(load).find((each) => each === name);
  const loader = Object.entries(load).find(([each]) => each === known)?.[1];
  if (loader !== undefined) return loader();
  const near = nearestWord(name, [...Object.keys(load), ...Object.keys(ALIASES)]);
  const error = new LakeError("usage", `there is no command "${name}"`, {
    hint: near === null ? "see: tarn help" : `did you mean "tarn ${near}"?`,
    page: "T0102",
  });
  process.exitCode = terminal.failures([error]);
  return null;
}

async function printUsage(name: string, terminal: ReturnType<typeof terminalFor>): Promise<void> {
  const command = await commandNamed(name, terminal);
  if (command === null) return;
  const { renderUsage } = await import("citty");
  const usage = await renderUsage(command, { meta: { name: "tarn" } });
  const known = own(ALIASES, name) ?? name;
  const words = own(WORDS, known) ?? "";
  const whole = usage
    .replace(/\[OPTIONS\] /, (options) => `${options}${words}`)
    // The usage says the name; blanks at the end of a line would begin another.
    .replace(new RegExp(` \\(tarn ${known}\\)`), "")
    .replace(/ +$/gm, "")
    .trimEnd();
  const { COMMAND_WORDS } = await import("./reference/command-words.ts");
  const each = Object.entries(own(COMMAND_WORDS, known) ?? {});
  const width = Math.max(...each.map(([word]) => word.length));
  const lines = each.map(([word, text]) => `  ${word.padEnd(width)}  ${text}`);
  const more = lines.length === 0 ? "" : `\n\nWORDS\n\n${lines.join("\n")}`;
  terminal.line((terminal.style.enabled ? whole : Bun.stripANSI(whole)) + more);
}

function overview(): string {
  const lines = ["tarn: a whole lakehouse in one program", "", "  tarn <command> [flags]", ""];
  for (const [group, commands] of HELP) {
    for (const [index, [name, text]] of commands.entries()) {
      lines.push(`  ${(index === 0 ? group : "").padEnd(8)}${name.padEnd(12)}${text}`);
    }
  }
  lines.push("", "  tarn help <command> · tarn explain T0203 · tarn --version");
  return lines.join("\n");
}

/** The whole tree as data, for agents, editors and the reference. */
export async function spec() {
  const commands = await Promise.all(
    Object.entries(load).map(async ([name, loader]) => {
      const command = await loader();
      const meta = await resolved(command.meta);
      const args: ArgsDef = (await resolved(command.args)) ?? {};
      const flags = Object.entries(args).map(([flag, def]) => ({
        name: flag,
        type: String(def.type ?? "string"),
        value: "valueHint" in def ? (def.valueHint ?? null) : null,
        letter: "alias" in def && typeof def.alias === "string" ? def.alias : null,
        description: def.description ?? "",
        global: flag in GLOBAL_ARGS,
      }));
      // The examples stand below the description, as the help prints them.
      const [description = "", ...examples] = (meta?.description ?? "").split("\n");
      return {
        name,
        description,
        examples: examples.map(example),
        words: WORDS[name] ?? "",
        flags,
      };
    }),
  );
  return { schema: "tarn.spec/1", version: VERSION, commands };
}

function example(line: string): string {
  return line.replace(/^\s*\$ /, "");
}

async function resolved<T>(value: T | (() => T) | (() => Promise<T>) | Promise<T>): Promise<T> {
  // parse: citty's Resolvable is a value, a promise of it, or a function that gives either
  return typeof value === "function" ? await (value as () => Promise<T>)() : await value; // parse: above
}
