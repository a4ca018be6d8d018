/** The engine lease against real processes: one holder, freed by any death, not inherited. */

import { describe, expect, test } from "bun:test";
import { type Subprocess, spawn } from "bun";
import { LakeError } from "../../../../core/base/errors.ts";
import { EngineLease, isEngineRunning, readHolder } from "../../../../storage/disk/lease.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const LEASE = new URL("../../../../storage/disk/lease.ts", import.meta.url).pathname;
const NOW_MS = Date.UTC(2026, 10, 20, 12);

/** A process that takes the lease, starts a child that outlives it, says so, and waits to be killed. */
const HOLDER = `
  import { EngineLease } from ${JSON.stringify(LEASE)};
  const [root] = process.argv.slice(-1);
  EngineLease.take({ root, pid: process.pid, command: "tarn up", nowMs: ${NOW_MS} });
  const child = Bun.spawn(["sleep", "30"], { stdio: ["ignore", "ignore", "ignore"] });
  console.log(child.pid);
  setInterval(() => {}, 1000);
`;

async function startHolder(root: string): Promise<{ holder: Subprocess; childPid: number }> {
  const holder = spawn([process.execPath, "-e", HOLDER, root], { stdout: "pipe" });
  const reader = holder.stdout.getReader();
  const { value } = await reader.read();
  return { holder, childPid: Number(new TextDecoder().decode(value)) };
}

function take(root: string): EngineLease {
  return EngineLease.take({
    root,
    pid: process.pid,
    command: "tarn build",
    nowMs: NOW_MS + 120_000,
  });
}

describe("the engine lease", () => {
  test("is refused while another process holds it, naming that process", async () => {
    await using folder = await tempFolder();
    const { holder, childPid } = await startHolder(folder.path);
    try {
      expect(isEngineRunning(folder.path)).toBe(true);
      const error = (() => {
        try {
          take(folder.path).release();
          return null;
        } catch (thrown) {
          return thrown instanceof LakeError ? thrown : null;
        }
      })();
      expect(error?.code).toBe("locked");
      expect(error?.message).toContain(`pid ${holder.pid}, 'tarn up'`);
      expect(error?.message).toContain("2 min ago");
    } finally {
      holder.kill("SIGKILL");
      await holder.exited;
      process.kill(childPid);
    }
  });

  test("is free the moment its holder is killed, though a child lives on", async () => {
    await using folder = await tempFolder();
    const { holder, childPid } = await startHolder(folder.path);
    holder.kill("SIGKILL");
    await holder.exited;
    try {
      process.kill(childPid, 0);
      const lease = take(folder.path);
      expect(readHolder(folder.path)?.command).toBe("tarn build");
      lease.release();
    } finally {
      process.kill(childPid);
    }
  });

  test("is free after release", async () => {
    await using folder = await tempFolder();
    take(folder.path).release();
    take(folder.path).release();
    expect(isEngineRunning(folder.path)).toBe(false);
  });
});
