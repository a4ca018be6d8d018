/** Measuring whole process trees: wall time, peak memory, interleaved rounds, medians with their spread. */

import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";

export interface Measured {
  readonly ms: number;
  /** Highest sum of resident memory over the process and all below it. */
  readonly peakRssBytes: number;
  /** Processor time of all of them, as it was seen last. */
  readonly cpuMs: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One way of doing the work. */
export interface Contender {
  readonly name: string;
  /** Untimed: empties outputs, writes inputs. */
  prepare?(): Promise<void> | void;
  command(): readonly string[];
  cwd?: string;
  env?: Readonly<Record<string, string>>;
  /** Untimed: throws when the result is wrong. */
  check?(measured: Measured): Promise<void> | void;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

export interface Result {
  readonly name: string;
  readonly ms: Spread;
  readonly cpuMs: Spread;
  readonly peakRssBytes: number;
}

const SAMPLE_MS = 25;
const RUN_MS_MAX = 30 * 60_000;
const PAGE_BYTES = 4096;
/** USER_HZ, which is 100 wherever Linux runs today. */
const TICK_MS = 10;
export const MIB = 1024 * 1024;

/** Runs a command to its end; throws with its last words when it fails. */
export async function measure(
  command: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Measured> {
  const [program, ...args] = command;
  if (program === undefined) throw new Error("no command");
  const started = performance.now();
  // Detached makes a session, by which the whole tree is found.
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const said = { out: [] as Buffer[], err: [] as Buffer[] };
  child.stdout.on("data", (bytes) => said.out.push(bytes));
  child.stderr.on("data", (bytes) => said.err.push(bytes));
  let peakRssBytes = 0;
  let cpuMs = 0;
  const session = child.pid ?? 0;
  const sampler = setInterval(() => {
    const stats = sessionStats(session);
    peakRssBytes = Math.max(peakRssBytes, rssBytes(stats));
    cpuMs = Math.max(cpuMs, cpuMsOf(stats));
  }, SAMPLE_MS);
  const timer = setTimeout(() => child.kill("SIGKILL"), RUN_MS_MAX);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  const ms = performance.now() - started;
  clearInterval(sampler);
  clearTimeout(timer);
  const stdout = Buffer.concat(said.out).toString();
  const stderr = Buffer.concat(said.err).toString();
  if (code !== 0) {
    throw new Error(`${command.join(" ")} ended with ${code}:\n${(stderr || stdout).slice(-3000)}`);
  }
  return { ms, peakRssBytes, cpuMs, stdout, stderr };
}

/** Resident memory of every process of a session, summed; shared pages count once a process. */
export function sessionRssBytes(session: number): number {
  return rssBytes(sessionStats(session));
}

/** Processor time that a session used so far, in user and kernel, ended processes included once they were reaped. */
export function sessionCpuMs(session: number): number {
  return cpuMsOf(sessionStats(session));
}

/** Processor time that a process used so far, without its children. */
export function processCpuMs(pid: number): number {
  const stat = readOrEmpty(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * TICK_MS;
}

interface ProcessStat {
  readonly pid: string;
  /** From the state on. */
  readonly fields: readonly string[];
}

function rssBytes(processes: readonly ProcessStat[]): number {
  let pages = 0;
  for (const { pid } of processes) {
    pages += Number(readOrEmpty(`/proc/${pid}/statm`).split(" ")[1] ?? 0);
  }
  return pages * PAGE_BYTES;
}

function cpuMsOf(processes: readonly ProcessStat[]): number {
  let ticks = 0;
  // proc(5): utime, stime, cutime, cstime are fields 14 to 17; the first after the name is field 3.
  for (const { fields } of processes) {
    for (const field of fields.slice(11, 15)) ticks += Number(field);
  }
  return ticks * TICK_MS;
}

/** `/proc/<pid>/stat` of each process of a session. */
function sessionStats(session: number): ProcessStat[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    const stat = readOrEmpty(`/proc/${pid}/stat`);
    // After the name in parentheses: state, ppid, pgrp, session.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(fields[3]) === session ? [{ pid, fields }] : [];
  });
}

/** Empty for a process that ended between the listing and the look. */
function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

/** Every contender once a round, in rotating order, so that drift of the machine hits all alike. */
export async function interleave(
  contenders: readonly Contender[],
  rounds: number,
): Promise<Result[]> {
  const samples = contenders.map(() => ({ ms: [] as number[], cpuMs: [] as number[], peak: 0 }));
  for (let round = 0; round < rounds; round += 1) {
    for (let step = 0; step < contenders.length; step += 1) {
      const at = (round + step) % contenders.length;
      const contender = contenders[at];
      const sample = samples[at];
      if (contender === undefined || sample === undefined) continue;
      await contender.prepare?.();
      await measure(["sync"]);
      const { cwd, env } = contender;
      const options = {
        ...(cwd === undefined ? {} : { cwd }),
        ...(env === undefined ? {} : { env }),
      };
      const measured = await measure(contender.command(), options);
      await contender.check?.(measured);
      sample.ms.push(measured.ms);
      sample.cpuMs.push(measured.cpuMs);
      sample.peak = Math.max(sample.peak, measured.peakRssBytes);
      progress(`round ${round + 1}/${rounds} ${contender.name}: ${measured.ms.toFixed(0)} ms`);
    }
  }
  return contenders.map((contender, at) => ({
    name: contender.name,
    ms: spread(samples[at]?.ms ?? []),
    cpuMs: spread(samples[at]?.cpuMs ?? []),
    peakRssBytes: samples[at]?.peak ?? 0,
  }));
}

/** Median and range of samples. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    median: percentile(sorted, 0.5),
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
    count: sorted.length,
  };
}

/** Nearest-rank percentile of sorted values. */
export function percentile(sorted: readonly number[], fraction: number): number {
  const rank = Math.max(1, Math.ceil(fraction * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}

/** A Markdown table of results, with ratios to the named one. */
export function resultTable(results: readonly Result[], baseline: string, bytes?: number): string {
  const against = results.find((result) => result.name === baseline);
  const base = against?.ms.median ?? Number.NaN;
  const baseCpu = against?.cpuMs.median ?? Number.NaN;
  const rows = results.map((result) => [
    result.name,
    milliseconds(result.ms),
    ...(bytes === undefined ? [] : [(bytes / 1e6 / (result.ms.median / 1e3)).toFixed(0)]),
    (result.ms.median / base).toFixed(2),
    (result.cpuMs.median / baseCpu).toFixed(2),
    (result.peakRssBytes / MIB).toFixed(0),
  ]);
  const rate = bytes === undefined ? [] : ["MB/s"];
  return table(
    ["", "ms (min-max)", ...rate, `ratio to ${baseline}`, "of processor time", "peak RSS MiB"],
    rows,
  );
}

/** `123 (110-140)`. */
export function milliseconds(value: Spread): string {
  const digits = value.median < 20 ? 1 : 0;
  const [median, min, max] = [value.median, value.min, value.max].map((ms) => ms.toFixed(digits));
  return `${median} (${min}-${max})`;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => "---"), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Prints a heading and where it was measured. */
export function heading(title: string) {
  const { model = "unknown processor" } = cpus()[0] ?? {};
  const memory = `${Math.round(totalmem() / MIB / 1024)} GiB`;
  const [load = ""] = readFileSync("/proc/loadavg", "latin1").split(" ");
  const where = `${cpus().length} × ${model}, ${memory}, Linux ${release()}, load ${load}`;
  console.log(`\n## ${title}\n\n${where}; ${new Date().toISOString().slice(0, 10)}\n`);
}

/** A line for whoever waits, apart from the results. */
export function progress(text: string) {
  console.error(`  ${text}`);
}
