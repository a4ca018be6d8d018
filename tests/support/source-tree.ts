/** The repository as the house rules see it: its source files, who imports whom, its pages and packages. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { readSource, type SourceText } from "./source-text.ts";

export interface SourceFile extends SourceText {
  /** Relative to the repository, with `/`. */
  readonly path: string;
  /** `cmd`, `core`, …, or "" for a file at the top. */
  readonly folder: string;
  readonly imports: readonly Import[];
}

export interface Import {
  readonly line: number;
  readonly specifier: string;
  /** Path of the imported file in the repository, or null for a package. */
  readonly path: string | null;
  /** Package or runtime module: `citty`, `node:fs`, `@duckdb/node-api`; null for a file. */
  readonly package: string | null;
}

export const REPOSITORY = dirname(dirname(import.meta.dir));
const FOLDERS = ["cmd", "core", "storage", "sql", "tests", "bench", "examples", "web"] as const;
const SKIPPED = new Set([
  "node_modules",
  "dist",
  ".git",
  ".cache",
  "data",
  "results",
  "__pycache__",
]);
/** What stands before the path of another file: imports of all kinds, and URLs relative to the file. */
const IMPORT_WORDS = [
  "from\\s*",
  "import\\s*\\(\\s*",
  "import\\s+",
  "new\\s+URL\\(\\s*",
  "require(?:\\.resolve)?\\(\\s*",
  "import\\.meta\\.resolve\\(\\s*",
];
const IMPORT = new RegExp(`\\b(?:${IMPORT_WORDS.join("|")})(["'])([^"'\\n]+)\\1`, "g");

/** All TypeScript of the repository, and `.mjs`. */
export function sourceFiles(): readonly SourceFile[] {
  return FOLDERS.flatMap((folder) => listed(folder))
    .filter((path) => /\.(?:ts|mjs)$/.test(path))
    .map(readSourceFile);
}

/** All Markdown pages that are kept in the repository. */
export function pages(): readonly { readonly path: string; readonly text: string }[] {
  const top = readdirSync(REPOSITORY).filter((name) => name.endsWith(".md"));
  const below = [...FOLDERS, "docs"].flatMap((folder) => listed(folder));
  return [...top, ...below.filter((path) => path.endsWith(".md"))].map((path) => ({
    path,
    text: readText(path),
  }));
}

/** Whether a path of the repository is there. */
export function isThere(path: string): boolean {
  return existsSync(join(REPOSITORY, path));
}

export function readText(path: string): string {
  return readFileSync(join(REPOSITORY, path), "utf8");
}

function listed(folder: string): string[] {
  if (!isThere(folder)) return [];
  return readdirSync(join(REPOSITORY, folder), { withFileTypes: true }).flatMap((entry) => {
    if (SKIPPED.has(entry.name) || entry.name.startsWith(".")) return [];
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? listed(path) : [path];
  });
}

function readSourceFile(path: string): SourceFile {
  const source = readSource(readText(path));
  const folder = path.slice(0, path.indexOf("/"));
  return { ...source, path, folder, imports: importsOf(path, source) };
}

/** Imports by text, so that `new URL("./x.ts", import.meta.url)` counts; strings inside strings do not. */
function importsOf(path: string, source: SourceText): Import[] {
  const text = source.uncommented.join("\n");
  const code = source.code.join("\n");
  const found: Import[] = [];
  for (const match of text.matchAll(IMPORT)) {
    // The keyword must be code: inside a string it is blank there.
    if (code[match.index] === " " && text[match.index] !== " ") continue;
    const specifier = match[2] ?? "";
    const line = text.slice(0, match.index).split("\n").length;
    const isFile = specifier.startsWith(".");
    const target = normalize(join(dirname(path), specifier)).replaceAll("\\", "/");
    found.push({
      line,
      specifier,
      path: isFile ? target : null,
      package: isFile ? null : packageOf(specifier),
    });
  }
  return found;
}

function packageOf(specifier: string): string {
  if (/^(?:node|bun):/.test(specifier)) return specifier;
  const parts = specifier.split("/");
  return parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}

/** A path as seen from a page. */
export function fromPage(page: string, link: string): string {
  return relative(".", normalize(join(dirname(page), link)));
}
