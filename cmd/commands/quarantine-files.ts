/** Rows that were set aside, written into a file to be edited, and loaded back from it. */

import { closeSync, existsSync, openSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import { ioError, LakeError, systemCode } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import { EXIT } from "../exit.ts";
import type { Selection } from "../lake/aside.ts";
import { editedRows, exportedRows } from "../lake/aside-file.ts";
import { openSession } from "../open.ts";
import { onEngine } from "../serve/engine-command.ts";
import { LINE_CHARS_MAX } from "../serve/wire.ts";
import type { QuarantineCall } from "./quarantine-call.ts";
import { type QuarantineArgs, runQuarantine } from "./quarantine-run.ts";

/** Characters of rows in one request: a fourth of what a line may have, for quotes are escaped in it. */
const REQUEST_CHARS_MAX = LINE_CHARS_MAX / 4;

/** Into the file, which must be a new one; null: to stdout. */
export async function exportRows(
  invocation: QuarantineCall,
  selection: Selection,
  out: string | null,
): Promise<number> {
  const { terminal } = invocation;
  await using session = await openSession(invocation, { engine: null });
  let count = 0;
  let file: number | null = null;
  try {
    for await (const { lines, rows } of exportedRows(session, selection)) {
      count += rows;
      if (out === null) for (const line of lines) terminal.line(line);
      else {
        file ??= openNew(out);
        writeSync(file, `${lines.join("\n")}\n`);
      }
    }
  } finally {
    if (file !== null) closeSync(file);
  }
  terminal.note(`${counted(count, "row")} exported${out === null ? "" : ` into ${out}`}`);
  if (out !== null && count > 0) {
    terminal.note(`next:  edit the column raw, then: tarn quarantine load ${out}`);
  }
  return EXIT.ok;
}

/** Lands what was changed in an exported file. */
export async function loadRows(
  invocation: QuarantineCall,
  file: string,
  dryRun: boolean,
): Promise<number> {
  const { terminal, signal } = invocation;
  const texts = await readChanges(invocation, file);
  let code: number = EXIT.ok;
  for (const part of portions(texts)) {
    if (signal.aborted) break;
    const ids = part.map(([id]) => id);
    const selection = { source: null, ids, reason: null, where: null, all: false };
    const given: QuarantineArgs = {
      ...{ action: "retry", selection, set: null, raw: null, texts: part, dryRun },
    };
    code = Math.max(code, await onEngine(invocation, "quarantine", runQuarantine, given));
  }
  if (texts.size === 0) terminal.note("no row of the file was changed");
  return code;
}

async function readChanges(
  invocation: QuarantineCall,
  file: string,
): Promise<ReadonlyMap<string, string>> {
  if (!existsSync(file)) {
    throw new LakeError("not-found", `there is no file ${file}`, {
      hint: "export one: tarn quarantine export orders -o bad.csv",
    });
  }
  await using session = await openSession(invocation, { engine: null });
  const { texts, unchanged } = await editedRows(session, resolve(file));
  if (unchanged > 0) invocation.terminal.note(`${counted(unchanged, "row")} left as they were`);
  return texts;
}

/** Requests of a size that the engine's socket takes. */
function portions(texts: ReadonlyMap<string, string>): (readonly [string, string])[][] {
  const parts: (readonly [string, string])[][] = [];
  let room = 0;
  for (const entry of texts) {
    const size = 2 * entry[0].length + entry[1].length;
    if (room < size) {
      parts.push([]);
      room = REQUEST_CHARS_MAX;
    }
    parts.at(-1)?.push(entry);
    room -= size;
  }
  return parts;
}

function openNew(out: string): number {
  try {
    return openSync(out, "wx", 0o600);
  } catch (thrown) {
    if (systemCode(thrown) !== "EEXIST") throw ioError(thrown, "write", out);
    throw new LakeError("usage", `${out} is there already`, {
      hint: "what was edited in it would be lost: name another file, or remove it",
    });
  }
}
