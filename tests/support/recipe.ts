/**
 * Runs a page of docs/guide/recipes as its reader does. A fenced block with a path behind its language is a file, one
 * of `sh` is run in the folder of the page, and a `text` behind it is what that prints: its lines come in this order,
 * `…` in them stands for anything, and a line of `…` alone for any lines. Other languages (`console`) are not run.
 */

import { mkdir, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BINARY } from "../../examples/shop/binary.ts";

interface Block {
  readonly language: string;
  /** A file to write; empty for what is run or printed. */
  readonly path: string;
  readonly text: string;
  readonly line: number;
}

/** Dropped long ago: nothing waits for it to settle. */
const OLD = new Date("2026-01-01T00:00:00Z");

/** What a page needs beside tarn and a shell, as `<!-- needs: pyiceberg -->` says. */
export function needsOf(markdown: string): readonly string[] {
  const said = /<!-- needs: (.+?) -->/.exec(markdown)?.[1] ?? "";
  return said.split(" ").filter((word) => word !== "");
}

export interface RecipeOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Folders before the rest of PATH. */
  readonly path?: readonly string[];
}

/** Runs the page in a folder; answers what is not as it says, with its line. */
export async function runRecipe(
  markdown: string,
  folder: string,
  options: RecipeOptions = {},
): Promise<readonly string[]> {
  const wrong: string[] = [];
  const blocks = blocksOf(markdown);
  let printed = "";
  let runCount = 0;
  for (const { language, path, text, line } of blocks) {
    if (path !== "") {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text);
      if (path.startsWith("drops/") || path.includes("/drops/")) {
        await utimes(join(folder, path), OLD, OLD);
      }
    } else if (language === "sh") {
      const ran = await runShell(text, folder, options);
      printed = ran.output;
      runCount++;
      if (ran.code !== 0) wrong.push(`line ${line}: exit ${ran.code}\n${text}\n${printed}`);
    } else if (language === "text") {
      const missing = firstMissing(printed, text);
      if (missing !== null) wrong.push(`line ${line}: "${missing}" is not in\n${printed}`);
    }
  }
  if (runCount === 0) wrong.push("nothing on the page is run");
  return wrong;
}

function blocksOf(markdown: string): readonly Block[] {
  const blocks: Block[] = [];
  for (const match of markdown.matchAll(/^```(\w+)(?: (\S+))?\n([\s\S]*?)^```$/gm)) {
    const [, language = "", path = "", text = ""] = match;
    const line = markdown.slice(0, match.index).split("\n").length;
    blocks.push({ language, path, text, line });
  }
  return blocks;
}

async function runShell(
  text: string,
  folder: string,
  { env = {}, path = [] }: RecipeOptions,
): Promise<{ readonly code: number; readonly output: string }> {
  const folders = [...path, dirname(BINARY), process.env.PATH ?? ""];
  const child = Bun.spawn(["bash", "-euo", "pipefail", "-c", `exec 2>&1\n${text}`], {
    cwd: folder,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, NO_COLOR: "1", HOME: folder, ...env, PATH: folders.join(":") },
  });
  const output = await new Response(child.stdout).text();
  return { code: await child.exited, output };
}

/** The first expected line that does not come behind those before it. */
function firstMissing(printed: string, expected: string): string | null {
  const lines = printed.split("\n").map(settled);
  let at = 0;
  for (const line of expected.trimEnd().split("\n").map(settled)) {
    if (line === "" || line === "…") continue;
    const pattern = new RegExp(`^${line.split("…").map(escaped).join(".*")}$`);
    const found = lines.findIndex((each, index) => index >= at && pattern.test(each));
    if (found < 0) return line;
    at = found + 1;
  }
  return null;
}

function settled(line: string): string {
  return line.trim().replace(/\s+/g, " ");
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
