/** `tarn export`: a table, or the result of any query, as a file or a folder of files; the models as a job of Spark. */

import { resolve } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import { DEFAULT_ADDRESS } from "../../core/config.ts";
import { defineTool, type Invocation } from "../command.ts";
import { EXIT } from "../exit.ts";
import { bytesText } from "../format/numbers.ts";
import { openSession } from "../open.ts";
import { type OutputKind, outputKind } from "../render/output-file.ts";

/** The word for a job: a table of this name is written with its schema. */
const SPARK = "spark";
/** Formats for people, not for programs. */
const NOT_FILES: ReadonlySet<string> = new Set(["box", "line", "markdown"]);

const ARGS = {
  to: {
    type: "string",
    valueHint: "FILE|DIR",
    description: "where it goes; appears when it is whole",
  },
  format: {
    type: "string",
    valueHint: "FORMAT",
    description:
      "csv, tsv, json, jsonl, parquet, arrow or xlsx, with .gz or .zst; else by the ending",
  },
  "partition-by": {
    type: "string",
    valueHint: "COLUMNS",
    description: "a folder for each value of these columns, as Hive names them: day=2026-11-20",
  },
  at: {
    type: "string",
    valueHint: "VERSION|TIME|TAG",
    description: "as it was: @12 of a table; a time or a tag of everything",
  },
  force: { type: "boolean", description: "replace what is there" },
} as const;

export const command = defineTool({
  name: "export",
  description:
    "Write a table, or the result of a query, to a file or a partitioned folder; or models as a Spark job.",
  args: ARGS,
  examples: [
    "tarn export gold.daily --to daily.parquet",
    'tarn export "select * from silver.orders where amount > 100" --to big.csv.gz',
    "tarn export silver.orders --to orders --partition-by country,day --at month-end",
    "tarn export spark gold.daily+ --to job",
  ],
  async run(invocation) {
    const { terminal, args, signal } = invocation;
    const [what, second] = args._;
    const { to } = args;
    if (what === SPARK && to !== undefined && to !== "") {
      return await exportSpark(invocation, args._.slice(1), to, args.force === true);
    }
    if (what === undefined || second !== undefined || to === undefined || to === "") {
      throw new LakeError("usage", "export needs a table or one query, and --to", {
        hint: "tarn export gold.daily --to daily.parquet",
      });
    }
    const partitionBy = (args["partition-by"] ?? "")
      .split(",")
      .map((column) => column.trim())
      .filter((column) => column !== "");
    const kind = kindOf(to, args.format, partitionBy.length > 0);
    await using session = await openSession(invocation, { engine: null });
    const { exportOf } = await import("../shell/export.ts");
    const { sql, at } = queryOf(what, args.at);
    const { shownMoment } = await import("../lake/moments.ts");
    const asOf = at === null ? null : (await shownMoment(session, at)).asOf;
    const path = resolve(to.replace(/\/+$/, ""));
    const request = { sql, asOf, path, kind, partitionBy, force: args.force === true };
    const done = await exportOf(session, request, signal);
    if (terminal.json) {
      terminal.document({
        schema: "tarn.export/1",
        path,
        format: kind.format,
        rows: done.rows,
        files: done.files,
        bytes: done.bytes,
        tables: [...done.tables],
      });
    } else {
      const files = partitionBy.length > 0 ? ` in ${counted(done.files, "file")}` : "";
      const read = done.tables.length === 0 ? "" : ` of ${done.tables.join(", ")}`;
      terminal.line(
        `${counted(done.rows, "row")}${read} in ${to}${files}, ${bytesText(done.bytes)}`,
      );
    }
    return EXIT.ok;
  },
});

/** Writes the job, and says what is not in it. */
async function exportSpark(
  invocation: Invocation<typeof ARGS>,
  selectors: readonly string[],
  to: string,
  force: boolean,
): Promise<number> {
  const { terminal } = invocation;
  const path = resolve(to);
  const { writeJob } = await import("../spark/write.ts");
  const { sparkJobOf } = await import("../spark/job.ts");
  await using session = await openSession(invocation, { engine: null });
  const { http } = session.config.serve;
  // Port 0 is another one each time: the job is told then.
  const address = http === null || http.endsWith(":0") ? DEFAULT_ADDRESS : http;
  const uri = `http://${address}/iceberg`;
  const job = await sparkJobOf(session, selectors, uri);
  writeJob(path, job, force);
  const { models, refused } = job;
  if (terminal.json) {
    terminal.document({
      ...{ schema: "tarn.export-spark/1", path, models: [...models] },
      refused: refused.map(({ table, what, place }) => ({ table, what, ...place })),
    });
    return EXIT.ok;
  }
  terminal.line(`${counted(models.length, "model")} in ${to}: ${models.join(", ") || "none"}`);
  for (const { table, what, place } of refused) {
    terminal.note(
      `! ${place.file}:${place.line}:${place.column}: ${table} stays with tarn: ${what}`,
    );
  }
  terminal.note(`next: tarn up, and python ${to}/job.py --compare`);
  return EXIT.ok;
}

function kindOf(to: string, format: string | undefined, isFolder: boolean): OutputKind {
  const named = format === undefined ? (isFolder ? "x.parquet" : to) : `x.${format}`;
  const kind = outputKind(named);
  if (!NOT_FILES.has(kind.format)) return kind;
  throw new LakeError("usage", `${kind.format} is for people to read, not for files`, {
    hint: "csv, tsv, json, jsonl, parquet, arrow and xlsx are; for a text: tarn sql -c … -o FILE",
  });
}

/** A name alone is a table; what is `@12` of a table is written behind its name. */
function queryOf(
  what: string,
  at: string | undefined,
): { readonly sql: string; readonly at: string | null } {
  if (/\s/.test(what.trim())) return { sql: what, at: at ?? null };
  const isVersion = at !== undefined && /^@?-?\d{1,19}$/.test(at);
  if (!isVersion) return { sql: `FROM ${what}`, at: at ?? null };
  return { sql: `FROM ${what}@${at.replace(/^@/, "")}`, at: null };
}
