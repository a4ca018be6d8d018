/** Commands of the shell itself: `.tables` and its kin, and psql's backslash spellings of them. */

import { LakeError } from "../../core/base/errors.ts";
import { suggestion } from "../../core/base/suggest.ts";

/** What a command may do; the shell implements it. */
export interface CommandHost {
  tables(pattern: string | null): Promise<void>;
  schema(table: string): Promise<void>;
  snapshots(table: string): Promise<void>;
  asOf(moment: string): Promise<void>;
  mode(name: string): void;
  toggleExpanded(): void;
  timer(on: boolean | null): void;
  /** Where results go: a file, or null for the screen; `once` for the next result only. */
  output(path: string | null, once: boolean): Promise<void>;
  read(path: string): Promise<void>;
  last(): Promise<void>;
  history(count: number): void;
  show(): void;
  quit(): void;
  print(text: string): void;
}

export interface DotCommand {
  readonly names: readonly string[];
  /** What completion offers for the argument. */
  readonly completes: readonly string[] | "table" | "none";
  readonly usage: string;
  readonly help: string;
  /** Fewest words after the name. */
  readonly wordsMin: number;
  run(host: CommandHost, words: readonly string[]): Promise<void> | void;
}

export const DOT_COMMANDS: readonly DotCommand[] = [
  {
    names: [".tables", "\\dt", "\\l", "\\dn"],
    completes: "table",
    usage: ".tables [PATTERN]",
    help: "tables with rows and age; * and ? match",
    wordsMin: 0,
    run: (host, [pattern]) => host.tables(pattern ?? null),
  },
  {
    names: [".schema", "\\d"],
    completes: "table",
    usage: ".schema TABLE",
    help: "columns and types of a table",
    wordsMin: 0,
    run: (host, [table]) => (table === undefined ? host.tables(null) : host.schema(table)),
  },
  {
    names: [".snapshots", ".log"],
    completes: "table",
    usage: ".snapshots TABLE",
    help: "snapshots of a table, newest first",
    wordsMin: 1,
    run: (host, [table = ""]) => host.snapshots(table),
  },
  {
    names: [".asof"],
    completes: ["off", "-1h", "-1d", "yesterday", "tag:"],
    usage: ".asof TIME|-2h|tag:NAME|off",
    help: "read every table as of a moment",
    wordsMin: 1,
    run: (host, words) => host.asOf(words.join(" ")),
  },
  {
    names: [".mode"],
    completes: ["box", "csv", "json", "jsonl", "line", "markdown", "tsv"],
    usage: ".mode FORMAT",
    help: "box, csv, tsv, json, jsonl, markdown or line",
    wordsMin: 1,
    run: (host, [name = ""]) => host.mode(name),
  },
  {
    names: ["\\x"],
    completes: "none",
    usage: "\\x",
    help: "one value a line, on and off",
    wordsMin: 0,
    run: (host) => host.toggleExpanded(),
  },
  {
    names: [".timer", "\\timing"],
    completes: ["on", "off"],
    usage: ".timer on|off",
    help: "time in the footer",
    wordsMin: 0,
    run: (host, [word]) => host.timer(switchOf(".timer", word)),
  },
  {
    names: [".output", "\\o"],
    completes: "none",
    usage: ".output [FILE]",
    help: "results to a file, as its ending says; to the screen again without one",
    wordsMin: 0,
    run: (host, [path]) => host.output(path ?? null, false),
  },
  {
    names: [".once", "\\g"],
    completes: "none",
    usage: ".once FILE",
    help: "the next result to a file: .csv .json .parquet .xlsx … and .gz of them",
    wordsMin: 1,
    run: (host, [path]) => host.output(path ?? null, true),
  },
  {
    names: [".read", "\\i"],
    completes: "none",
    usage: ".read FILE",
    help: "run the statements of a file",
    wordsMin: 1,
    run: (host, [path = ""]) => host.read(path),
  },
  {
    names: [".last"],
    completes: "none",
    usage: ".last",
    help: "the last result again, with every row and column",
    wordsMin: 0,
    run: (host) => host.last(),
  },
  {
    names: [".history", "\\s"],
    completes: "none",
    usage: ".history [N]",
    help: "what was run before; Ctrl+R searches",
    wordsMin: 0,
    run: (host, [count]) => host.history(countOf(count)),
  },
  {
    names: [".show"],
    completes: "none",
    usage: ".show",
    help: "settings of the shell",
    wordsMin: 0,
    run: (host) => host.show(),
  },
  {
    names: [".help", "\\?", "\\h"],
    completes: "none",
    usage: ".help",
    help: "this list",
    wordsMin: 0,
    run: (host) => host.print(helpText()),
  },
  {
    names: [".quit", ".exit", "\\q"],
    completes: "none",
    usage: ".quit",
    help: "leave; Ctrl+D does it too",
    wordsMin: 0,
    run: (host) => host.quit(),
  },
];

/** For completion: every spelling with what its argument is. */
export function commandCompletions(): ReadonlyMap<string, readonly string[] | "table" | "none"> {
  const all = DOT_COMMANDS.flatMap((command) =>
    command.names.map((name) => [name, command.completes] as const),
  );
  return new Map(all);
}

/** Runs one line. Throws `usage` for an unknown command, with the nearest known one. */
export async function runDotCommand(line: string, host: CommandHost): Promise<void> {
  const [name = "", ...words] = splitWords(line.trim().replace(/;\s*$/, ""));
  const command = DOT_COMMANDS.find((each) => each.names.includes(name));
  if (command === undefined) {
    const known = DOT_COMMANDS.flatMap((each) => each.names);
    const near = suggestion(
      name,
      known.filter((each) => each[0] === name[0]),
      "commands",
    );
    throw new LakeError("usage", `there is no command "${name}"`, {
      hint: near.startsWith("known") ? ".help lists the commands" : near,
    });
  }
  if (words.length < command.wordsMin) {
    throw new LakeError("usage", `${name} needs more: ${command.usage}`, { hint: command.help });
  }
  await command.run(host, words);
}

function helpText(): string {
  const width = Math.max(...DOT_COMMANDS.map((command) => command.usage.length));
  const lines = DOT_COMMANDS.map((command) => {
    const aliases = command.names.filter((name) => !command.usage.startsWith(name));
    const also = aliases.length === 0 ? "" : `   (${aliases.join(" ")})`;
    return `  ${command.usage.padEnd(width)}   ${command.help}${also}`;
  });
  const keys = [
    "",
    "  Enter runs a statement that ends in ; · Alt+Enter breaks the line · Tab completes",
    "  Ctrl+R searches the history · Ctrl+C cancels or clears · Ctrl+D leaves",
    "",
    "  Time travel: from silver.orders at (version => 5), at (timestamp => '…'), orders@-1",
  ];
  return `${[...lines, ...keys].join("\n")}\n`;
}

/** Words by blanks; quotes keep blanks together and fall away. */
function splitWords(line: string): string[] {
  const words: string[] = [];
  for (const [, single, double, plain] of line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)) {
    words.push(single ?? double ?? plain ?? "");
  }
  return words;
}

function switchOf(name: string, word: string | undefined): boolean | null {
  if (word === undefined) return null;
  if (["on", "yes", "true", "1"].includes(word)) return true;
  if (["off", "no", "false", "0"].includes(word)) return false;
  throw new LakeError("usage", `${name} takes on or off, not "${word}"`, { hint: `${name} on` });
}

const HISTORY_SHOWN = 20;

function countOf(word: string | undefined): number {
  if (word === undefined) return HISTORY_SHOWN;
  if (/^\d{1,6}$/.test(word)) return Number(word);
  throw new LakeError("usage", `.history takes a number, not "${word}"`, { hint: ".history 50" });
}
