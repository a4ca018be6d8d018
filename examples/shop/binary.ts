/** The binary in dist/: built when it is missing, or older than what it is made of. */

import { readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const REPOSITORY = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const BINARY = join(REPOSITORY, "dist", "tarn");

const SOURCE_FOLDERS = ["cmd", "core", "storage", "sql"] as const;

/** Builds if need be, with the build's own output; its exit code, or 0. */
export async function buildIfStale(): Promise<number> {
  const built = await stat(BINARY).catch(() => null);
  if (built !== null && built.mtimeMs >= (await newestSourceMs())) return 0;
  const reason = built === null ? "it is not there yet" : "its sources have changed";
  console.log(`$ npm run build   (dist/tarn: ${reason})`);
  const script = join(REPOSITORY, "cmd", "build.ts");
  const child = Bun.spawn([process.execPath, "run", script], {
    cwd: REPOSITORY,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const code = await child.exited;
  console.log();
  return code;
}

async function newestSourceMs(): Promise<number> {
  const files = [join(REPOSITORY, "package-lock.json")];
  for (const folder of SOURCE_FOLDERS) {
    for (const entry of await readdir(join(REPOSITORY, folder), { recursive: true })) {
      files.push(join(REPOSITORY, folder, entry));
    }
  }
  const times = await Promise.all(files.map(async (file) => (await stat(file)).mtimeMs));
  return Math.max(...times);
}
