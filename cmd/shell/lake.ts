/** The lake behind the SQL command, opened when a statement first needs it. */

import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { counted } from "../../core/base/count.ts";
import { LakeError } from "../../core/base/errors.ts";
import type { LakeConfig } from "../../core/config.ts";
import type { Table } from "../../core/table/types.ts";
import { lakeMoment } from "../../core/table/version-ref.ts";
import type { Resolver } from "../../sql/query/query.ts";
import {
  type ResultColumn,
  type ResultSet,
  resultOf,
  type ValueType,
} from "../../sql/query/result.ts";
import type { ShellLake } from "../../sql/shell/shell.ts";
import { aboutCount, agoText } from "../format/numbers.ts";
import { momentsOf } from "../lake/version-ref.ts";
import type { OpenFlags, Session } from "../open.ts";

/** Opens at most once; outside a project there is nothing to open. */
export class LazyLake implements AsyncDisposable {
  readonly #flags: OpenFlags;
  #opening: Promise<Session | null> | null = null;
  #reading: Promise<LakeConfig | null> | null = null;
  #warehouse: string | null = null;

  constructor(flags: OpenFlags) {
    this.#flags = flags;
  }

  /** The lake's own folder, once it is known. */
  get warehouse(): string | null {
    return this.#warehouse;
  }

  /** The session, or null outside a project. Throws what opening throws. */
  session(): Promise<Session | null> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /** The project's settings, read without opening the lake; null outside a project, or when they have errors. */
  settings(): Promise<LakeConfig | null> {
    this.#reading ??= this.#read();
    return this.#reading;
  }

  async need(): Promise<Session> {
    const session = await this.session();
    if (session !== null) return session;
    throw new LakeError("usage", "there is no lake here", {
      hint: "run this in a project: a folder with tarn.yaml or drops/, or name it with -C",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const session = await this.#opening?.catch(() => null);
    await session?.[Symbol.asyncDispose]();
  }

  async #read(): Promise<LakeConfig | null> {
    if (!mayBeProject(this.#flags.folder)) return null;
    const { findProject, loadSettings } = await import("../project/project.ts");
    const root = await findProject(this.#flags.folder);
    if (root === null) return null;
    const config = await loadSettings(root, process.env);
    if (config !== null) this.#warehouse ??= resolve(root, config.warehouse);
    return config;
  }

  async #open(): Promise<Session | null> {
    if (!mayBeProject(this.#flags.folder)) return null;
    const { findProject } = await import("../project/project.ts");
    if ((await findProject(this.#flags.folder)) === null) return null;
    const { openSession } = await import("../open.ts");
    const session = await openSession(this.#flags, { engine: null });
    this.#warehouse = session.warehouse;
    return session;
  }
}

/** A cheap look before the project's code is loaded: `select 42` in any folder stays quick. */
function mayBeProject(start: string): boolean {
  for (let folder = resolve(start); ; folder = dirname(folder)) {
    if (PROJECT_SIGNS.some((name) => existsSync(join(folder, name)))) return true;
    if (folder === dirname(folder)) return false;
  }
}

const PROJECT_SIGNS = ["tarn.yaml", "tarn.yml", "tarn.json", "drops", "models"] as const;

/** Names mean nothing outside a project; inside, they are asked of the catalog. */
export function lazyResolver(lake: LazyLake): Resolver {
  let resolver: Promise<Resolver | null> | null = null;
  const get = (): Promise<Resolver | null> => {
    resolver ??= lake.session().then(async (session) => {
      if (session === null) return null;
      const { lakeResolver } = await import("../lake/resolver.ts");
      return lakeResolver(session);
    });
    return resolver;
  };
  return {
    async resolve(refs, asOf, tablesIn) {
      const found = await get();
      return (await found?.resolve(refs, asOf, tablesIn)) ?? { bindings: [], notes: [] };
    },
    tableNames: async () => (await (await get())?.tableNames()) ?? [],
    columnNames: async (table) => (await (await get())?.columnNames(table)) ?? [],
    systemTable: async (ref) => (await (await get())?.systemTable(ref)) ?? null,
  };
}

/** What the shell's own commands ask. */
export function shellLake(lake: LazyLake): ShellLake {
  return {
    tableLines: async (pattern) => tableLines(await lake.need(), pattern),
    snapshots: async (name) => {
      const session = await lake.need();
      const table = await session.catalog.load(await session.tableName(name));
      if (table !== null) return snapshotRows(table);
      throw new LakeError("not-found", `${name} has no snapshots yet`, { hint: "run: tarn build" });
    },
    moment: async (text) => moment(await lake.need(), text),
  };
}

/** A moment as the resolver takes it (fixed now, when it is relative) and as a prompt shows it. */
export async function moment(
  session: Session,
  text: string,
): Promise<{ readonly asOf: string; readonly label: string }> {
  const tag = text.replace(/^tag:/, "");
  if ((await session.catalog.tags()).has(tag)) return { asOf: `tag:${tag}`, label: tag };
  const moments = momentsOf(session);
  const timeMs = await lakeMoment(session.catalog, text, moments);
  const { timezone } = moments;
  const local = Temporal.Instant.fromEpochMilliseconds(timeMs).toZonedDateTimeISO(timezone);
  const label = local.toPlainDateTime().toString({ smallestUnit: "minute" }).replace("T", " ");
  return { asOf: new Date(timeMs).toISOString(), label };
}

async function tableLines(session: Session, pattern: string | null): Promise<string[]> {
  const nowMs = session.ports.clock.nowMs();
  const matches = pattern === null ? () => true : patternMatch(pattern);
  const rows: (readonly [string, string])[] = [];
  const views = session.project.models.filter((model) => model.kind === "view");
  for (const view of views) rows.push([view.name, "view"]);
  for (const head of await session.catalog.tables()) {
    if (!matches(head.name)) continue;
    rows.push([head.name, tableFacts(await session.catalog.load(head.name), nowMs)]);
  }
  const shown = rows
    .filter(([name]) => matches(name))
    .sort(([a], [b]) => order(a) - order(b) || (a < b ? -1 : 1));
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, facts]) => `  ${name.padEnd(width)}   ${facts}`);
}

/** Bronze first, gold last: the way data flows. */
function order(name: string): number {
  const layer = ["bronze", "silver", "gold"].indexOf(name.split(".")[0] ?? "");
  return layer < 0 ? 3 : layer;
}

function tableFacts(table: Table | null, nowMs: number): string {
  const current = table?.current ?? null;
  if (table === null || current === null) return "no rows yet";
  const total = current.summary["total-records"];
  const rows =
    total === undefined ? "" : `${aboutCount(BigInt(total))} ${total === "1" ? "row" : "rows"} · `;
  const age = agoText(nowMs - current.timestampMs);
  return `${rows}${age} · ${counted(table.snapshots.length, "snapshot")}`;
}

/** `*` and `?` as in a shell, `%` and `_` not: table names have underscores. A plain word may stand anywhere. */
function patternMatch(pattern: string): (name: string) => boolean {
  const escaped = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  const isPlain = !/[*?]/.test(pattern);
  const wanted = new RegExp(isPlain ? escaped : `^(.*\\.)?${escaped}$`, "i");
  return (name) => wanted.test(name);
}

const LONG: ValueType = { kind: "integer", bits: 64, signed: true, text: "int64" };
const TEXT: ValueType = { kind: "string", text: "varchar" };
const INSTANT: ValueType = {
  kind: "timestamp",
  unit: "ms",
  zoned: true,
  text: "timestamp with time zone",
};

const SNAPSHOT_COLUMNS: readonly ResultColumn[] = [
  { name: "version", type: LONG },
  { name: "snapshot_id", type: LONG },
  { name: "committed_at", type: INSTANT },
  { name: "operation", type: TEXT },
  { name: "added", type: LONG },
  { name: "deleted", type: LONG },
  { name: "rows", type: LONG },
  { name: "refs", type: TEXT },
];

function snapshotRows(table: Table): ResultSet {
  const newest = [...table.snapshots].sort((a, b) =>
    a.sequenceNumber < b.sequenceNumber ? 1 : -1,
  );
  const rows = newest.map((snapshot) => {
    const count = (key: string) => {
      const text = snapshot.summary[key];
      return text === undefined ? null : BigInt(text);
    };
    const refs = [...table.refs].filter(([, ref]) => ref.snapshotId === snapshot.snapshotId);
    return [
      snapshot.sequenceNumber,
      snapshot.snapshotId,
      BigInt(snapshot.timestampMs),
      snapshot.operation,
      count("added-records"),
      count("deleted-records"),
      count("total-records"),
      refs.length === 0 ? null : refs.map(([name]) => name).join(", "),
    ];
  });
  return resultOf(SNAPSHOT_COLUMNS, rows);
}
