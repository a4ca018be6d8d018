/** Reads the same tables at the same snapshots with the lake's own shell and with the peers, and compares digests. */

import { join } from "node:path";
import { quoteIdentifier, quoteLiteral, quoteQualified } from "../../sql/syntax/quote.ts";
import { mustRun, programPath } from "../crash/program.ts";

/** One table at one moment, as a reader saw it. */
export interface Seen {
  readonly table: string;
  readonly uuid: string;
  readonly which: "current" | "oldest" | "middle";
  /** A decimal number; null for a table without a snapshot. */
  readonly snapshot: string | null;
  readonly columns: readonly { readonly name: string; readonly type: unknown }[];
  readonly rows?: number;
  readonly digest?: string;
  /** With null lists and maps taken for empty ones, which is what PyIceberg reads. */
  readonly loose?: string;
  readonly error?: string;
}

export interface Orphans {
  readonly table: string;
  readonly orphans?: readonly string[];
  readonly error?: string;
}

const SCRIPTS = import.meta.dirname;
const READ_MS_MAX = 10 * 60_000;

/** Every table with PyIceberg, at its current, oldest and middle snapshot. */
export async function readWithPyIceberg(python: string, warehouse: string): Promise<Seen[]> {
  const script = join(SCRIPTS, "read_pyiceberg.py");
  return jsonLines(await mustRun([python, script, warehouse], { timeoutMs: READ_MS_MAX }));
}

/** The same tables and snapshots with Spark, and what its orphan search would remove. */
export async function readWithSpark(
  python: string,
  jars: string,
  warehouse: string,
  wanted: readonly Seen[],
): Promise<{ readonly seen: Seen[]; readonly orphans: Orphans[] }> {
  const script = join(SCRIPTS, "read_spark.py");
  const stdin = wanted.map((one) => JSON.stringify(one)).join("\n");
  const env = { TZ: "UTC", SPARK_LOCAL_IP: "127.0.0.1" };
  const options = { stdin, env, timeoutMs: READ_MS_MAX };
  const lines = jsonLines<Seen & Orphans>(
    await mustRun([python, script, warehouse, jars], options),
  );
  return {
    seen: lines.filter((line) => line.which !== undefined),
    orphans: lines.filter((line) => line.which === undefined),
  };
}

/** One table at one snapshot with the lake's own shell, digested by the same code as the peers'. */
export async function readWithShell(python: string, project: string, wanted: Seen): Promise<Seen> {
  const script = join(SCRIPTS, "read_jsonl.py");
  const columns = JSON.stringify(wanted.columns);
  const words = [programPath(), selectOf(wanted), python, script, columns];
  const { stdout } = await mustRun(["bash", "-o", "pipefail", "-c", PIPE, "bash", ...words], {
    cwd: project,
    timeoutMs: READ_MS_MAX,
  });
  return { ...wanted, ...JSON.parse(stdout) };
}

/** A pipe, so that a million rows need not be held here. */
const PIPE = '"$1" sql --format jsonl -c "$2" | "$3" "$4" "$5"';

/**
 * Columns that Spark cannot select: names that Iceberg reserves for its metadata columns (MetadataColumns.java), which
 * Spark refuses as soon as one is read, and types that Spark does not have.
 */
export function unreadableInSpark(seen: Seen): string[] {
  return seen.columns
    .filter(({ name, type }) => RESERVED.has(name) || JSON.stringify(type).includes('"time"'))
    .map((column) => column.name);
}

const RESERVED: ReadonlySet<string> = new Set([
  "_file",
  "_pos",
  "_deleted",
  "_spec_id",
  "_partition",
  "_row_id",
  "_last_updated_sequence_number",
  "_change_type",
  "_change_ordinal",
  "_commit_snapshot_id",
]);

/** Says where two readers differ; empty when they agree. */
export function differences(ours: Seen, theirs: Seen, reader: string, loose: boolean): string[] {
  const at = `${ours.table} (${ours.which}, snapshot ${ours.snapshot})`;
  if (theirs.error !== undefined) return [`${reader} cannot read ${at}: ${theirs.error}`];
  if (ours.rows !== theirs.rows) return [`${at}: ${ours.rows} rows, ${reader} ${theirs.rows}`];
  const [mine, other] = loose ? [ours.loose, theirs.loose] : [ours.digest, theirs.digest];
  return mine === other ? [] : [`${at}: ${ours.rows} rows with other values in ${reader}`];
}

/** Columns by name: the system's own stay out of `select *`. */
function selectOf(wanted: Seen): string {
  const columns = wanted.columns.map((column) => quoteIdentifier(column.name)).join(", ");
  const table = quoteQualified(wanted.table.split("."));
  if (wanted.snapshot === null) return `select ${columns} from ${table}`;
  return `select ${columns} from ${table} at (version => ${quoteLiteral(BigInt(wanted.snapshot))})`;
}

function jsonLines<Line = Seen>(finished: { readonly stdout: string }): Line[] {
  return finished.stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
}
