/** What every command shares: global flags, the terminal, and how a failure becomes an exit code. */

import { readFileSync } from "node:fs";
import type { ArgDef, ArgsDef, CommandDef, ParsedArgs } from "citty";
import { LakeError } from "../core/base/errors.ts";
import type { Json } from "../core/base/json.ts";
import { stringifyJson } from "../core/base/json.ts";
import { nearestWord } from "../core/base/suggest.ts";
import type { Selection } from "../core/model/select.ts";
import { EXIT, errorJson, errorReports, exitCodeOf, problemsOf } from "./exit.ts";
import { type OutputStream, stderr, stdout } from "./render/streams.ts";
import { createStyle, type Style, wantsColor, wrapped } from "./render/style.ts";

/** Flags that every command takes, at any place in the line. */
export const GLOBAL_ARGS = {
  project: { type: "string", alias: "C", valueHint: "DIR", description: "folder of the project" },
  json: { type: "boolean", description: "machine-readable output, one document or event a line" },
  quiet: { type: "boolean", alias: "q", description: "say only what failed" },
  debug: { type: "boolean", description: "stack traces, causes, the engine's own words" },
  color: {
    type: "boolean",
    default: true,
    description: "colours on a terminal",
    negativeDescription: "no colours",
  },
  env: { type: "string", valueHint: "NAME", description: "environment of the variables" },
  var: { type: "string", valueHint: "NAME=VALUE", description: "value of a variable; repeatable" },
  threads: { type: "string", valueHint: "N", description: "threads of the engine" },
  memory: { type: "string", valueHint: "SIZE", description: "memory of all workers together" },
} as const satisfies ArgsDef;

/** Flags by which commands are told which models they are about. */
export const SELECTION_ARGS = {
  select: {
    type: "string",
    alias: "s",
    valueHint: "SEL",
    description: "these models, as words behind the command; repeatable",
  },
  exclude: { type: "string", valueHint: "SEL", description: "leave these out; repeatable" },
} as const satisfies ArgsDef;

/** What the words and flags of a command select. */
export function selectionOf(args: {
  readonly _: readonly string[];
  readonly select?: string | undefined;
  readonly exclude?: string | undefined;
}): Selection {
  const linesOf = (text: string | undefined): string[] => text?.split("\n") ?? [];
  return { select: [...args._, ...linesOf(args.select)], exclude: linesOf(args.exclude) };
}

/** Names of global flags that take a value, for finding the command word behind them. */
export const GLOBAL_VALUE_FLAGS: ReadonlySet<string> = new Set([
  "-C",
  "--project",
  "--env",
  "--var",
  "--threads",
  "--memory",
]);

export type GlobalArgs = ParsedArgs<typeof GLOBAL_ARGS>;

/** Where a command's words go: data to stdout, everything else to stderr. */
export interface Terminal {
  readonly style: Style;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly debug: boolean;
  readonly width: number;
  /** A person watches stderr. */
  readonly interactive: boolean;
  /** A line of data on stdout. */
  line(text: string): void;
  /** A line for people on stderr; nothing under --quiet and --json. */
  note(text: string): void;
  /** One JSON document on stdout. */
  document(value: Json): void;
  /** Prints failures and returns the exit code of the first. */
  failures(thrown: readonly unknown[]): number;
}

export interface Invocation<T extends ArgsDef> {
  readonly args: ParsedArgs<T & typeof GLOBAL_ARGS>;
  readonly terminal: Terminal;
  /** Where the project is looked for. */
  readonly folder: string;
  /** Aborts on Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
}

export interface CommandSpec<T extends ArgsDef> {
  readonly name: string;
  readonly description: string;
  readonly args: T;
  /** Lines shown under the help, pasteable. */
  readonly examples: readonly string[];
  /** The exit code. */
  run(invocation: Invocation<T>): Promise<number>;
}

/** A citty command that never throws: a failure is printed and becomes the exit code. */
export function defineTool<const T extends ArgsDef>(spec: CommandSpec<T>): CommandDef {
  const args = { ...spec.args, ...GLOBAL_ARGS };
  const command: CommandDef<typeof args> = {
    meta: { name: spec.name, description: descriptionOf(spec) },
    args,
    async run({ args: given, rawArgs }) {
      const terminal = terminalFor(given.json === true, given);
      const stop = new AbortController();
      const release = onInterrupt(stop, terminal);
      try {
        refuseUnknown(spec.name, args, rawArgs);
        const folder = typeof given.project === "string" ? given.project : ".";
        const invocation = { args: given, terminal, folder, signal: stop.signal };
        // parse: citty's types do not distribute over a generic set of arguments
        const code = await spec.run(invocation as unknown as Invocation<T>); // parse: see above
        process.exitCode = stop.signal.aborted && code === EXIT.ok ? endedBy(stop.signal) : code;
      } catch (thrown) {
        process.exitCode = terminal.failures(problemsOf(thrown));
      } finally {
        release();
      }
    },
  };
  return command as unknown as CommandDef; // parse: a command with its own arguments is a command
}

export function terminalFor(
  json: boolean,
  flags: { color?: unknown; quiet?: unknown; debug?: unknown },
): Terminal {
  const interactive = stderr.isTerminal;
  const flag = flags.color === false ? false : null;
  const style = createStyle(wantsColor({ isTerminal: interactive, env: process.env, flag }));
  const quiet = flags.quiet === true;
  const debug = flags.debug === true;
  return {
    style,
    json,
    quiet,
    debug,
    width: stdout.columns() ?? 100,
    interactive,
    line: (text) => stdout.write(`${fitted(text, stdout)}\n`),
    note: (text) => {
      if (!quiet && !json) stderr.write(`${fitted(text, stderr)}\n`);
    },
    document: (value) => stdout.write(`${stringifyJson(value)}\n`),
    failures: (thrown) => {
      if (json) for (const each of thrown) stdout.write(`${errorJson(each)}\n`);
      else stderr.write(errorReports(thrown, { style, debug, readText, width: stderr.columns() }));
      return exitCodeOf(thrown[0]);
    },
  };
}

/** A terminal breaks a line wherever it ends; JSON is for copying, and stays as it is. */
function fitted(text: string, stream: OutputStream): string {
  const width = stream.columns();
  return width === null || text.startsWith("{") ? text : wrapped(text, width);
}

function descriptionOf(spec: Pick<CommandSpec<ArgsDef>, "description" | "examples">): string {
  return [spec.description, ...spec.examples.map((example) => `  $ ${example}`)].join("\n");
}

/** citty lets unknown flags pass; a misspelt flag must not be ignored. */
function refuseUnknown(command: string, args: ArgsDef, rawArgs: readonly string[]): void {
  const known = new Set<string>(["help", "h"]);
  for (const [name, def] of Object.entries(args)) {
    known.add(name);
    known.add(name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));
    const alias = "alias" in def ? def.alias : undefined;
    for (const each of alias === undefined ? [] : [alias].flat()) known.add(each);
  }
  for (const raw of rawArgs) {
    if (raw === "--") return;
    const flag = /^--?([A-Za-z][\w-]*)/.exec(raw)?.[1];
    if (flag === undefined || known.has(flag)) continue;
    const positive = flag.replace(/^no-/, "");
    if (known.has(positive)) continue;
    if (!raw.startsWith("--") && [...flag].every((letter) => known.has(letter))) continue;
    const near = nearestWord(flag, known);
    throw new LakeError("usage", `tarn ${command} has no flag "${raw.split("=")[0]}"`, {
      hint: near === null ? `see: tarn ${command} --help` : `did you mean "--${near}"?`,
      page: "T0102",
    });
  }
}

function endedBy(signal: AbortSignal): number {
  return signal.reason === "SIGTERM" ? EXIT.terminated : EXIT.interrupted;
}

/** The first Ctrl-C ends work at the next safe point, the second ends the process: commits are atomic. */
function onInterrupt(stop: AbortController, { interactive, note }: Terminal): () => void {
  const handle = (signal: NodeJS.Signals): void => {
    if (stop.signal.aborted)
      process.exit(signal === "SIGTERM" ? EXIT.terminated : EXIT.interrupted);
    // At once, whatever is being done: whoever pressed the key is to know that it was heard.
    if (interactive) note("\n  stops when what runs is whole · Ctrl-C again ends at once");
    stop.abort(signal);
  };
  process.on("SIGINT", handle);
  process.on("SIGTERM", handle);
  return () => {
    process.off("SIGINT", handle);
    process.off("SIGTERM", handle);
  };
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}

/**
 * Reads flags in the ways of getopt: `--name value`, `--name=value`, `--no-name`, `-n value`, `-nvalue`, `-qn value`.
 * The last of several wins, but for those that may be repeated. Other words are `_`, and so is everything behind `--`.
 * Flags that are not in `defs` are read as switches, for the command to refuse. A flag without its value is empty.
 */
export function parseArguments(words: readonly string[], defs: ArgsDef): ParsedArgs<ArgsDef> {
  const flags = flagsOf(defs);
  const others: string[] = [];
  const values: Record<string, string | boolean> = {};
  for (const [name, def] of Object.entries(defs)) {
    if (typeof def.default === "string" || typeof def.default === "boolean") {
      values[name] = def.default;
    }
  }
  const take = (name: string, given: string): void => {
    const before = REPEATED.has(name) ? values[name] : undefined;
    values[name] = before === undefined ? given : `${before}\n${given}`;
  };
  const pending = [...words];
  for (let word = pending.shift(); word !== undefined; word = pending.shift()) {
    if (word === "--") {
      others.push(...pending.splice(0));
    } else if (word.startsWith("--")) {
      const { name, value } = splitFlag(word.slice(2));
      const flag = flags.get(name);
      if (name.startsWith("no-") && flag === undefined) values[name.slice(3)] = false;
      else if (flag?.takesValue === true) take(flag.name, value ?? pending.shift() ?? "");
      else values[flag?.name ?? name] = value !== "false";
    } else if (/^-[A-Za-z]/.test(word)) {
      const letter = word.charAt(1);
      const rest = word.slice(2);
      const flag = flags.get(letter);
      if (flag?.takesValue === true) {
        take(flag.name, rest !== "" ? rest : (pending.shift() ?? ""));
      } else {
        values[flag?.name ?? letter] = true;
        if (rest !== "") pending.unshift(`-${rest}`);
      }
    } else {
      others.push(word);
    }
  }
  // parse: values are read by the types of `defs`
  return { ...values, _: others } as ParsedArgs<ArgsDef>; // parse: see above
}

/** Flags of which each counts; a line each. */
const REPEATED: ReadonlySet<string> = new Set(["var", "select", "exclude"]);

interface Flag {
  readonly name: string;
  readonly takesValue: boolean;
}

/** Flags by their names and letters. */
function flagsOf(defs: ArgsDef): ReadonlyMap<string, Flag> {
  const flags = new Map<string, Flag>();
  for (const [name, def] of Object.entries(defs)) {
    if (def.type === "positional") continue;
    const flag = { name, takesValue: def.type === "string" };
    for (const each of [name, ...aliasesOf(def)]) flags.set(each, flag);
  }
  return flags;
}

function aliasesOf(def: ArgDef): readonly string[] {
  const alias = "alias" in def ? def.alias : undefined;
  return alias === undefined ? [] : [alias].flat();
}

function splitFlag(flag: string): { readonly name: string; readonly value: string | null } {
  const equals = flag.indexOf("=");
  if (equals < 0) return { name: flag, value: null };
  return { name: flag.slice(0, equals), value: flag.slice(equals + 1) };
}
