/** The lake behind the SQL command, opened when a statement first needs it. */

import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import type { LakeConfig } from "../../core/config.ts";
import type { TableLookup } from "../../sql/query/query.ts";
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

  /** The session on a lake that is there: one that nothing has landed in is made now. */
  async needMade(): Promise<Session> {
    const session = await this.need();
    if (session.warehouse === resolve(session.root, session.config.warehouse)) return session;
    const { openSession } = await import("../open.ts");
    await (await openSession(this.#flags, { engine: "tarn sql" }))[Symbol.asyncDispose]();
    await session[Symbol.asyncDispose]();
    this.#opening = null;
    return await this.need();
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
export function lazyLookup(lake: LazyLake): TableLookup {
  let known: { readonly session: Session; readonly lookup: TableLookup } | null = null;
  const get = async (): Promise<TableLookup | null> => {
    const session = await lake.session();
    if (session === null || known?.session === session) return known?.lookup ?? null;
    const { lakeLookup } = await import("../lake/table-lookup.ts");
    known = { session, lookup: lakeLookup(session) };
    return known.lookup;
  };
  return {
    async find(refs, asOf, tablesIn) {
      const found = await get();
      return (await found?.find(refs, asOf, tablesIn)) ?? { bindings: [], notes: [] };
    },
    tableNames: async () => (await (await get())?.tableNames()) ?? [],
    columnNames: async (table) => (await (await get())?.columnNames(table)) ?? [],
    checkBranch: async (name) => await (await get())?.checkBranch(name),
    systemTable: async (ref) => (await (await get())?.systemTable(ref)) ?? null,
  };
}
