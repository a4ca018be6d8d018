/** A backup of a project: its lake as of one moment, and the words that make it what it is. */

import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import {
  CONTRACTS_FOLDER,
  CORRECTIONS_FOLDER,
  DROPS_FOLDER,
  SEEDS_FOLDER,
} from "../../core/config/default-source.ts";
import { MACROS_FOLDER, MODELS_FOLDER } from "../../core/model/model.ts";
import { type BackedUp, backUp } from "../../storage/catalog/backup.ts";
import { CATALOG_FILE } from "../../storage/catalog/lake-store.ts";
import { systemClock, systemRandom } from "../clock.ts";
import type { Session } from "../open.ts";

export interface BackupRequest {
  /** As it was written. */
  readonly folder: string;
  readonly link: boolean;
  readonly force: boolean;
}

export interface ProjectBackup extends BackedUp {
  /** Absolute. */
  readonly folder: string;
  /** Where the configuration's copy lies, if not under its own name. */
  readonly configAs: string | null;
}

/** Folders of a project that say what its lake means, copied whole. */
const TEXT_FOLDERS = [
  MODELS_FOLDER,
  CONTRACTS_FOLDER,
  CORRECTIONS_FOLDER,
  SEEDS_FOLDER,
  MACROS_FOLDER,
  "tests",
  "queries",
  "replays",
] as const;
const DEFAULT_PLACE = "warehouse";

/** Throws `usage` for a folder that the lake itself is made from or lies in, and as `backUp`. */
export async function backupOf(
  session: Session,
  request: BackupRequest,
  signal: AbortSignal,
  onProgress: (text: string) => void,
): Promise<ProjectBackup> {
  const { root, warehouse } = session;
  const folder = resolve(request.folder);
  if (!existsSync(join(warehouse, CATALOG_FILE))) {
    throw new LakeError("not-found", `there is no lake in ${warehouse} yet`, {
      hint: "tarn build makes one",
    });
  }
  refuseInside(session, folder);
  mkdirSync(dirname(folder), { recursive: true });
  const { place, isBeside } = placeIn(root, session.config.warehouse);
  const { link, force } = request;
  const done = await backUp({
    root: warehouse,
    folder,
    place,
    link,
    force,
    clock: systemClock,
    random: systemRandom,
    signal,
    onProgress: ({ files, of }) => onProgress(`${files} of ${of} files`),
  });
  const configAs = done.finished ? copyTexts(session, folder, isBeside) : null;
  return { ...done, folder, configAs };
}

/** Where the lake lies in the copy; `isBeside` where the configuration says so itself, in words that hold there. */
function placeIn(
  root: string,
  warehouse: string,
): { readonly place: string; readonly isBeside: boolean } {
  const place = relative(root, resolve(root, warehouse));
  const isBeside = !isAbsolute(warehouse) && place !== "" && !place.startsWith("..");
  return isBeside ? { place, isBeside } : { place: DEFAULT_PLACE, isBeside };
}

/** Models with their programs, contracts, corrections and tarn.yaml; no secrets, no drops. Answers as `configAs`. */
function copyTexts(session: Session, folder: string, isBeside: boolean): string | null {
  const { root } = session;
  for (const name of TEXT_FOLDERS) {
    rmSync(join(folder, name), { recursive: true, force: true });
    copyFolder(join(root, name), join(folder, name));
  }
  // Programs of models lie where the models say.
  for (const path of session.project.models
    .flatMap(({ step }) => step?.files ?? [])
    .map(({ path }) => path)) {
    if (isAbsolute(path) || path.startsWith("..") || !existsSync(join(root, path))) continue;
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    copyFileSync(join(root, path), join(folder, path));
  }
  // With neither of the others it is what makes a folder a project.
  mkdirSync(join(folder, DROPS_FOLDER), { recursive: true });
  const { configFile } = session.project;
  if (configFile === null) return null;
  // Under its own name it would lead to the lake that was copied.
  const name = isBeside ? configFile : `${configFile}.original`;
  const next = join(folder, `${name}.next`);
  copyFileSync(join(root, configFile), next);
  renameSync(next, join(folder, name));
  return isBeside ? null : name;
}

function copyFolder(from: string, to: string): void {
  if (!existsSync(from)) return;
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.name.startsWith(".")) continue;
    if (entry.isDirectory()) copyFolder(join(from, entry.name), join(to, entry.name));
    else if (entry.isFile()) copyFileSync(join(from, entry.name), join(to, entry.name));
  }
}

function refuseInside({ root, warehouse, config }: Session, folder: string): void {
  const isIn = (place: string): boolean => folder === place || folder.startsWith(`${place}${sep}`);
  const drops = [...config.sources.map(({ path }) => path), DROPS_FOLDER];
  const taken = [
    { place: warehouse, what: "in the lake itself" },
    ...TEXT_FOLDERS.map((name) => ({ place: join(root, name), what: `in ${name}/` })),
    ...drops.map((path) => ({ place: resolve(root, path), what: "where files are dropped" })),
  ].find(({ place }) => isIn(place));
  const isAround = [root, warehouse].some((place) =>
    `${place}${sep}`.startsWith(`${folder}${sep}`),
  );
  if (taken === undefined && !isAround) return;
  const where = taken?.what ?? "around the lake";
  throw new LakeError("usage", `${folder} is ${where}: a backup cannot lie there`, {
    hint: "name a folder of its own, on another disk where there is one",
  });
}
