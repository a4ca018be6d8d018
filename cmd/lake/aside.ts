/** Rows that were set aside, some at a time, with what became of them: however many there are. */

import { LakeError } from "../../core/base/errors.ts";
import { nearestWord } from "../../core/base/suggest.ts";
import type { AsidePlace, AsideRow } from "../../core/engine.ts";
import type { GoneFile, QuarantineEvent } from "../../core/ingest/ledger.ts";
import { isQuarantineTable, quarantineTable } from "../../core/ingest/quarantine.ts";
import { whyGone } from "../../core/ingest/retry.ts";
import { ASIDE_CHARS_MAX, ASIDE_ROWS_MAX } from "../../core/limits.ts";
import type { TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";
import { sourceConfigs } from "./sources.ts";

export interface Selection {
  /** A source, or a table in any spelling: `orders`, `bronze.orders`, `bronze_quarantine.orders`; null is all. */
  readonly source: string | null;
  /** Beginnings of ids; empty is all. */
  readonly ids: readonly string[];
  readonly reason: string | null;
  /** SQL over the columns of the quarantine table. */
  readonly where: string | null;
  /** Also rows that are fixed, dropped or superseded. */
  readonly all: boolean;
}

export interface QuarantinedRow {
  /** The quarantine table that holds it. */
  readonly table: TableName;
  readonly id: string;
  readonly source: string;
  readonly file: string;
  readonly position: string;
  readonly column: string | null;
  readonly reason: string;
  readonly message: string;
  readonly raw: string;
  /** The batch that the rows of its file carry. */
  readonly batch: string;
  readonly status: string;
  /** Why it is open no longer, where that is known. */
  readonly note: string | null;
}

/**
 * The rows, those of the oldest batch of a table first. Throws `not-found` for a source and for ids that there are not,
 * `usage` for a condition that is none.
 */
export async function* asidePages(
  session: Session,
  selection: Selection,
  rowsMax = ASIDE_ROWS_MAX,
): AsyncGenerator<readonly QuarantinedRow[]> {
  const { source, ids } = selection;
  if (source !== null) await requireSource(session, source);
  if (ids.length > 0) await requireIds(session, selection);
  yield* pagesOf(session, selection, rowsMax);
}

/** `silver_quarantine.orders` is beside `silver.orders`. */
export function besideTable(table: TableName): TableName {
  return table.replace("_quarantine.", ".");
}

/** `orders` is what any layer set aside of it, `bronze.orders` and `bronze_quarantine.orders` are one table. */
export function isNamed(table: TableName, source: string): boolean {
  if (!source.includes(".")) return table.endsWith(`.${source}`);
  return table === source || table === quarantineTable(source);
}

/** Throws `not-found` for what nothing is set aside from, and nothing could be. */
export async function requireSource(session: Session, source: string): Promise<void> {
  const heads = await session.catalog.tables();
  const isTable = heads.some(({ name }) => isQuarantineTable(name) && isNamed(name, source));
  if (isTable || (await session.catalog.ledger.batches({ source })).length > 0) return;
  const { project } = session;
  const drops = await session.drops();
  await drops.refresh();
  const sources = await sourceConfigs(session);
  const tables = [
    ...heads.map((head) => head.name),
    ...sources.map((config) => config.into),
    ...project.models.map((model) => model.name),
  ];
  const names = sources.map((config) => config.name);
  const isOf = (table: TableName): boolean =>
    isNamed(table, source) || table === besideTable(source);
  if (names.includes(source) || tables.some(isOf)) return;
  const near = nearestWord(source, [...names, ...tables]);
  throw new LakeError("not-found", `there is no source and no table "${source}"`, {
    hint: near === null ? "see: tarn status" : `did you mean "${near}"?`,
  });
}

async function* pagesOf(
  session: Session,
  selection: Selection,
  rowsMax: number,
): AsyncGenerator<readonly QuarantinedRow[]> {
  const heads = await session.catalog.tables();
  const { source } = selection;
  const states = new States(session);
  for (const { name } of heads) {
    if (!isQuarantineTable(name)) continue;
    const isWhole = source === null || isNamed(name, source);
    for await (const page of tablePages(session, name, selection, rowsMax)) {
      const rows = await states.of(name, page);
      // A row that is asked for by its id is answered for, whatever became of it.
      const isAny = selection.all || selection.ids.length > 0;
      const asked = rows.filter(
        (row) => (isWhole || row.source === source) && (isAny || row.status === "open"),
      );
      if (asked.length > 0) yield asked;
    }
  }
}

async function* tablePages(
  session: Session,
  name: TableName,
  { ids, reason, where }: Selection,
  rowsMax: number,
): AsyncGenerator<readonly AsideRow[]> {
  const { catalog, ports, settings } = session;
  const table = await catalog.load(name);
  if (table === null || table.current === null) return;
  const scan = await catalog.scan(table, table.current);
  if (scan.files.length === 0) return;
  const { memoryBytes, threads, timezone } = settings;
  const limits = { rowsMax, charsMax: ASIDE_CHARS_MAX, memoryBytes, threads, timezone };
  let after: AsidePlace | null = null;
  for (;;) {
    const asked = { scan, ids, reason, where, after, ...limits };
    const { rows, isLast } = await ports.engine.aside(asked);
    yield rows;
    const last = rows.at(-1);
    if (isLast || last === undefined) return;
    after = { batch: last.batch, file: last.file, line: last.line, id: last.id };
  }
}

/** What became of rows, asked for a page of them at a time. */
class States {
  readonly #session: Session;
  #gone: Promise<readonly GoneFile[]> | null = null;

  constructor(session: Session) {
    this.#session = session;
  }

  async of(table: TableName, rows: readonly AsideRow[]): Promise<QuarantinedRow[]> {
    const { ledger } = this.#session.catalog;
    const sources = await ledger.sourcesOf(rows.map(({ batch }) => batch));
    const events = await ledger.quarantineEvents(rows.map(({ id }) => id));
    const byId = new Map(events.map((event) => [event.id, event]));
    const names = rows.map(({ file }) => file);
    const live = new Set<string>();
    // A source may have got another name since. Of what a model set aside the ledger knows nothing.
    for (const source of new Set(sources.values())) {
      for (const { landsAs, file } of await ledger.files({ source, names, live: true })) {
        live.add(`${landsAs}\n${file}`);
      }
    }
    return await Promise.all(
      rows.map(async (row): Promise<QuarantinedRow> => {
        const source = sources.get(row.batch);
        const isGone = source !== undefined && !live.has(`${row.batch}\n${row.file}`);
        const { id, file, position, column, reason, message, raw, batch } = row;
        return {
          ...{ table, id, source: source ?? row.source, file, position, column, reason, message },
          ...{ raw: raw ?? "", batch },
          ...(await this.#stateOf(row, byId.get(id), isGone)),
        };
      }),
    );
  }

  async #stateOf(row: AsideRow, event: QuarantineEvent | undefined, isGone: boolean) {
    if (event !== undefined && event.status !== "open") {
      return { status: event.status, note: event.note };
    }
    if (!isGone) return { status: "open", note: event?.note ?? null };
    this.#gone ??= this.#session.catalog.ledger.gone();
    return {
      status: "superseded",
      note: event?.note ?? whyGone(await this.#gone, row, "its file"),
    };
  }
}

/** Ids looked through for the one that may have been meant. */
const NEAR_IDS_MAX = 10_000;
/** Shorter beginnings are near to too many. */
const NEAR_CHARS_MIN = 6;

async function requireIds(session: Session, selection: Selection): Promise<void> {
  const missing = new Set(selection.ids);
  const every = { ...selection, reason: null, where: null };
  for await (const rows of pagesOf(session, every, ASIDE_ROWS_MAX)) {
    for (const { id } of rows) {
      for (const start of missing) if (id.startsWith(start)) missing.delete(start);
    }
    if (missing.size === 0) return;
  }
  const [id] = missing;
  if (id === undefined) return;
  const near = await nearId(session, selection, id);
  const source = selection.source ?? "SOURCE";
  throw new LakeError("not-found", `no row that was set aside has an id like "${id}"`, {
    hint: near === null ? `see: tarn quarantine show ${source}` : `did you mean "${near}"?`,
  });
}

async function nearId(session: Session, { source }: Selection, id: string) {
  if (id.length < NEAR_CHARS_MIN) return null;
  const every = { source, ids: [], reason: null, where: null, all: false };
  for await (const rows of pagesOf(session, every, NEAR_IDS_MAX)) {
    return nearestWord(
      id,
      rows.map((row) => row.id.slice(0, id.length)),
    );
  }
  return null;
}
