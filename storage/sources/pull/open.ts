/** Opens the database that a source pulls from: by what its url begins with. */

import type { PullDatabase } from "./database.ts";
import type { PullSettings } from "./settings.ts";

/** Throws LakeError. */
export async function openDatabase(
  settings: PullSettings,
  projectRoot: string,
): Promise<PullDatabase> {
  if (/^sqlite:/.test(settings.url)) {
    const { SqliteDatabase } = await import("./sqlite.ts");
    return SqliteDatabase.open(settings.url, projectRoot);
  }
  if (/^(?:mysql|mariadb):/.test(settings.url)) {
    const { MysqlDatabase } = await import("./mysql.ts");
    return await MysqlDatabase.open(settings, projectRoot);
  }
  const { PostgresDatabase } = await import("./postgres.ts");
  return await PostgresDatabase.open(settings, projectRoot);
}
