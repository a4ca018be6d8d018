/** The compiled binary as a user runs it: words in, text and exit code out. */

import { mkdir, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BINARY } from "../../examples/shop/binary.ts";

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs dist/tarn (or another copy of it) in a folder. */
export async function tarn(
  folder: string,
  words: readonly string[],
  options: RunOptions = {},
): Promise<Ran> {
  const command = [...(options.wrapper ?? []), options.binary ?? BINARY, ...words];
  const child = Bun.spawn(command, {
    cwd: folder,
    stdin: options.stdin === undefined ? "ignore" : new TextEncoder().encode(options.stdin),
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, NO_COLOR: "1", ...options.env },
  });
  const [code, out, err] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, out, err };
}

export interface RunOptions {
  readonly binary?: string;
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Words before the binary, such as `unshare -rn`. */
  readonly wrapper?: readonly string[];
}

/** What starts a worker of dist/tarn: three times as fast as one from the sources. */
export async function binaryWorker(): Promise<readonly string[]> {
  const { out } = await tarn(".", ["--version"]);
  const build = /\((.+)\)/.exec(out)?.[1];
  if (build === undefined) throw new Error(`${BINARY} does not say what it is: ${out}`);
  return [BINARY, "__worker", build];
}

/** Writes a file that has long settled. */
export async function drop(folder: string, file: string, text: string): Promise<void> {
  const path = join(folder, file);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  const old = new Date(Date.now() - 60_000);
  await utimes(path, old, old);
}

/** Rows of a query as the binary prints them in CSV, without the header. */
export async function rows(
  folder: string,
  sql: string,
  options: RunOptions = {},
): Promise<string[]> {
  const ran = await tarn(folder, ["sql", "-c", sql, "--format", "csv"], options);
  if (ran.code !== 0) throw new Error(`${sql}\n${ran.err}`);
  return ran.out.trimEnd().split("\n").slice(1);
}
