/** `tarn init`: writes a project from a template, never over a file that is there. */

import { existsSync } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { errorText, LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import { suggestion } from "../../core/base/suggest.ts";
import { DEFAULT_WAREHOUSE } from "../../core/config.ts";
import { CATALOG_FILE, checkPlace } from "../../storage/catalog/lake-store.ts";
import { sourceKinds } from "../../storage/sources/kinds.ts";
import { shellWord } from "../render/style.ts";
import { apiTemplate } from "../templates/api.ts";
import { emptyTemplate, filesTemplate } from "../templates/files.ts";
import { kafkaTemplate } from "../templates/kafka.ts";
import { mysqlTemplate } from "../templates/mysql.ts";
import { postgresTemplate } from "../templates/postgres.ts";
import { shopTemplate } from "../templates/shop.ts";
import { commonFiles, type Template, type TemplateFile } from "../templates/template.ts";
import { configFileIn, findProject } from "./project.ts";

export interface InitRequest {
  /** Absolute, or relative to the working folder; made when absent. */
  readonly folder: string;
  /** A word of TEMPLATE_NAMES. */
  readonly template: string;
  /** Whether the template's example rows are written. */
  readonly sample: boolean;
}

export interface InitResult {
  readonly root: string;
  readonly files: readonly {
    readonly path: string;
    readonly comment: string;
    /** False when it was there before: it is left as it is. */
    readonly written: boolean;
  }[];
  /** Commands to go on with, in order. */
  readonly next: readonly string[];
}

/** A lake where it lies unless tarn.yaml says otherwise. */
const LAKE_FILE = join(DEFAULT_WAREHOUSE, CATALOG_FILE);

const TEMPLATES: ReadonlyMap<string, () => Template> = new Map([
  ["shop", shopTemplate],
  ["files", filesTemplate],
  ["empty", emptyTemplate],
  ["postgres", postgresTemplate],
  ["mysql", mysqlTemplate],
  ["kafka", kafkaTemplate],
  ["api", apiTemplate],
]);

/** What `--template` takes. */
export const TEMPLATE_NAMES: readonly string[] = [...TEMPLATES.keys()];

/**
 * Writes what is missing of a template. Throws `usage` for an unknown template and inside of a project, `io` when a
 * file cannot be written.
 */
export async function initProject(request: InitRequest): Promise<InitResult> {
  const make = TEMPLATES.get(request.template);
  if (make === undefined) {
    throw new LakeError("usage", `there is no template "${request.template}"`, {
      hint: suggestion(request.template, TEMPLATES.keys(), "templates"),
      page: "T0101",
    });
  }
  const root = resolve(request.folder);
  await refuseProject(root);
  checkPlace(root);
  const template = make();
  const files: InitResult["files"][number][] = [];
  const common = commonFiles(await sourceKinds("all"));
  for (const file of [...template.files, ...common]) {
    if (file.isSample === true && !request.sample) continue;
    const written = await writeNew(root, file);
    files.push({ path: file.path, comment: file.comment, written });
  }
  return { root, files, next: template.next };
}

/** One line a file, and what to do next. `from` is the working folder that the next commands start in. */
export function renderInit(result: InitResult, from: string): string {
  const width = Math.max(...result.files.map((file) => file.path.length));
  const written = result.files.filter((file) => file.written);
  const lines = written.map((file) => `  ${file.path.padEnd(width)}  ${file.comment}`);
  const keptCount = result.files.length - written.length;
  if (keptCount > 0) {
    lines.push(`  ${counted(keptCount, "file was", "files were")} there already and left alone`);
  }
  const folder = relative(from, result.root);
  const enter = folder === "" ? [] : [`cd ${shellWord(folder)}`];
  const name = basename(result.root);
  const head =
    written.length === 0
      ? `${name}: nothing to add`
      : `${name}: ${counted(written.length, "file")}`;
  return `${[head, ...lines, `next:  ${[...enter, ...result.next].join(" && ")}`].join("\n")}`;
}

/** A project keeps the settings it lives by, and projects do not nest. Folders alone are no project's settings. */
async function refuseProject(root: string): Promise<void> {
  const found = await findProject(root);
  if (found === null) return;
  if (configFileIn(found) === null && !existsSync(join(found, LAKE_FILE))) return;
  const what =
    found === root ? `${root} is a project already` : `${root} is inside the project ${found}`;
  throw new LakeError("usage", `${what}: nothing was written`, {
    hint: "go on with: tarn status; for another project name a folder of its own: tarn init ../other",
    page: "T0101",
  });
}

async function writeNew(root: string, file: TemplateFile): Promise<boolean> {
  const path = join(root, file.path);
  try {
    if (file.path.endsWith("/")) return (await mkdir(path, { recursive: true })) !== undefined;
    await mkdir(dirname(path), { recursive: true });
    // Exclusive: a file that is there, or that appears meanwhile, is never written over.
    const handle = await open(path, "wx");
    try {
      await handle.writeFile(file.text);
    } finally {
      await handle.close();
    }
    return true;
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "EEXIST") return false;
    throw new LakeError("io", `${file.path} cannot be written: ${errorText(thrown)}`, {
      hint: `is ${root} a folder that you may write to?`,
      cause: thrown,
    });
  }
}
