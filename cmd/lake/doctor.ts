/** The installation and the lake, examined piece by piece. */

import { statfs } from "node:fs/promises";
import { errorText } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import { liveRows } from "../../core/table/live.ts";
import type { Schema } from "../../core/table/types.ts";
import { verifyNative } from "../../sql/duckdb/native.ts";
import { readDataFileMetrics } from "../../storage/parquet/footer.ts";
import { bytesText } from "../format/numbers.ts";
import type { Session } from "../open.ts";
import type { Finding } from "./finding.ts";

/** Files under this size, in this number, make a table slow to read. */
const SMALL_BYTES = 1024 * 1024;
const SMALL_FILES_MAX = 1_000;
/** Free space under which the next batches are at risk. */
const FREE_BYTES_MIN = 1024 * 1024 * 1024;

/** The engine's own files, as they were unpacked. */
export async function installationOf(): Promise<Finding> {
  try {
    const { folder } = await verifyNative();
    const text = folder === null ? "from node_modules" : `unpacked and unchanged in ${folder}`;
    return { check: "engine", state: "ok", text };
  } catch (thrown) {
    const todo = "remove the cache folder it names and run doctor again";
    return { check: "engine", state: "bad", text: errorText(thrown), todo };
  }
}

/** Every live file; with `deep`, its footer too, and whether each row is accounted for. */
export async function findingsOf(session: Session, deep: boolean): Promise<Finding[]> {
  const findings: Finding[] = [];
  const { project } = session;
  findings.push(
    project.errors.length === 0
      ? { check: "project", state: "ok", text: `${counted(project.models.length, "model")} valid` }
      : {
          check: "project",
          state: "bad",
          text: project.errors[0]?.message ?? "",
          todo: "tarn check",
        },
  );
  if (session.moved) {
    const text = "the lake is read-only here: it was made under another folder";
    const todo = "tarn relocate, if this copy is to live on";
    findings.push({ check: "lake", state: "warn", text, todo });
  }
  for (const head of await session.catalog.tables()) {
    findings.push(...(await checkTable(session, head.name, deep)));
  }
  findings.push(...(await branchFindings(session)));
  if (deep) {
    const { accountFindings } = await import("./accounts.ts");
    findings.push(...(await accountFindings(session)));
  }
  const space = await statfs(session.warehouse);
  const free = space.bavail * space.bsize;
  const state = free < FREE_BYTES_MIN ? "warn" : "ok";
  findings.push({ check: "disk", state, text: `${bytesText(free)} free` });
  return findings;
}

async function branchFindings(session: Session): Promise<Finding[]> {
  if ((await session.catalog.branchHeads()).length === 0) return [];
  const { branchList } = await import("./branch-list.ts");
  return (await branchList(session)).map(({ name, tables }): Finding => {
    const check = `branch ${name}`;
    const behind = tables.filter(({ isForward }) => !isForward).map(({ table }) => table);
    if (behind.length === 0) {
      return { check, state: "ok", text: `${counted(tables.length, "table")}, can become main` };
    }
    const text = `main went on in ${behind.join(", ")}: it cannot become main as it is`;
    return { check, state: "warn", text, todo: `tarn branch ${name}` };
  });
}

async function checkTable(session: Session, name: string, deep: boolean): Promise<Finding[]> {
  const bad = (text: string): Finding[] => [
    { check: name, state: "bad", text, todo: `tarn restore ${name} --to @-1, or restore a backup` },
  ];
  try {
    const table = await session.catalog.load(name);
    if (table === null) return bad("its metadata cannot be found");
    const scan = await session.catalog.scan(table, table.current);
    let small = 0;
    for (const { localPath, file } of scan.files) {
      const relative = localPath.slice(session.warehouse.length + 1);
      const stat = await session.ports.io.stat(relative);
      if (stat === null) return bad(`${relative} is missing`);
      if (BigInt(stat.sizeBytes) !== file.sizeBytes) {
        return bad(
          `${relative} has ${counted(stat.sizeBytes, "byte")}, the manifest says ${file.sizeBytes}`,
        );
      }
      if (stat.sizeBytes < SMALL_BYTES) small += 1;
      if (!deep) continue;
      const rows = await footerRows(session, relative, stat.sizeBytes, table.schema);
      if (rows !== file.recordCount) {
        return bad(
          `${relative} has ${counted(rows, "row")}, the manifest says ${file.recordCount}`,
        );
      }
    }
    const files = counted(scan.files.length, "file");
    if (small > SMALL_FILES_MAX) {
      const text = `${files}, ${small} of them under 1 MB: queries open more than they need`;
      return [{ check: name, state: "warn", text }];
    }
    const rows = table.current === null ? 0n : (liveRows(table.current) ?? 0n);
    return [{ check: name, state: "ok", text: `${files}, ${counted(rows, "row")}, all present` }];
  } catch (thrown) {
    return bad(errorText(thrown));
  }
}

async function footerRows(
  session: Session,
  name: string,
  sizeBytes: number,
  schema: Schema,
): Promise<bigint> {
  const { io } = session.ports;
  const read = (start: number, end: number) => io.readRange(name, start, end - start);
  return (await readDataFileMetrics({ name, sizeBytes, read }, schema)).recordCount;
}
