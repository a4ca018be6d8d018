/** Opens whom a lookup asks, by what its url begins with. */

import { LakeError } from "../../core/base/errors.ts";
import type { HttpWorld } from "./http-oracle.ts";
import type { Oracle } from "./oracle.ts";
import type { AskTask } from "./wire.ts";

/** Throws `config` for a url that is none of ours, and what opening throws. */
export async function openOracle(task: AskTask, world: HttpWorld): Promise<Oracle> {
  const { url } = task.connection;
  if (/^https?:/i.test(url)) {
    const { HttpOracle } = await import("./http-oracle.ts");
    return new HttpOracle(task, world);
  }
  const { openSqlOracle } = await import("./sql-oracle.ts");
  if (/^sqlite:/i.test(url)) return openSqlOracle(task, "sqlite");
  if (/^(?:mysql|mariadb):/i.test(url)) return openSqlOracle(task, "mysql");
  if (/^postgres(?:ql)?:/i.test(url)) return openSqlOracle(task, "postgres");
  const scheme = url.split(":")[0] ?? "";
  throw new LakeError(
    "config",
    `lookups: ${task.request.from} cannot be asked: "${scheme}:" is no scheme of ours`,
    {
      hint: "take postgres:, mysql:, sqlite:, https: or http:",
    },
  );
}
