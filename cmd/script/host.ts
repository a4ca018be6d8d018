/** The process that runs a replay script: it makes the module "tarn" that the script imports. */

import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { pathToFileURL } from "node:url";
import { plugin } from "bun";
import { errorText, LakeError } from "../../core/base/errors.ts";
import { isJsonObject, type Json, type JsonObject, parseJson } from "../../core/base/json.ts";
import { quoteLiteral } from "../../sql/syntax/quote.ts";
import { type Terminal, terminalFor } from "../command.ts";
import { EXIT } from "../exit.ts";
import { openSession, type Session } from "../open.ts";
import { selfCommand } from "../worker.ts";
import { scriptRows } from "./rows.ts";

interface ScriptOptions {
  readonly path: string;
  readonly folder: string;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly debug: boolean;
  readonly color: boolean;
}

/** A condition of the script that does not hold: its own failure, exit code 1. */
class ScriptAssertion extends Error {}

/** Runs the script named by the options and ends the process with its exit code. */
export async function runScriptProcess(text: string): Promise<void> {
  const options = parseOptions(text);
  const terminal = terminalFor(options.json, { color: options.color ? undefined : false });
  process.exitCode = await runHere(options, terminal);
}

async function runHere(options: ScriptOptions, terminal: Terminal): Promise<number> {
  const broken = syntaxError(options.path);
  if (broken !== null) return terminal.failures([broken]);
  const host = new ScriptHost(options, terminal);
  const exports = host.module();
  plugin({
    name: "tarn",
    setup(build) {
      build.module("tarn", () => ({ exports, loader: "object" }));
    },
  });
  try {
    await import(pathToFileURL(options.path).href);
    if (terminal.json) terminal.document({ event: "done", replays: host.replays });
    return EXIT.ok;
  } catch (thrown) {
    const name = relative(process.cwd(), options.path);
    if (thrown instanceof LakeError) return terminal.failures([thrown]);
    const what = thrown instanceof ScriptAssertion ? "does not hold" : "failed";
    terminal.failures([
      new LakeError("expectation", `${name} ${what}: ${errorText(thrown)}`, {
        hint: "replays before this point are published, each as one commit: tarn log",
        cause: thrown,
      }),
    ]);
    return EXIT.data;
  }
}

class ScriptHost {
  readonly #options: ScriptOptions;
  readonly #terminal: Terminal;
  replays = 0;

  constructor(options: ScriptOptions, terminal: Terminal) {
    this.#options = options;
    this.#terminal = terminal;
  }

  /** What the script imports; described for editors in .tarn/types/tarn.d.ts. */
  module(): Record<string, unknown> {
    const rows = (text: TemplateStringsArray, ...values: unknown[]) => this.#query(text, values);
    const one = async (text: TemplateStringsArray, ...values: unknown[]): Promise<Json> => {
      const [first] = await this.#query(text, values);
      return Object.values(first ?? {})[0] ?? null;
    };
    return {
      sql: Object.assign(rows, { one }),
      replay: (request: unknown) => this.#replay(request),
      assert: ASSERT,
      dryRun: this.#options.dryRun,
      log: (message: unknown) => {
        if (this.#terminal.json)
          this.#terminal.document({ event: "log", message: String(message) });
        else this.#terminal.line(String(message));
      },
    };
  }

  async #query(
    text: TemplateStringsArray,
    values: readonly unknown[],
  ): Promise<Record<string, Json>[]> {
    const sql = text.reduce((all, part, index) =>
      index === 0 ? part : `${all}${literal(values[index - 1])}${part}`,
    );
    await using session: Session = await openSession(
      { folder: this.#options.folder, args: {} },
      { engine: null },
    );
    return await scriptRows(session, sql);
  }

  /** A command of its own, so that it takes the lease or asks the running engine like any other. */
  async #replay(request: unknown): Promise<JsonObject> {
    const words = replayWords(request);
    const dry = this.#options.dryRun ? ["--dry-run"] : [];
    const command = [...selfCommand(), "-C", this.#options.folder, "replay", ...words, ...dry];
    const child = Bun.spawn([...command, "--json"], { stdout: "pipe", stderr: "inherit" });
    const [code, output] = await Promise.all([child.exited, new Response(child.stdout).text()]);
    const line = output.trim().split("\n").at(-1) ?? "";
    const answer = line === "" ? null : parseJson(line);
    if (code !== EXIT.ok || !isJsonObject(answer)) throw replayFailed(answer, code);
    this.replays += 1;
    this.#show(answer);
    const tables = Array.isArray(answer.tables) ? answer.tables : [];
    return {
      published: answer.commit !== null,
      tables: tables.filter(isJsonObject).map((table) => ({
        name: table.model ?? null,
        added: count(table.added),
        removed: count(table.removed),
        changed: count(table.changed),
      })),
    };
  }

  #show(answer: JsonObject): void {
    if (this.#terminal.json) {
      this.#terminal.document({ event: "replay", ...answer });
      return;
    }
    const tables = Array.isArray(answer.tables) ? answer.tables.filter(isJsonObject) : [];
    for (const table of tables) {
      const delta = `+${table.added} ~${table.changed} -${table.removed}`;
      this.#terminal.line(`  ${String(table.model).padEnd(24)} ${delta}`);
    }
    const end = answer.commit === null ? "nothing was written" : `commit ${answer.commit}`;
    this.#terminal.line(`  ${end}`);
  }
}

const ASSERT = {
  ok(value: unknown, message?: string): void {
    if (!value) throw new ScriptAssertion(message ?? `${String(value)} is not true`);
  },
  equal(actual: unknown, expected: unknown, message?: string): void {
    const same = actual === expected || String(actual) === String(expected);
    if (!same) throw new ScriptAssertion(message ?? `${String(actual)} is not ${String(expected)}`);
  },
  lessThan(actual: number | bigint, limit: number | bigint, message?: string): void {
    if (!(actual < limit))
      throw new ScriptAssertion(message ?? `${actual} is not less than ${limit}`);
  },
};

/** Words of the command line for a request; refuses what it does not know. */
function replayWords(request: unknown): string[] {
  if (!isJsonObject(request)) throw badRequest("it takes an object");
  const select = [request.select].flat().filter((each) => typeof each === "string");
  if (select.length === 0) throw badRequest("select is missing");
  const words = [...select];
  const known = new Set([
    "why",
    "select",
    "from",
    "to",
    "by",
    "at",
    "code",
    "fromOriginals",
    "promote",
  ]);
  for (const [name, value] of Object.entries(request)) {
    if (!known.has(name)) throw badRequest(`it knows no "${name}"`);
    if (name === "select" || value === undefined || value === null) continue;
    if (name === "fromOriginals") {
      if (value === true) words.push("--from-originals");
    } else if (name === "promote") {
      if (value === true) words.push("--promote");
    } else words.push(`--${name}=${String(value)}`);
  }
  return words;
}

function badRequest(why: string): LakeError {
  return new LakeError("usage", `replay({…}) in the script: ${why}`, {
    hint: 'replay({ why: "…", select: "silver.orders+", from: "2026-11-01", to: "2026-11-15" })',
  });
}

function replayFailed(answer: Json, code: number): LakeError {
  const error = isJsonObject(answer) && isJsonObject(answer.error) ? answer.error : null;
  const message = typeof error?.message === "string" ? error.message : `exit code ${code}`;
  const hint = typeof error?.hint === "string" ? { hint: error.hint } : {};
  return new LakeError("expectation", `a replay of the script failed: ${message}`, hint);
}

/** Bun's own message of a syntax error has no place when it comes from an import. */
function syntaxError(path: string): LakeError | null {
  const source = readFileSync(path, "utf8");
  try {
    new Bun.Transpiler({ loader: "ts" }).scan(source);
    return null;
  } catch (thrown) {
    const position = placeOf(thrown);
    return new LakeError("usage", `the script is not TypeScript: ${errorText(thrown)}`, {
      hint: "nothing was run",
      place: { file: relative(process.cwd(), path), ...position },
    });
  }
}

function placeOf(thrown: unknown): { line: number; column: number } {
  const nested = thrown instanceof AggregateError ? thrown.errors[0] : thrown;
  const position = isJsonObject(nested) && isJsonObject(nested.position) ? nested.position : null;
  const number = (value: Json | undefined): number => (typeof value === "number" ? value : 1);
  return { line: number(position?.line), column: number(position?.column) };
}

function literal(value: unknown): string {
  if (value === null || value === undefined) return "NULL";
  if (typeof value === "string" || typeof value === "number" || typeof value === "bigint") {
    return quoteLiteral(value);
  }
  if (typeof value === "boolean") return quoteLiteral(value);
  if (value instanceof Date) return quoteLiteral(value.toISOString());
  throw new LakeError("usage", "a value in sql`…` must be text, a number, a boolean or a date");
}

function count(value: Json | undefined): bigint {
  return typeof value === "bigint" || typeof value === "number" ? BigInt(value) : 0n;
}

function parseOptions(text: string): ScriptOptions {
  const value = parseJson(text);
  if (!isJsonObject(value)) throw new LakeError("internal", "a script without options");
  const { path, folder, dryRun, json, debug, color } = value;
  return {
    path: String(path),
    folder: String(folder),
    dryRun: dryRun === true,
    json: json === true,
    debug: debug === true,
    color: color === true,
  };
}
