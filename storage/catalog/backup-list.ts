/** What a backup holds, file by file with its hash: one line each, added as files become durable. */

import { existsSync, readFileSync } from "node:fs";
import { LakeError, worded } from "../../core/base/errors.ts";
import { isJsonObject, parseJson, stringifyJson } from "../../core/base/json.ts";
import type { Durable } from "../disk/durable.ts";

export interface ListedFile {
  /** Relative to the copied lake's root. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

const LIST_FILE = "files.jsonl";
const NEXT_FILE = "files.next.jsonl";

export class BackupList {
  readonly #durable: Durable;
  readonly #folder: string;
  readonly #fileByPath: Map<string, ListedFile>;
  #sizeBytes: number;

  /** Reads the list in `folder`, or begins one. The end of a line that was cut by a crash counts for nothing. */
  static open(durable: Durable, folder: string): BackupList {
    const path = `${folder}/${LIST_FILE}`;
    const bytes = existsSync(path) ? readFileSync(path) : new Uint8Array();
    const whole = bytes.lastIndexOf(LINE_END) + 1;
    const fileByPath = new Map<string, ListedFile>();
    for (const line of UTF8.decode(bytes.subarray(0, whole)).split("\n")) {
      if (line === "") continue;
      const file = fileOf(line, path);
      fileByPath.set(file.path, file);
    }
    return new BackupList(durable, folder, fileByPath, whole);
  }

  private constructor(
    durable: Durable,
    folder: string,
    fileByPath: Map<string, ListedFile>,
    sizeBytes: number,
  ) {
    this.#durable = durable;
    this.#folder = folder;
    this.#fileByPath = fileByPath;
    this.#sizeBytes = sizeBytes;
  }

  get(path: string): ListedFile | undefined {
    return this.#fileByPath.get(path);
  }

  get files(): readonly ListedFile[] {
    return [...this.#fileByPath.values()];
  }

  /** Adds files that are durable; the list is, when it resolves. */
  async add(files: readonly ListedFile[]): Promise<void> {
    if (files.length === 0) return;
    const lines = new TextEncoder().encode(files.map(lineOf).join(""));
    const { open } = await import("node:fs/promises");
    const path = `${this.#folder}/${LIST_FILE}`;
    const handle = await open(path, "a+", 0o600);
    try {
      // What a crash cut off is overwritten.
      await handle.truncate(this.#sizeBytes);
      await handle.write(lines);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    await this.#durable.syncFolders([this.#folder]);
    this.#sizeBytes += lines.byteLength;
    for (const file of files) this.#fileByPath.set(file.path, file);
  }

  /** Leaves out what is not kept. */
  async keep(isKept: (path: string) => boolean): Promise<void> {
    const kept = this.files.filter(({ path }) => isKept(path));
    const bytes = new TextEncoder().encode(kept.map(lineOf).join(""));
    const next = `${this.#folder}/${NEXT_FILE}`;
    await this.#durable.discard([next]);
    await this.#durable.writeSynced([{ path: next, bytes }]);
    const path = `${this.#folder}/${LIST_FILE}`;
    await worded("rename", path, this.#durable.disk.rename(next, path));
    await this.#durable.syncFolders([this.#folder]);
    this.#fileByPath.clear();
    for (const file of kept) this.#fileByPath.set(file.path, file);
    this.#sizeBytes = bytes.byteLength;
  }
}

const UTF8 = new TextDecoder();
const LINE_END = 10;

function lineOf({ path, sizeBytes, sha256 }: ListedFile): string {
  return `${stringifyJson({ path, size: sizeBytes, sha256 })}\n`;
}

function fileOf(line: string, list: string): ListedFile {
  try {
    const value = parseJson(line);
    if (isJsonObject(value)) {
      const { path, size, sha256 } = value;
      const isPath = typeof path === "string" && !path.split("/").includes("..");
      if (isPath && typeof size === "number" && typeof sha256 === "string") {
        return { path, sizeBytes: size, sha256 };
      }
    }
  } catch (thrown) {
    throw damaged(list, thrown);
  }
  throw damaged(list, null);
}

function damaged(list: string, cause: unknown): LakeError {
  return new LakeError("corrupt", `${list} is damaged: a line of it names no file`, {
    hint: "the backup cannot be told from other files: make one in a new folder",
    cause,
  });
}
