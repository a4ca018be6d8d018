/** A job as files of a folder. */

import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import type { SparkJob } from "./job.ts";

/** Says of a folder that it is a job. */
const MARK = "job.json";

/** Throws `usage` for a folder that holds something else, or a job where that is not to be replaced. */
export function writeJob(path: string, { files }: SparkJob, force: boolean): void {
  const there = existsSync(path) ? readdirSync(path) : [];
  if (there.length > 0 && !there.includes(MARK)) {
    throw new LakeError("usage", `${path} is not empty and holds no job`, {
      hint: "name a folder that is not there yet",
    });
  }
  if (there.length > 0 && !force) {
    throw new LakeError("usage", `${path} holds a job already`, { hint: "--force writes it anew" });
  }
  rmSync(join(path, "models"), { recursive: true, force: true });
  for (const [name, text] of files) {
    const file = join(path, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}
