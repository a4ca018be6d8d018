/** Golden files: one lake per file, told in blocks; expected rows are updated in place with GOLDEN=update. */

import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { runBuild } from "../../cmd/commands/build.ts";
import { runReplay } from "../../cmd/commands/replay.ts";
import { runRestore } from "../../cmd/commands/restore.ts";
import type { Terminal } from "../../cmd/command.ts";
import { exitCodeOf } from "../../cmd/exit.ts";
import { openSession } from "../../cmd/open.ts";
import { lakeRows } from "../../cmd/query.ts";
import { createStyle } from "../../cmd/render/style.ts";
import { errorText } from "../../core/base/errors.ts";
import type { Json } from "../../core/base/json.ts";

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

/** Runs one golden file in a fresh project. */
export async function runGolden(path: string): Promise<GoldenResult> {
  const text = await readFile(path, "utf8");
  const blocks = parseBlocks(text);
  const root = await mkdtemp(join(tmpdir(), "lake-golden-"));
  const failures: string[] = [];
  const found = new Map<Block, string>();
  try {
    await mkdir(join(root, "drops"));
    for (const block of blocks) {
      const actual = await runBlock(root, block);
      if (block.expected === null || actual === null) continue;
      found.set(block, actual);
      if (actual === block.expected.trimEnd()) continue;
      const head = `${path}:${block.start + 1}: ${[block.verb, ...block.words].join(" ")}`;
      failures.push(`${head}\nexpected:\n${block.expected}\nfound:\n${actual}`);
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
  return { failures, updated: rewrite(text, found) };
}

async function runBlock(root: string, block: Block): Promise<string | null> {
  switch (block.verb) {
    case "land":
    case "write":
      await writeProjectFile(root, block.words[0] ?? "", block.body);
      return null;
    case "remove":
      await rm(join(root, block.words[0] ?? ""), { recursive: true, force: true });
      return null;
    case "build":
    case "replay":
    case "restore":
      return await runCommand(root, block);
    case "query":
      return await runQuery(root, block);
    default:
      throw new Error(`golden files have no verb "${block.verb}"`);
  }
}

/** Dropped files are older than the settle time, so that nothing waits. */
async function writeProjectFile(root: string, file: string, body: string): Promise<void> {
  const path = join(root, file);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, unescape(body));
  const old = new Date("2026-01-01T00:00:00Z");
  await utimes(path, old, old);
}

/** `\xNN` for bytes that a text file cannot show, `\e` at the end for no final line end. */
function unescape(body: string): Uint8Array {
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

async function runCommand(root: string, block: Block): Promise<string> {
  const printed: string[] = [];
  const terminal = capturing(printed);
  const signal = new AbortController().signal;
  let code: number;
  try {
    await using session = await openSession({ folder: root, args: {} }, { engine: "golden" });
    const { words } = block;
    if (block.verb === "restore") {
      const [table = "", to = ""] = words;
      code = await runRestore(session, { table, to }, terminal, signal);
    } else if (block.verb === "replay") {
      code = await runReplay(session, replayArgs(words), terminal, signal);
    } else {
      const full = words.includes("--full");
      const select = words.filter((word) => !word.startsWith("--"));
      const args = { select, exclude: [], full, models: true, sources: true };
      code = await runBuild(session, args, terminal, signal);
    }
  } catch (thrown) {
    code = exitCodeOf(thrown);
    printed.push(`error: ${errorText(thrown)}`);
  }
  const kept = block.body.trim() === "" ? [] : printed.filter((line) => matches(line, block.body));
  return [`exit ${code}`, ...kept.map((line) => line.trim())].join("\n");
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
    code: words.includes("--code=recorded") ? ("recorded" as const) : ("current" as const),
    fromOriginals: words.includes("--from-originals"),
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
      for (const each of thrown) take(`error: ${errorText(each)}`);
      return exitCodeOf(thrown[0]);
    },
  };
}

async function runQuery(root: string, block: Block): Promise<string> {
  try {
    await using session = await openSession({ folder: root, args: {} }, { engine: null });
    const rows = await lakeRows(session, block.body);
    const lines = rows.map((row) => Object.values(row).map(cellText).join(" | "));
    if (block.words.includes("rowsort")) lines.sort();
    return lines.join("\n");
  } catch (thrown) {
    return `error: ${errorText(thrown)}`;
  }
}

function cellText(value: Json): string {
  if (value === null) return "NULL";
  return value === "" ? "(empty)" : String(value);
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
