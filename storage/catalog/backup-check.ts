/** Whether a backup still holds what it was made of: every file by its hash, and every file that its catalog names. */

import { existsSync } from "node:fs";
import { errorText, LakeError } from "../../core/base/errors.ts";
import { isJsonObject, parseJson } from "../../core/base/json.ts";
import type { Clock, Random } from "../../core/ports.ts";
import { Durable, mapBounded, realDisk } from "../disk/durable.ts";
import { LocalFiles } from "../disk/local.ts";
import { ManifestStore, MetadataCache } from "../iceberg/recorded-files.ts";
import { BACKUP_FOLDER, hashOf } from "./backup.ts";
import { namedFiles } from "./backup-files.ts";
import { BackupList, type ListedFile } from "./backup-list.ts";
import { text } from "./database.ts";
import { CATALOG_FILE, LakeStore } from "./lake-store.ts";

export interface CheckedBackup {
  readonly files: number;
  readonly bytes: number;
  /** The last commit that it holds; null of a lake without any. */
  readonly commit: string | null;
  /** When it was made. */
  readonly made: string;
  /** Nothing is wrong where it is empty. */
  readonly problems: readonly string[];
}

const READS_AT_ONCE = 4;

/** Reads all of a backup; changes nothing. Throws `not-found` where there is none, or none that was finished. */
export async function checkBackup(
  folder: string,
  ports: { readonly clock: Clock; readonly random: Random },
): Promise<CheckedBackup> {
  const own = `${folder}/${BACKUP_FOLDER}`;
  const about = await aboutOf(folder);
  const root = `${folder}/${about.place}`;
  const problems: string[] = [];
  const list = BackupList.open(new Durable(realDisk, folder), own);
  await mapBounded(list.files, READS_AT_ONCE, async (file) => {
    const problem = await problemOf(root, file);
    if (problem !== null) problems.push(problem);
  });
  problems.push(...(await catalogProblems(root, list, ports)));
  const bytes = list.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const { commit, made } = about;
  return { files: list.files.length, bytes, commit, made, problems: problems.sort() };
}

async function problemOf(root: string, file: ListedFile): Promise<string | null> {
  const path = `${root}/${file.path}`;
  try {
    const stat = await realDisk.stat(path);
    if (stat === null) return `${file.path} is missing`;
    if (stat.sizeBytes !== file.sizeBytes) {
      return `${file.path} has ${stat.sizeBytes} bytes, ${file.sizeBytes} were copied`;
    }
    return (await hashOf(realDisk, path)) === file.sha256
      ? null
      : `${file.path} holds other bytes than were copied`;
  } catch (thrown) {
    return `${file.path}: ${errorText(thrown)}`;
  }
}

async function catalogProblems(
  root: string,
  list: BackupList,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): Promise<readonly string[]> {
  let store: LakeStore | null = null;
  try {
    store = await LakeStore.open({ root, readonly: true, busyTimeoutMs: 0, clock, random });
    const { db, recordedRoot } = store;
    const said = await store.look(() => db.all("PRAGMA integrity_check(10)"));
    const words = said.map((row) => text(row, "integrity_check"));
    const broken = words[0] === "ok" ? [] : words.map((word) => `${CATALOG_FILE}: ${word}`);
    const io = await LocalFiles.open({ root, random, readonly: true });
    const { files, unreadable } = await namedFiles({
      store,
      io,
      clock,
      random,
      metadata: new MetadataCache(io, recordedRoot),
      manifests: new ManifestStore(io, recordedRoot),
      adopted: new Set(),
      engine: {},
      snapshotsAgeMaxMs: null,
      cursorLagMs: 0,
    });
    const loose = files.filter(({ path, optional }) => !optional && list.get(path) === undefined);
    return [
      ...broken,
      ...unreadable.map(({ table, cause }) => `${table}: ${errorText(cause)}`),
      ...loose.map(({ path }) => `${path} is named by the catalog and was not copied`),
    ];
  } catch (thrown) {
    if (!(thrown instanceof LakeError)) throw thrown;
    return [`${CATALOG_FILE}: ${thrown.message}`];
  } finally {
    store?.db.close();
  }
}

async function aboutOf(
  folder: string,
): Promise<{ readonly place: string; readonly commit: string | null; readonly made: string }> {
  const path = `${folder}/${BACKUP_FOLDER}/backup.json`;
  if (!existsSync(path)) {
    const begun = existsSync(`${folder}/${BACKUP_FOLDER}`);
    throw new LakeError(
      "not-found",
      `${folder} holds no backup${begun ? " that was finished" : ""}`,
      {
        hint: begun
          ? `finish it: tarn backup ${folder}`
          : "name a folder that tarn backup has made",
      },
    );
  }
  const about = parseJson(await Bun.file(path).text());
  if (isJsonObject(about)) {
    const { place, commit, made } = about;
    if (typeof place === "string" && typeof made === "string") {
      return { place, commit: commit === null ? null : String(commit), made };
    }
  }
  throw new LakeError("corrupt", `${path} is damaged`, { hint: "make the backup again" });
}
