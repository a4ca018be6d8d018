/** The engine without workers: handlers called where the test runs, on connections to one DuckDB. */

import type { AnalyzeRequest } from "../../core/model/analysis.ts";
import type { SqlEngine } from "../../core/ports.ts";
import { analyze } from "../../sql/analysis/analyze.ts";
import { describe } from "../../sql/analysis/describe.ts";
import { decode, inspect } from "../../sql/decode/decode.ts";
import { rowTexts } from "../../sql/decode/row-texts.ts";
import { decodeWholeText } from "../../sql/decode/whole-text.ts";
import { diff } from "../../sql/diff/diff.ts";
import { type DuckDB, openDuckDB } from "../../sql/duckdb/duckdb.ts";
import { materialize } from "../../sql/materialize/materialize.ts";
import { aside } from "../../sql/query/aside.ts";
import { quoteLiteral } from "../../sql/syntax/quote.ts";
import { isSmallText } from "../../sql/worker/client.ts";
import type { WorkerContext } from "../../sql/worker/context.ts";
import { compact } from "../../sql/write/compact.ts";
import { rewrite } from "../../sql/write/rewrite.ts";

const MEMORY_BYTES = 1024 ** 3;

/** Its files are those of a test, and none of them kills who reads it. */
export class InlineEngine implements SqlEngine {
  readonly db: DuckDB;
  /** Stands in for that of the lake: rows leave small files by marks too. */
  rewrittenRowsMax: number | null = null;
  /** Files of more rows are looked into by their indexes of keys, however few keys are looked for. */
  isIndexed = false;

  private constructor(db: DuckDB) {
    this.db = db;
  }

  /** One instance in UTC that may open files below the folder. */
  static async open(folder: string): Promise<InlineEngine> {
    const db = await openDuckDB({
      threads: 2,
      memoryBytes: MEMORY_BYTES,
      tempFolder: null,
      allowedPaths: [],
      allowedFolders: [folder],
      lockdown: false,
      timezone: "UTC",
    });
    return new InlineEngine(db);
  }

  analyze(request: AnalyzeRequest) {
    return this.#with((context) => analyze(context, request));
  }

  describe(request: Parameters<SqlEngine["describe"]>[0]) {
    return this.#with((context) => describe(context, request));
  }

  materialize(request: Parameters<SqlEngine["materialize"]>[0]) {
    const rewrittenRowsMax = this.rewrittenRowsMax ?? request.rewrittenRowsMax;
    const { keyIndexes: own } = request;
    const keyIndexes = this.isIndexed && own !== null ? { ...own, lookupRows: 0 } : own;
    const asked = { ...request, rewrittenRowsMax, keyIndexes };
    return this.#with((context) => materialize(context, asked));
  }

  rewrite(request: Parameters<SqlEngine["rewrite"]>[0]) {
    return this.#with((context) => rewrite(context, request));
  }

  compact(request: Parameters<SqlEngine["compact"]>[0]) {
    return this.#with((context) => compact(context, request));
  }

  diff(request: Parameters<SqlEngine["diff"]>[0]) {
    return this.#with((context) => diff(context, request));
  }

  prepare() {}

  inspect(request: Parameters<SqlEngine["inspect"]>[0]) {
    return this.#with((context) => inspect(context, request));
  }

  decode(request: Parameters<SqlEngine["decode"]>[0]) {
    return this.#with(async (context) => {
      // As by the process that is kept.
      const whole = isSmallText(request) ? await decodeWholeText(context, request) : null;
      return whole ?? decode(context, request);
    });
  }

  aside(request: Parameters<SqlEngine["aside"]>[0]) {
    return this.#with((context) => aside(context, request));
  }

  rowTexts(request: Parameters<SqlEngine["rowTexts"]>[0]) {
    return this.#with((context) => rowTexts(context, request));
  }

  async close(): Promise<void> {
    await this.db.close();
  }

  async #with<Answer>(work: (context: WorkerContext) => Promise<Answer>): Promise<Answer> {
    const opened: DuckDB[] = [];
    const open: WorkerContext["open"] = async ({ timezone }) => {
      const connection = await this.db.connect();
      opened.push(connection);
      await connection.run(`SET SESSION TimeZone = ${quoteLiteral(timezone ?? "UTC")}`);
      return connection;
    };
    try {
      const { signal } = new AbortController();
      return await work({ open, announce: () => {}, signal });
    } finally {
      for (const connection of opened) await connection.close();
    }
  }
}
