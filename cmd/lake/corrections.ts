/** The corrections of a project as a set: of which tables they are, what is wrong with them, since when they hold. */

import { LakeError } from "../../core/base/errors.ts";
import { isJsonObject, parseJson, stringifyJson } from "../../core/base/json.ts";
import type { CorrectionFile } from "../../core/model/correction-file.ts";
import { keepCorrections } from "../../core/model/corrections.ts";
import type { RunPorts } from "../../core/model/model-table.ts";
import { corrected, type Names } from "../../core/model/pins.ts";
import type { SqlEngine } from "../../core/ports.ts";
import type { Fact } from "../../core/table/commit.ts";
import type { Correction } from "../../core/table/correction.ts";
import { commitOnce } from "../../core/table/publish.ts";
import type { TableName } from "../../core/table/types.ts";
import { quoteIdentifier } from "../../sql/syntax/quote.ts";

/** Facts about corrections that hold, by name. */
const FACT = "correction:";

export interface Judged {
  /** In the order in which they are applied. */
  readonly byTable: ReadonlyMap<TableName, readonly Correction[]>;
  readonly errors: readonly LakeError[];
}

/** Corrections are of tables that no model makes, and say of each row what the row itself does. */
export async function judgeCorrections(
  engine: SqlEngine,
  names: Names,
  models: readonly { readonly name: TableName }[],
  files: readonly CorrectionFile[],
): Promise<Judged> {
  const byTable = new Map<TableName, Correction[]>();
  const errors: LakeError[] = [];
  for (const { input, correction } of files) {
    const { name, file, line } = correction;
    let at = 1;
    try {
      const table = names.tableOf({ name: input, at: null, offset: null });
      if (models.some((model) => model.name === table)) {
        throw new LakeError("config", `${table} is made by a model`, {
          hint: `correct the query of ${table}, or the table that it reads`,
        });
      }
      at = line;
      await judgeStatement(engine, table, correction);
      byTable.set(table, [...(byTable.get(table) ?? []), correction]);
    } catch (thrown) {
      if (!(thrown instanceof LakeError)) throw thrown;
      errors.push(
        new LakeError("config", `correction ${name}: ${thrown.message}`, {
          ...(thrown.hint === null ? {} : { hint: thrown.hint }),
          place: { file, line: at, column: 1 },
          page: "T0122",
        }),
      );
    }
  }
  return { byTable, errors };
}

/** What the tables that there are say of their corrections: columns and types that are not theirs. */
export async function readingErrors(
  { catalog, engine, clock }: Pick<RunPorts, "catalog" | "engine" | "clock">,
  names: Names,
  tables: readonly TableName[],
  timezone: string,
): Promise<readonly LakeError[]> {
  const errors: LakeError[] = [];
  for (const table of tables) {
    const found = await catalog.load(table);
    if (found === null) continue;
    const scan = corrected(names, table, await catalog.scan(found, found.current));
    const ref = { name: "t", at: null, offset: null };
    const bindings = [{ kind: "scan", ref, scan }] as const;
    const asked = {
      sql: "SELECT * FROM t",
      bindings,
      timezone,
      runTimeMs: clock.nowMs(),
      driver: null,
    };
    try {
      await engine.describe(asked);
    } catch (thrown) {
      if (!(thrown instanceof LakeError) || thrown.page !== "T0122") throw thrown;
      errors.push(thrown);
    }
  }
  return errors;
}

/** Throws `sql` where a part of it is not SQL, `config` where it looks at more than its row. */
async function judgeStatement(
  engine: SqlEngine,
  table: TableName,
  { sets, where }: Correction,
): Promise<void> {
  const from = table.split(".").map(quoteIdentifier).join(".");
  const parts = [...(sets ?? []).map(({ sql }) => sql), ...(where === null ? [] : [where])];
  const items = parts.map((sql, index) => `(${sql}\n) AS c${index}`).join(", ");
  const found = await engine.analyze({ sql: `SELECT ${items} FROM ${from}`, conditions: [] });
  const [clock] = found.clock;
  const why =
    found.tables.length > 1
      ? "it reads another table"
      : clock !== undefined
        ? `it reads the clock: ${clock}`
        : (found.notDeterministic[0] ?? found.notIncremental[0] ?? null);
  if (why === null) return;
  throw new LakeError("config", `it must say of each row what the row itself does: ${why}`, {
    hint: "use columns of the row and functions of them alone; the rest belongs into a model",
  });
}

/**
 * Enters which corrections hold from now on, in one commit of the lake; nothing where they are those that held. Only
 * under the engine lease.
 */
export async function adoptCorrections(
  { catalog, clock }: Pick<RunPorts, "catalog" | "clock">,
  names: Names,
  files: readonly CorrectionFile[],
): Promise<void> {
  const known = [...(await catalog.facts("setting"))].filter(([name]) => name.startsWith(FACT));
  if (files.length === 0 && known.length === 0) return;
  const wasByName = new Map(known);
  const facts: Fact[] = [];
  const words: string[] = [];
  for (const { input, correction, statement, description, owner } of files) {
    const { name: own, hash, file } = correction;
    const name = `${FACT}${own}`;
    const was = wasByName.get(name) ?? null;
    wasByName.delete(name);
    const before = was === null ? null : parseJson(was);
    const table = names.tableOf({ name: input, at: null, offset: null });
    const range = rangeText(correction);
    const said = { table, hash, file, range, statement, description, owner };
    const isHeld = isJsonObject(before) && before.hash === hash && before.file === file;
    if (isHeld && Object.entries(said).every(([key, is]) => before[key] === is)) continue;
    facts.push({
      kind: "setting",
      name,
      was,
      becomes: stringifyJson({ ...said, since: isHeld ? (before.since ?? null) : clock.nowMs() }),
    });
    const how = was === null ? "added" : isHeld ? "described otherwise" : "edited";
    words.push(`${own} of ${table} ${how}`);
  }
  for (const [name, was] of wasByName) {
    facts.push({ kind: "setting", name, was, becomes: null });
    words.push(`${name.slice(FACT.length)} removed`);
  }
  if (facts.length === 0) return;
  await keepCorrections(
    catalog,
    files.map(({ correction }) => correction),
  );
  const nothing = { tables: [], batches: [], withdrawn: [], runs: [] };
  const message = `correction ${words.join(", ")}`;
  await commitOnce(catalog, { kind: "schema", ...nothing, facts, message }, "corrections");
}

/** The range as a person reads it; null: every row. */
export function rangeText({ batches, files, time }: Correction): string | null {
  const at = (ms: number | null) => (ms === null ? "" : new Date(ms).toISOString());
  const parts = [
    ...(batches.length > 0 ? [`batch ${batches.join(", ")}`] : []),
    ...(files.length > 0 ? [`file ${files.join(", ")}`] : []),
    ...(time === null ? [] : [`${time.column} [${at(time.fromMs)}, ${at(time.toMs)})`]),
  ];
  return parts.length === 0 ? null : parts.join("; ");
}
