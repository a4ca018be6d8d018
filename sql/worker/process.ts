/** What the operating system knows of a process: whether it lives, and its memory. */

import { readFileSync } from "node:fs";

/** True for a process that exists, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return thrown instanceof Error && "code" in thrown && thrown.code === "EPERM";
  }
}

/** Resident bytes, or null when the process is gone or the system does not say. */
export async function residentBytes(pid: number): Promise<number | null> {
  return process.platform === "linux" ? fromProc(pid) : fromPs(pid);
}

/** `VmRSS` is in kB whatever the page size is. proc(5). */
function fromProc(pid: number): number | null {
  try {
    const found = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return found === null ? null : Number(found[1]) * 1024;
  } catch {
    return null;
  }
}

async function fromPs(pid: number): Promise<number | null> {
  const ps = Bun.spawn(["/bin/ps", "-o", "rss=", "-p", String(pid)], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const kilobytes = Number((await new Response(ps.stdout).text()).trim() || Number.NaN);
  return Number.isSafeInteger(kilobytes) ? kilobytes * 1024 : null;
}
