/** What an edited tarn.yaml changes for a program that runs: what it follows, and what waits for its next start. */

import type { LakeConfig } from "../../core/config.ts";

/** Settings that are fixed with the engine, the lake and the servers. */
const FIXED: Readonly<Record<string, (config: LakeConfig) => unknown>> = {
  warehouse: (config) => config.warehouse,
  memory: (config) => config.memoryBytes,
  threads: (config) => config.threads,
  keep: (config) => config.keep,
  batch: (config) => config.batch,
  up: (config) => config.up,
  serve: (config) => config.serve,
};

/** One line for what is in force from now on, and one for what is not; none when nothing of either changed. */
export function changedSettings(before: LakeConfig, after: LakeConfig): string[] {
  const lines: string[] = [];
  if (before.timezone !== after.timezone) {
    lines.push(`timezone: ${after.timezone} from now on; every model runs whole under it`);
  }
  const waiting = Object.entries(FIXED)
    .filter(([, of]) => JSON.stringify(of(before)) !== JSON.stringify(of(after)))
    .map(([name]) => name);
  if (waiting.length > 0) {
    lines.push(`${waiting.join(", ")}: in force when this is started again`);
  }
  return lines;
}
