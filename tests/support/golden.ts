/** Golden files: one lake per file, told in blocks; expected rows are updated in place with GOLDEN=update. */

import { mkdir, mkdtemp, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, extname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { DuckDBInstance } from "@duckdb/node-api";
import type { Terminal } from "../../cmd/command.ts";
import { runBuild } from "../../cmd/commands/build.ts";
import { runReplay } from "../../cmd/commands/replay.ts";
import { runRestore } from "../../cmd/commands/restore.ts";
import { runTag } from "../../cmd/commands/tag.ts";
import { exitCodeOf, problemsOf } from "../../cmd/exit.ts";
import { cellText } from "../../cmd/format/text.ts";
import { eachResult } from "../../cmd/lake/query.ts";
import { openSession, type Session } from "../../cmd/open.ts";
import { createStyle } from "../../cmd/render/style.ts";
import { errorText, LakeError } from "../../core/base/errors.ts";
import { quoteLiteral } from "../../sql/syntax/quote.ts";
import { tarn } from "./binary.ts";

/**
 * Verbs: `land FILE [rows]` and `write FILE` (a file of the project; `rows` and Parquet by a query, gz from text),
 * `touch`, `move`, `remove`; `build`, `replay`, `restore TABLE TO`, `tag NAME` in one session that `restart` ends;
 * `tarn WORDS` in a process of its own; `query [rowsort] [types [only]]`. The body of a command says which of its lines
 * are compared: those that hold one of its lines.
 */

/** A block: its first line, the text under it, and what stands behind `----`. */
interface Block {
  readonly verb: string;
  readonly words: readonly string[];
  readonly body: string;
  readonly expected: string | null;
  /** Lines of the file, for rewriting the expectation. */
  readonly start: number;
  readonly end: number;
}

export interface GoldenResult {
  readonly failures: readonly string[];
  /** The file with what was really found in place of what was expected. */
  readonly updated: string;
}

/** Runs one golden file in a fresh project, with workers as they are started by `worker`. */
export async function runGolden(path: string, worker: readonly string[]): Promise<GoldenResult> {
  const text = await readFile(path, "utf8");
  const blocks = parseBlocks(text);
  const failures: string[] = [];
  const found = new Map<Block, string>();
  await using lake = await GoldenLake.create(worker);
  for (const block of blocks) {
    const actual = await lake.run(block);
    if (block.expected === null || actual === null) continue;
    found.set(block, actual);
    if (actual === block.expected.trimEnd()) continue;
    const head = `${path}:${block.start + 1}: ${[block.verb, ...block.words].join(" ")}`;
    failures.push(`${head}\nexpected:\n${block.expected}\nfound:\n${actual}`);
  }
  return { failures, updated: rewrite(text, found) };
}

/** One project folder, and the session that its blocks share: opened when first needed, and after `restart`. */
class GoldenLake implements AsyncDisposable {
  readonly #root: string;
  readonly #worker: readonly string[];
  #session: Session | null = null;

  private constructor(root: string, worker: readonly string[]) {
    this.#root = root;
    this.#worker = worker;
  }

  static async create(worker: readonly string[]): Promise<GoldenLake> {
    const root = await mkdtemp(join(tmpdir(), "lake-golden-"));
    await mkdir(join(root, "drops"));
    return new GoldenLake(root, worker);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    await rm(this.#root, { recursive: true, force: true });
  }

  async run(block: Block): Promise<string | null> {
    const root = this.#root;
    const [first = "", second = ""] = block.words.map(unquoted);
    switch (block.verb) {
      case "land":
      case "write":
        await writeProjectFile(root, first, block.body, second === "rows");
        return null;
      case "touch":
        await touch(join(root, first), block.words.includes("later") ? 60 : 1);
        return null;
      case "move":
        await rename(join(root, first), join(root, second));
        return null;
      case "remove":
        await rm(join(root, first), { recursive: true, force: true });
        return null;
      case "restart":
        await this.#close();
        return null;
      case "query":
        return await this.#query(block);
      case "tarn":
        await this.#close();
        return await runProgram(root, block);
      default:
        return await this.#command(block);
    }
  }

  async #open(): Promise<Session> {
    if (this.#session === null) {
      const flags = { folder: this.#root, args: { threads: "1" } };
      this.#session = await openSession(flags, { engine: "golden", worker: this.#worker });
    } else await this.#session.reload();
    return this.#session;
  }

  async #close(): Promise<void> {
    await this.#session?.[Symbol.asyncDispose]();
    this.#session = null;
  }

  async #command(block: Block): Promise<string> {
    const printed: string[] = [];
    const terminal = capturing(printed);
    let code: number;
    try {
      code = await runCommand(await this.#open(), block, terminal);
    } catch (thrown) {
      code = terminal.failures(problemsOf(thrown));
    }
    const kept = block.body === "" ? [] : printed.filter((line) => matches(line, block.body));
    return [`exit ${code}`, ...kept.map(settled)].join("\n");
  }

  async #query(block: Block): Promise<string> {
    const lines: string[] = [];
    try {
      const session = await this.#open();
      await eachResult(session, block.body, async (result) => {
        const writers = result.columns.map((c) => cellText(c.type, session.config.timezone));
        if (block.words.includes("types")) {
          lines.push(result.columns.map((c) => `${c.name} ${c.type.text}`).join(" | "));
          if (block.words.includes("only")) return;
        }
        for await (const chunk of result.chunks()) {
          for (let row = 0; row < chunk.rowCount; row++) {
            const cells = writers.map((write, at) => write(chunk.columns[at]?.[row] ?? null));
            lines.push(cells.map(shownCell).join(" | "));
          }
        }
      });
    } catch (thrown) {
      return failureText(thrown).map(settled).join("\n");
    }
    if (block.words.includes("rowsort")) lines.sort();
    return lines.join("\n");
  }
}

/** The commands that change the lake, as the program runs them. */
async function runCommand(session: Session, block: Block, terminal: Terminal): Promise<number> {
  const words = block.words.map(unquoted);
  const signal = new AbortController().signal;
  const plain = words.filter((word) => !word.startsWith("--"));
  const [first = "", second = ""] = plain;
  switch (block.verb) {
    case "build": {
      const full = words.includes("--full");
      const land = !words.includes("--no-sources");
      const args = { select: plain, exclude: [], full, models: true, sources: land };
      return await runBuild(session, args, terminal, signal);
    }
    case "replay":
      return await runReplay(session, replayArgs(words), terminal, signal);
    case "restore":
      return await runRestore(session, { table: first, to: second }, terminal, signal);
    case "tag": {
      const args = { name: first, at: second === "" ? null : second };
      const flags = { remove: words.includes("--remove"), force: words.includes("--force") };
      return await runTag(session, { ...args, ...flags }, terminal, signal);
    }
    default:
      throw new Error(`golden files have no verb "${block.verb}"`);
  }
}

/** The whole program in a process of its own; what it prints on either stream is compared like a command's. */
async function runProgram(root: string, block: Block): Promise<string> {
  const { code, out, err } = await tarn(root, ["-C", root, ...block.words.map(unquoted)]);
  const lines = `${out}\n${err}`.split("\n");
  const kept = block.body === "" ? [] : lines.filter((line) => matches(line, block.body));
  return [`exit ${code}`, ...kept.map(settled)].join("\n");
}

/** Words are split at spaces; `_` in double quotes stands for a space, `__` for itself: `"2026-11-20_09:00"`. */
function unquoted(word: string): string {
  if (!/^".*"$/.test(word)) return word;
  return word.slice(1, -1).replaceAll(/__?/g, (mark) => (mark === "__" ? "_" : " "));
}

/** Times, ids and packed sizes differ from run to run; everything else in a line is compared. */
function settled(line: string): string {
  return line
    .trim()
    .replace(/ · [\d,]+ rows\/s/g, "")
    .replace(/\bjust now\b/g, "TIME ago")
    .replace(/\b(\d+ m )?\d+(\.\d+)? (ms|s|min)\b/g, "TIME")
    .replace(/\b\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replace(/\b\d{17,19}\b/g, "ID")
    .replace(/(\breads (?:at most )?[\d,]+ rows?, )[\d.]+ (?:B|[KMG]i?B)\b/g, "$1SIZE")
    .replace(/("cost":\{"rows":\d+,"bytes":)\d+/g, "$1SIZE")
    .replace(/ {3,}/g, "  ")
    .replace(/\b\d{4}-\d\d-\d\d [\d:.]+(?= {2}TIME ago)/g, "TIME");
}

async function touch(path: string, minutes: number): Promise<void> {
  const at = new Date(Date.parse("2026-01-01T00:00:00Z") + minutes * 60_000);
  await utimes(path, at, at);
}

/** Dropped files are older than the settle time, so that nothing waits. */
async function writeProjectFile(
  root: string,
  file: string,
  body: string,
  isQuery: boolean,
): Promise<void> {
  const path = join(root, file);
  await mkdir(dirname(path), { recursive: true });
  if (isQuery || file.endsWith(".parquet")) await writeRows(path, body);
  else if (file.endsWith(".gz")) await writeFile(path, gzipSync(bytesOf(body)));
  else await writeFile(path, bytesOf(body));
  const old = new Date("2026-01-01T00:00:00Z");
  await utimes(path, old, old);
}

/** A file as another program would write it: the body is the query. */
async function writeRows(path: string, query: string): Promise<void> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const format = { csv: "csv, header", jsonl: "json" }[extname(path).slice(1)] ?? "parquet";
  await connection.run(`COPY (${query}) TO ${quoteLiteral(path)} (FORMAT ${format})`);
  connection.closeSync();
  instance.closeSync();
}

/** `\xNN` for bytes that a text file cannot show, `\e` at the end for no final line end. */
function bytesOf(body: string): Uint8Array {
  const noEnd = body.endsWith("\\e");
  const text = noEnd ? body.slice(0, -2) : `${body}\n`;
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  for (const part of text.split(/(\\x[0-9a-f]{2})/i)) {
    if (/^\\x[0-9a-f]{2}$/i.test(part)) bytes.push(Number.parseInt(part.slice(2), 16));
    else bytes.push(...encoder.encode(part));
  }
  return Uint8Array.from(bytes);
}

/** The body of a command names the words of the lines that are compared. */
function matches(line: string, body: string): boolean {
  return body.split("\n").some((words) => words !== "" && line.includes(words.trim()));
}

function replayArgs(words: readonly string[]) {
  const value = (flag: string): string | null => {
    const word = words.find((each) => each.startsWith(`--${flag}=`));
    return word === undefined ? null : word.slice(flag.length + 3);
  };
  return {
    select: words.filter((word) => !word.startsWith("--")),
    from: value("from"),
    to: value("to"),
    by: value("by") ?? "_ingested_at",
    at: value("at"),
    promote: words.includes("--promote"),
    code: words.includes("--code=recorded") ? ("recorded" as const) : ("current" as const),
    fromOriginals: words.includes("--from-originals"),
    contract: value("contract") === "current" ? ("current" as const) : ("recorded" as const),
    dryRun: words.includes("--dry-run"),
    why: "golden",
    limit: 5,
  };
}

function capturing(printed: string[]): Terminal {
  const take = (text: string): void => {
    printed.push(...text.split("\n"));
  };
  return {
    style: createStyle(false),
    json: false,
    quiet: false,
    debug: false,
    width: 200,
    interactive: false,
    line: take,
    note: take,
    document: () => undefined,
    failures: (thrown) => {
      for (const each of thrown) for (const line of failureText(each)) take(line);
      return exitCodeOf(thrown[0]);
    },
  };
}

function shownCell(text: string | null): string {
  if (text === null) return "NULL";
  return text === "" ? "(empty)" : text;
}

/** Code, words and hint; places as `file:line:column`. */
function failureText(thrown: unknown): string[] {
  if (!(thrown instanceof LakeError)) return [`error[bug]: ${errorText(thrown)}`];
  const { code, message, hint, place } = thrown;
  const at =
    place === null || place.file === "" ? "" : ` (${place.file}:${place.line}:${place.column})`;
  const lines = [`error[${code}]: ${message}${at}`];
  if (hint !== null) lines.push(`help: ${hint}`);
  return lines.flatMap((line) => line.split("\n"));
}

/** Blocks are separated by blank lines, except inside the body of `land` and `write`, which end at `----`. */
function parseBlocks(text: string): Block[] {
  const lines = text.split("\n");
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? "";
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [verb = "", ...words] = line.trim().split(/\s+/);
    const isFile = verb === "land" || verb === "write";
    const body: string[] = [];
    let end = at + 1;
    while (end < lines.length && lines[end] !== "----" && (isFile || lines[end]?.trim() !== "")) {
      body.push(lines[end] ?? "");
      end += 1;
    }
    let expected: string | null = null;
    if (!isFile && lines[end] === "----") {
      const answer: string[] = [];
      let last = end + 1;
      while (last < lines.length && lines[last]?.trim() !== "") answer.push(lines[last++] ?? "");
      expected = answer.join("\n");
      end = last - 1;
    }
    blocks.push({ verb, words, body: body.join("\n"), expected, start: at, end });
    at = end;
  }
  return blocks;
}

function rewrite(text: string, found: ReadonlyMap<Block, string>): string {
  const lines = text.split("\n");
  const blocks = [...found].sort(([a], [b]) => b.start - a.start);
  for (const [block, actual] of blocks) {
    const mark = lines.indexOf("----", block.start);
    lines.splice(mark + 1, block.end - mark, ...(actual === "" ? [] : actual.split("\n")));
  }
  return lines.join("\n");
}
