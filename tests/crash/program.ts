/** Finds the compiled program, runs it, and asks it questions in SQL. */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

export const REPOSITORY = join(import.meta.dirname, "..", "..");
const RUN_MS_MAX = 120_000;

/** The program under test: TARN_BIN, or dist/tarn, which `npm run build` makes. */
export function programPath(): string {
  const path = process.env.TARN_BIN ?? join(REPOSITORY, "dist", "tarn");
  if (existsSync(path)) return path;
  throw new Error(`${path} is missing; run: npm run build (or set TARN_BIN)`);
}

/** Runs a command to its end. */
export function runCommand(
  command: readonly string[],
  options: {
    readonly cwd?: string;
    readonly stdin?: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly timeoutMs?: number;
  } = {},
): Promise<Finished> {
  const [program, ...args] = command;
  if (program === undefined) throw new Error("no command");
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const chunks: { out: Buffer[]; err: Buffer[] } = { out: [], err: [] };
    child.stdout.on("data", (bytes) => chunks.out.push(bytes));
    child.stderr.on("data", (bytes) => chunks.err.push(bytes));
    const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? RUN_MS_MAX);
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve({
        code,
        stdout: Buffer.concat(chunks.out).toString(),
        stderr: Buffer.concat(chunks.err).toString(),
        ms: performance.now() - started,
      });
    });
    child.stdin.on("error", () => {});
    child.stdin.end(options.stdin ?? "");
  });
}

/** Runs a command that must succeed. */
export async function mustRun(
  command: readonly string[],
  options: Parameters<typeof runCommand>[1] = {},
): Promise<Finished> {
  const finished = await runCommand(command, options);
  if (finished.code === 0) return finished;
  const said = (finished.stderr || finished.stdout).slice(-3000);
  throw new Error(`${command.slice(0, 6).join(" ")} ended with ${finished.code}:\n${said}`);
}

/** Rows of one statement, as objects; numbers beyond 2^53 arrive as strings. */
export async function askSql(
  project: string,
  sql: string,
): Promise<readonly Record<string, unknown>[]> {
  const command = [programPath(), "sql", "--format", "jsonl", "-c", sql];
  const { stdout } = await mustRun(command, { cwd: project });
  return stdout
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => JSON.parse(line));
}
