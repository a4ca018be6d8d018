/** A pool's spare process is a hint: that it cannot be started is told to whoever asks, and ends nothing. */

import { expect, test } from "bun:test";
import { LakeError } from "../../../../core/base/errors.ts";
import { ForeignPool } from "../../../../sql/worker/pool.ts";

test("a spare that cannot be started fails the one who asks, not the one who prepares", async () => {
  const refuse = () => {
    throw new LakeError("io", "cannot start a worker: EACCES");
  };
  const pool = new ForeignPool(refuse, 1, 1_000);
  pool.prepare();
  const asked = pool.ask("decode", {}, { timeMs: 1_000, shareBytes: 1_000, files: new Set() });
  await expect(asked).rejects.toThrow("cannot start a worker");
  await pool.close();
});
