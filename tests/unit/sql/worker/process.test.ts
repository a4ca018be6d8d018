/** What the system says of a process that lives, and of one that is gone. */

import { expect, test } from "bun:test";
import { isAlive } from "../../../../sql/duckdb/native-unpack.ts";
import { residentBytes } from "../../../../sql/worker/worker.ts";

test("a process lives until it has been reaped, and holds memory while it does", async () => {
  const child = Bun.spawn(["/bin/cat"], { stdio: ["pipe", "pipe", "ignore"] });
  // It answers: it runs, and is no copy of its parent any more.
  child.stdin.write("x");
  await child.stdin.flush();
  await child.stdout.getReader().read();
  expect(isAlive(child.pid)).toBe(true);
  expect(await residentBytes(child.pid)).toBeGreaterThan(100_000);
  child.kill("SIGKILL");
  await child.exited;
  expect(isAlive(child.pid)).toBe(false);
  expect(await residentBytes(child.pid)).toBeNull();
});

test("our own memory is what the runtime says it is, roughly", async () => {
  const ours = process.memoryUsage().rss;
  const seen = (await residentBytes(process.pid)) ?? 0;
  expect(Math.abs(seen - ours) / ours).toBeLessThan(0.3);
});
