/** Pins: every table a run reads, fixed in one catalog read, and the bindings made of them. */

import { LakeError } from "../base/errors.ts";
import type { MomentContext } from "../base/moment.ts";
import type { Binding, TableRef } from "../engine.ts";
import { isQuarantineTable, QUARANTINE_COLUMNS } from "../ingest/quarantine.ts";
import { VIEW_DEPTH_MAX } from "../limits.ts";
import type { Catalog, TableHead } from "../ports.ts";
import type { VersionRef } from "../table/commit.ts";
import type { Correction } from "../table/correction.ts";
import { freshSchema } from "../table/evolution.ts";
import type { Scan, Schema, Snapshot, Table, TableName } from "../table/types.ts";
import { momentIn, parseVersion, refuseVersionOfView } from "../table/version-ref.ts";
import { type Place, placeOf } from "./cursor.ts";
import type { ModelNode } from "./node.ts";

export interface Pin {
  readonly table: Table;
  readonly snapshot: Snapshot | null;
}

/** Tables of one instant, loaded as they are asked for. */
export class Pins {
  readonly #catalog: Catalog;
  readonly #headByName: ReadonlyMap<TableName, TableHead>;
  readonly #pinByName = new Map<TableName, Pin | null>();

  private constructor(catalog: Catalog, heads: readonly TableHead[]) {
    this.#catalog = catalog;
    this.#headByName = new Map(heads.map((head) => [head.name, head]));
  }

  static async take(catalog: Catalog): Promise<Pins> {
    return new Pins(catalog, await catalog.tables());
  }

  /**
   * The lake as of an instant: tables at their last snapshot then, without those that did not exist. `now` names
   * tables that are pinned at their current head all the same.
   */
  static async takeAt(
    catalog: Catalog,
    timeMs: number,
    now: (name: TableName) => boolean,
  ): Promise<Pins> {
    const heads: TableHead[] = [];
    const pinned = new Map<TableName, Pin>();
    for (const head of await catalog.tables()) {
      if (now(head.name)) {
        heads.push(head);
        continue;
      }
      const table = await catalog.load(head.name);
      if (table === null) continue;
      const commit = await catalog.commitAt(timeMs);
      const snapshot =
        commit === null
          ? null
          : await catalog.snapshotAt(table, { kind: "time", timeMs, nearest: false });
      if (snapshot === null) continue;
      const { snapshotId, sequenceNumber } = snapshot;
      heads.push({ ...head, snapshotId, sequenceNumber });
      pinned.set(head.name, { table, snapshot });
    }
    const pins = new Pins(catalog, heads);
    for (const [name, pin] of pinned) pins.#pinByName.set(name, pin);
    return pins;
  }

  /** These pins with some tables where a model has read them; null when that is not kept any more. */
  async where(places: ReadonlyMap<TableName, Place>): Promise<Pins | null> {
    const pins = new Pins(this.#catalog, [...this.#headByName.values()]);
    for (const [name, pin] of this.#pinByName) pins.#pinByName.set(name, pin);
    for (const [name, { uuid, snapshotId }] of places) {
      const pin = await this.get(name);
      if (pin === null || pin.table.uuid !== uuid) return null;
      const found = pin.table.snapshots.find((one) => one.snapshotId === snapshotId) ?? null;
      if (found === null && snapshotId !== null) return null;
      pins.#pinByName.set(name, { table: pin.table, snapshot: found });
    }
    return pins;
  }

  has(name: TableName): boolean {
    return this.#headByName.has(name);
  }

  get names(): readonly TableName[] {
    return [...this.#headByName.keys()];
  }

  /** The table at the pinned head; null when there was none. */
  async get(name: TableName): Promise<Pin | null> {
    const known = this.#pinByName.get(name);
    if (known !== undefined) return known;
    const pin = await this.#load(name);
    this.#pinByName.set(name, pin);
    return pin;
  }

  async scan(name: TableName): Promise<Scan | null> {
    const pin = await this.get(name);
    return pin === null ? null : this.#catalog.scan(pin.table, pin.snapshot);
  }

  /** The moment that a reference to a table names, or null. Throws `usage` for what is no spelling of one. */
  async moment(ref: TableRef, name: TableName, moments: MomentContext): Promise<VersionRef | null> {
    const at = momentIn(ref);
    if (at === null) return null;
    const refs = (await this.get(name))?.table.refs ?? new Map();
    return parseVersion(at.value, at.unit, { tags: await this.#catalog.tags(), refs, moments });
  }

  /** The table as of a moment; null when there is no such table. Throws `not-found` for one that it does not keep. */
  async at(name: TableName, moment: VersionRef): Promise<Pin | null> {
    const pin = await this.get(name);
    if (pin === null) return null;
    return { table: pin.table, snapshot: await this.#catalog.snapshotAt(pin.table, moment) };
  }

  async scanAt(name: TableName, moment: VersionRef): Promise<Scan | null> {
    const pin = await this.at(name, moment);
    return pin === null ? null : this.#catalog.scan(pin.table, pin.snapshot);
  }

  async #load(name: TableName): Promise<Pin | null> {
    const head = this.#headByName.get(name);
    if (head === undefined) return null;
    const table = await this.#catalog.load(name);
    if (table === null || table.uuid !== head.uuid) return null;
    if (head.snapshotId === null) return { table, snapshot: null };
    const snapshot = table.snapshots.find((candidate) => candidate.snapshotId === head.snapshotId);
    // Thinned since the pin was taken: the current one is as good a pin, it is only newer.
    return { table, snapshot: snapshot ?? table.current };
  }
}

/** How names in a model's query are understood. */
export interface Names {
  /** The full name of a table or view; throws `not-found` or `sql` when unknown or ambiguous. */
  tableOf(ref: TableRef): TableName;
  /** The view model behind a name, or null for a table. */
  view(name: TableName): ModelNode | null;
  /** What is put right in the rows of a table as models read them, in order; absent: nothing is. */
  corrections?(name: TableName): readonly Correction[];
}

/** A table as models read it, or a part of it: through the corrections of the project. */
export function corrected(names: Names, name: TableName, scan: Scan): Scan {
  const by = names.corrections?.(name) ?? [];
  return by.length === 0 ? scan : { ...scan, corrected: { by } };
}

/** A state of a table, as a model reads it now. */
export function readPlace(names: Names, pin: Pin): Place {
  const by = names.corrections?.(pin.table.name) ?? [];
  const place = placeOf(pin);
  return by.length === 0 ? place : { ...place, corrections: by.map(({ hash }) => hash) };
}

/** A scan to use in place of the pinned one: a delta, or staged files of a replay. */
export type ScanOverrides = ReadonlyMap<TableName, Scan>;

/** What the references of a query are bound to. */
export interface BindJob {
  readonly pins: Pins;
  readonly names: Names;
  readonly overrides: ScanOverrides;
  /** How moments that the query names are read. */
  readonly moments: MomentContext;
}

/** Bindings of all references of a query; views are inlined with today's definition. */
export async function bindAll(
  job: BindJob,
  refs: readonly TableRef[],
  inherited: VersionRef | null = null,
  depth = 0,
): Promise<Binding[]> {
  const { pins, names, overrides } = job;
  if (depth > VIEW_DEPTH_MAX) {
    throw new LakeError("sql", `views are nested more than ${VIEW_DEPTH_MAX} deep`);
  }
  const bindings: Binding[] = [];
  for (const ref of refs) {
    const name = names.tableOf(ref);
    const moment = (await pins.moment(ref, name, job.moments)) ?? inherited;
    const view = names.view(name);
    if (view !== null) {
      if (moment !== null) refuseVersionOfView(name, moment);
      const inner = await bindAll(job, view.analysis.tables, moment, depth + 1);
      bindings.push({ kind: "view", ref, sql: view.model.sql, bindings: inner });
      continue;
    }
    const scan =
      moment === null
        ? (overrides.get(name) ?? (await pins.scan(name)))
        : await pins.scanAt(name, moment);
    if (scan === null && isQuarantineTable(name)) {
      bindings.push({ kind: "scan", ref, scan: emptyScan(name, NOTHING_ASIDE) });
      continue;
    }
    if (scan === null) {
      throw new LakeError("not-found", `${name} has no data yet`, {
        hint: "it is made by its first batch or build",
        context: { table: name },
      });
    }
    bindings.push({ kind: "scan", ref, scan: corrected(names, name, scan) });
  }
  return bindings;
}

/** A table that holds nothing yet. */
export function emptyScan(table: TableName, schema: Schema): Scan {
  const nothing = { snapshotId: null, sequenceNumber: 0n, files: [], deletes: [] };
  return { table, uuid: table, schema, ...nothing };
}

/** The columns of a quarantine table that nothing has made yet. */
export const NOTHING_ASIDE = freshSchema(QUARANTINE_COLUMNS, new Set());

/** What a query reads in the end, through views. */
export interface Reads {
  /** Every table, sorted. */
  readonly all: readonly TableName[];
  /** Those that it reads as of the run, and not only as of a moment that it names; sorted. */
  readonly current: readonly TableName[];
  /** Tables as of moments, each with the reference that names the moment. */
  readonly fixed: readonly { readonly name: TableName; readonly by: TableRef }[];
}

export function readsOf(names: Names, refs: readonly TableRef[]): Reads {
  const all = new Set<TableName>();
  const current = new Set<TableName>();
  const fixed: { name: TableName; by: TableRef }[] = [];
  const visit = (some: readonly TableRef[], outer: TableRef | null, depth: number): void => {
    if (depth > VIEW_DEPTH_MAX) return;
    for (const ref of some) {
      const name = names.tableOf(ref);
      const view = names.view(name);
      const by = momentIn(ref) === null ? outer : ref;
      if (view !== null) {
        visit(view.analysis.tables, by, depth + 1);
        continue;
      }
      all.add(name);
      if (by === null) current.add(name);
      else fixed.push({ name, by });
    }
  };
  visit(refs, null, 0);
  return { all: [...all].sort(), current: [...current].sort(), fixed };
}
