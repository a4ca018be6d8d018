/** Steps that are not SQL: what a program makes of the rows of a model's query, and how it is called. */

import {
  below,
  type Cursor,
  duration,
  list,
  nullable,
  oneOf,
  optional,
  report,
  size,
  text,
} from "../config/shape.ts";

/** A file of the project that a step is made of. */
export interface StepFile {
  /** From the project's folder on. */
  readonly path: string;
  /** Hexadecimal sha256 of its bytes. */
  readonly hash: string;
}

/** A program: Arrow IPC in, Arrow IPC out. */
export interface Step {
  /** The program and its arguments; no shell reads them. */
  readonly command: readonly string[];
  /** Files whose content is part of the model's version: those that the command names, and `files`. */
  readonly files: readonly StepFile[];
  /** Variables of the environment that it sees. */
  readonly env: readonly string[];
  /** Whether what it makes of a row depends on that row alone. */
  readonly rows: "all" | "each";
  readonly timeoutMs: number;
  readonly memoryBytes: number;
  readonly outputBytes: number;
}

const NO_TEXTS: readonly string[] = [];
const NO_COMMAND: readonly string[] | null = null;
const TIMEOUT_MS = 10 * 60_000;
const MEMORY_BYTES = 1024 ** 3;
const OUTPUT_BYTES = 1024 ** 3;
const ENV_NAME = /^[A-Za-z_]\w*$/;

/** Settings of `kind: exec`. */
export const STEP_KEYS = {
  run: optional(
    nullable(list(text({ examples: ["steps/score.ts", "python3 steps/score.py"] }))),
    NO_COMMAND,
    "exec: the program with its arguments, which no shell reads; a .ts file alone is run by tarn itself.",
  ),
  files: optional(
    list(text({ examples: ["steps/model.bin"] })),
    NO_TEXTS,
    "exec: files of the project that the program reads; another content makes the model due.",
  ),
  env: optional(
    list(
      text({
        check: (name) => (ENV_NAME.test(name) ? null : `"${name}" cannot name a variable`),
        examples: ["SCORE_KEY"],
      }),
    ),
    NO_TEXTS,
    "exec: variables of the environment, or secrets, that the program sees. Default: none but PATH.",
  ),
  rows: optional(
    oneOf(["all", "each"]),
    "all",
    "exec: each says that what it makes of a row depends on that row alone: new rows are enough for it then.",
  ),
  timeout: optional(duration(), TIMEOUT_MS, "exec: how long the program may take."),
  memory: optional(size(), MEMORY_BYTES, "exec: memory that the program may hold."),
  output: optional(size(), OUTPUT_BYTES, "exec: bytes that the program may write."),
};

export interface StepValues {
  readonly kind: string;
  readonly run: readonly string[] | null;
  readonly files: readonly string[];
  readonly env: readonly string[];
  readonly rows: "all" | "each";
  readonly timeout: number;
  readonly memory: number;
  readonly output: number;
  readonly columns: { readonly types: unknown } | null;
}

/** Hexadecimal sha256 of a file of the project; null where there is no such file. */
export type FileHash = (path: string) => string | null;

/** A word of a command that can only be meant as a file of the project. */
const PATH_WORD = /^(?![-/]).*(?:\/|\.(?:ts|mts|js|mjs|py|rb|sh|pl|r|jl|jar|wasm)$)/i;

/** The step of a model, or null; reports what is missing, or means nothing for its kind. */
export function stepFrom(values: StepValues, hashOf: FileHash, cursor: Cursor): Step | null {
  const { kind, run, files, env, rows, timeout, memory, output } = values;
  if (kind !== "exec") {
    const isGiven = {
      run: run !== null,
      files: files.length > 0,
      env: env.length > 0,
      rows: rows !== "all",
      timeout: timeout !== TIMEOUT_MS,
      memory: memory !== MEMORY_BYTES,
      output: output !== OUTPUT_BYTES,
    };
    for (const [key, given] of Object.entries(isGiven)) {
      if (!given) continue;
      const message = `${key} means nothing for kind ${kind}`;
      report(below(cursor, key), message, "write kind: exec, or take it out", "key");
    }
    return null;
  }
  const command = run?.length === 1 ? (run[0] ?? "").trim().split(/\s+/) : (run ?? []);
  if (command.length === 0 || command[0] === "") {
    const hint = "add a line such as: run: steps/score.ts";
    report(below(cursor, "kind"), "an exec needs a program", hint);
    return null;
  }
  if (values.columns !== null && values.columns.types === null) {
    const hint = "write their types too: columns: { id: bigint, score: double }";
    report(below(cursor, "columns"), "columns of an exec have types", hint);
  }
  const found: StepFile[] = [];
  const add = (word: string, key: string, isFile: boolean): void => {
    const path = word.replace(/^\.\//, "");
    const hash = path.startsWith("/") || path.split("/").includes("..") ? null : hashOf(path);
    if (hash !== null) found.push({ path, hash });
    else if (isFile) {
      const hint = "a step's files are in the project, and named from its folder on";
      report(below(cursor, key), `there is no file ${word}`, hint);
    }
  };
  for (const word of command) add(word, "run", PATH_WORD.test(word));
  for (const word of files) add(word, "files", true);
  return {
    command,
    files: found,
    env,
    rows,
    timeoutMs: timeout,
    memoryBytes: memory,
    outputBytes: output,
  };
}

/** The part of a step that decides its rows. */
export function stepMeaning({ command, files, env, rows }: Step): unknown {
  return [command, files.map(({ path, hash }) => [path, hash]), env, rows];
}

/** True for a program that tarn runs itself. */
export function isOwnStep({ command }: Step): boolean {
  return command.length === 1 && /\.m?ts$/i.test(command[0] ?? "");
}
