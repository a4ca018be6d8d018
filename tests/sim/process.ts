/**
 * One process of the program on the simulated disk: it opens the lake as `openSession` of cmd/open.ts does, runs one
 * command, and ends; or the power goes at a chosen operation, or that operation fails.
 */

import { adoptCorrections } from "../../cmd/lake/corrections.ts";
import { Analyses, projectGraph } from "../../cmd/lake/models.ts";
import { must } from "../../core/base/assert.ts";
import { sourcesFor } from "../../core/config/source-of-drop.ts";
import { kindsNamed, sourceReader } from "../../core/config/sources.ts";
import { readConfig } from "../../core/config.ts";
import type { SourceConfig } from "../../core/ingest/contract.ts";
import { forgetFiles } from "../../core/ingest/forget.ts";
import type { LandingPorts } from "../../core/ingest/landing.ts";
import { replayOriginals } from "../../core/ingest/originals.ts";
import { quarantineTable } from "../../core/ingest/quarantine.ts";
import { retryRows } from "../../core/ingest/retry.ts";
import type { RetryItem } from "../../core/ingest/retry-item.ts";
import type { Source } from "../../core/ingest/source.ts";
import { buildOnce, type Intake } from "../../core/lake.ts";
import { cursorFromText } from "../../core/model/cursor.ts";
import { replay } from "../../core/model/replay.ts";
import { undoRun } from "../../core/model/undo.ts";
import type { Catalog } from "../../core/ports.ts";
import { compactTable } from "../../core/table/compact.ts";
import { FORMATS } from "../../sql/decode/formats.ts";
import { LakeCatalog } from "../../storage/catalog/sqlite.ts";
import { LocalFiles } from "../../storage/disk/local.ts";
import { Claims } from "../../storage/files/claim.ts";
import { listDrops } from "../../storage/files/drops.ts";
import { rowFiles } from "../../storage/parquet/write.ts";
import { Drops } from "../../storage/sources/files.ts";
import { sourceKinds } from "../../storage/sources/kinds.ts";
import type { SimDisk } from "./disk.ts";
import type { RememberedEngine } from "./remembered-engine.ts";
import { type Attached, type Scenario, START_MS, type Step } from "./scenario.ts";
import { runStatements } from "./statements.ts";
import { disksOf, dropsDisk, logDisk } from "./sync-disk.ts";
import { type SimClock, SimRandom } from "./world.ts";

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** More than the longest delay of unlinking. */
const GRACE_MS = 25 * HOUR_MS;
const SETTINGS = {
  timezone: "UTC",
  engineVersion: "simulated",
  memoryBytes: 1024 * 1024 * 1024,
  threads: 1,
};

export interface Acknowledged {
  readonly number: bigint;
  readonly timeMs: number;
}

export interface ProcessOptions {
  readonly scenario: Scenario;
  readonly project: string;
  readonly disk: SimDisk;
  readonly engine: RememberedEngine;
  readonly step: Step;
  /** Place of the step in the story, and how many processes crashed before this one: they seed its clock and dice. */
  readonly index: number;
  readonly life: number;
  readonly clock: SimClock;
  readonly onAcknowledged: (commit: Acknowledged) => Promise<void>;
}

export interface Ended {
  /** What the command threw, or said failed; null when all went well. */
  readonly failure: unknown;
}

/** The time at which a process starts. */
export function startOf(index: number, life: number): number {
  // Retention lets days pass, and it is the last step.
  return START_MS + index * HOUR_MS + life * 5 * MINUTE_MS;
}

/** Runs one command from start to end. Does not throw: what went wrong is in the result. */
export async function runProcess(options: ProcessOptions): Promise<Ended> {
  const opened: { close(): Promise<void> }[] = [];
  try {
    return { failure: await command(options, opened) };
  } catch (thrown) {
    return { failure: thrown };
  } finally {
    for (const one of opened.reverse()) await one.close();
  }
}

async function command(
  options: ProcessOptions,
  opened: { close(): Promise<void> }[],
): Promise<unknown> {
  const { disk, step, index, life, engine, project, clock, scenario } = options;
  const random = new SimRandom(index * 1_000 + life + 1);
  const io = await LocalFiles.open({ root: disk.root, random, disk });
  const real = await LakeCatalog.open({ io, clock, random });
  opened.push(real);
  await real.takeEngine();
  await io.clearStaging([]);
  const drops = dropsDisk();
  const claims = new Claims({ durable: io.durable, random, drops });
  await claims.clearIncoming();
  const catalog = acknowledging(real, options.onAcknowledged);
  const steps = scenario.stepEngine?.(clock, random);
  const asking = steps === undefined ? {} : { steps };
  const ports: LandingPorts = { io, catalog, engine, rowFiles, clock, random, ...asking };
  const kinds = await sourceKinds(kindsNamed(scenario.config));
  const reading = {
    folderName: "sim",
    env: {},
    sources: sourceReader({ formats: FORMATS, kinds }),
  };
  const config = must(readConfig(scenario.config, reading).config, "the configuration is valid");
  const dropped = new Drops({
    list: () => listDrops({ projectRoot: project, folder: "drops", disk: drops }),
    claims: async () => claims,
    ledger: catalog.ledger,
    clock,
    io,
    projectRoot: project,
    deal: (files) => sourcesFor(config, files, FORMATS),
  });
  const outside = disksOf(disk, logDisk());
  const world = { ports, originals: claims, project, disk: outside, index, life };
  const attached = await scenario.attach(world);
  opened.push(attached);
  const intake = new BothIntake(dropped, attached);
  switch (step.action) {
    case "build":
    case "repair":
      return await build(ports, intake, scenario, step);
    case "reread":
      await attached.act(step.action, config.streams);
      return await build(ports, intake, scenario, step);
    case "replay":
      return await replayAll(ports, scenario, step);
    case "again":
    case "pause":
    case "resume":
      await attached.act(step.action, config.streams);
      return null;
    case "undo":
      await undo(ports, step);
      return null;
    case "retry":
    case "forget":
    case "originals":
      await dropped.refresh();
      for (const { config: source } of dropped.sources) await mend(ports, real, source, step);
      return null;
    case "statements":
      await runStatements(ports, step.sql ?? "");
      return null;
    case "compact":
      for (const { name } of await catalog.tables()) {
        const rules = {
          targetBytes: COMPACTED_BYTES,
          effort: "all",
          nowMs: clock.nowMs(),
        } as const;
        const all = { dryRun: false, bytesMax: null, filesMax: null };
        await compactTable(ports, name, rules, SETTINGS, all);
      }
      return null;
    case "maintain":
      for (let pass = 0; pass < 3; pass += 1) {
        clock.advance(GRACE_MS);
        await real.maintain({ processStart: () => null });
        if (await real.hasLeavingOriginals()) await real.unlinkOriginals();
      }
      return null;
  }
}

/** Any file of a story is smaller. */
const COMPACTED_BYTES = 1024 * 1024;

/** Once: what was taken back before the power went is held. */
async function undo(ports: LandingPorts, { undone }: Step): Promise<void> {
  const { catalog } = ports;
  const model = must(undone, "the step says which model");
  if (cursorFromText(await catalog.fact("cursor", model))?.restored !== null) return;
  const [run] = await catalog.runs.list({ model, status: "ok", limit: 1 });
  await undoRun(ports, must(run, "the model has run"), { cascade: true, dryRun: false });
}

/** What becomes of dropped files of a source, and of their rows, after they have landed. */
async function mend(
  ports: LandingPorts,
  catalog: LakeCatalog,
  source: SourceConfig,
  { action, set, files = [] }: Step,
): Promise<void> {
  const { signal } = new AbortController();
  if (action === "originals") {
    await replayOriginals(ports, source, SETTINGS, { dryRun: false, why: "a replay" });
  } else if (action === "retry") {
    const items = await asideItems(ports, source);
    const retried = await retryRows(ports, source, items, SETTINGS, {
      set: set ?? null,
      dryRun: false,
      signal,
    });
    const [failed] = [...retried.failed, ...retried.gone];
    if (failed !== undefined) throw new Error(`${failed.id} did not land: ${failed.why}`);
  }
  for (const file of files) {
    const options = { dryRun: false };
    const { originals } = await forgetFiles(ports, source, { file }, SETTINGS, options);
    await catalog.queueOriginals(originals);
  }
}

async function asideItems(ports: LandingPorts, { into }: SourceConfig): Promise<RetryItem[]> {
  const table = await ports.catalog.load(quarantineTable(into));
  if (table === null) return [];
  const scan = await ports.catalog.scan(table, table.current);
  const asked = { scan, ids: [], reason: null, where: null, after: null, ...PAGE };
  const { rows } = await ports.engine.aside({ ...asked, ...SETTINGS });
  return rows.map(({ id, batch, file, position, reason, raw }) => {
    return { id, batch, file, position, reason, raw: raw ?? "", text: null };
  });
}

const PAGE = { rowsMax: 1_000, charsMax: 1_000_000 };

/** Dropped files, and what a scenario brings. */
class BothIntake implements Intake {
  readonly #dropped: Drops;
  readonly #attached: Attached;
  #streams: readonly Source[] = [];

  constructor(dropped: Drops, attached: Attached) {
    this.#dropped = dropped;
    this.#attached = attached;
  }

  async refresh(): Promise<void> {
    await this.#dropped.refresh();
    this.#streams = await this.#attached.sources();
    await this.#attached.begin();
  }

  refreshFreed(): Promise<boolean> {
    return this.#dropped.refreshFreed();
  }

  get sources(): readonly Source[] {
    return [...this.#dropped.sources, ...this.#streams];
  }

  get unreadable(): Intake["unreadable"] {
    return this.#dropped.unreadable;
  }
}

async function build(
  ports: LandingPorts,
  intake: Intake,
  scenario: Scenario,
  step: Step,
): Promise<unknown> {
  const graph = await graphOf(ports, scenario, step);
  await adoptCorrections(ports, graph.names, step.corrections ?? []);
  const summary = await buildOnce(ports, intake, graph, SETTINGS, {
    select: null,
    full: false,
    repair: step.action === "repair",
    land: true,
    waitForSettle: true,
    batchBytes: 1024 * 1024,
    signal: new AbortController().signal,
    onEvent: () => {},
  });
  const failed = summary.runs.find((run) => run.kind === "failed");
  return failed?.reason ?? (summary.landFailures > 0 ? "landing failed" : null);
}

async function replayAll(ports: LandingPorts, scenario: Scenario, step: Step): Promise<unknown> {
  const graph = await graphOf(ports, scenario, step);
  const chosen = new Set(["silver.orders", "gold.daily"]);
  const nodes = graph.nodes.filter((node) => chosen.has(node.model.name));
  await replay(ports, graph.names, nodes, SETTINGS, {
    scope: null,
    atMs: null,
    promote: false,
    dryRun: false,
    why: "the model changed",
    sampleRows: 3,
  });
  return null;
}

async function graphOf(ports: LandingPorts, scenario: Scenario, step: Step) {
  const heads = await ports.catalog.tables();
  const answer = await projectGraph(ports.engine, new Analyses(), {
    models: step.models,
    sources: scenario.sourceByTable,
    tables: heads.map((head) => head.name),
    corrections: step.corrections ?? [],
  });
  if (answer.kind === "invalid") throw answer.errors[0];
  return answer.graph;
}

/** The catalog, telling of each commit before its caller learns of it. */
function acknowledging(
  catalog: LakeCatalog,
  onAcknowledged: (commit: Acknowledged) => Promise<void>,
): Catalog {
  return new Proxy(catalog, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name !== "commit") return value.bind(target);
      return async (...args: Parameters<Catalog["commit"]>) => {
        const result = await target.commit(...args);
        if (result.kind === "committed") await onAcknowledged(result);
        return result;
      };
    },
  });
}
