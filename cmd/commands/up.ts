/** `tarn up` and `tarn dev`: land and build for ever; `dev` also shows how everything stands. */

import { join } from "node:path";
import type { JsonObject } from "../../core/base/json.ts";
import { counted } from "../../core/base/quantity.ts";
import {
  CONTRACTS_FOLDER,
  CORRECTIONS_FOLDER,
  DROPS_FOLDER,
  SEEDS_FOLDER,
} from "../../core/config/default-source.ts";
import { DEFAULT_ADDRESS, type LakeConfig } from "../../core/config.ts";
import type { EngineBudget } from "../../core/ingest/landing.ts";
import { judgeColumns } from "../../core/model/columns.ts";
import { MACROS_FOLDER, MODELS_FOLDER, type Model } from "../../core/model/model.ts";
import type { RunSettings } from "../../core/model/model-table.ts";
import type { TableHead } from "../../core/ports.ts";
import { Upkeep } from "../../core/table/upkeep.ts";
import { runForever, type UpOptions } from "../../core/up.ts";
import { WakeUp } from "../../core/wake-up.ts";
import { watchFolders } from "../../storage/files/watch.ts";
import { systemClock, systemRandom } from "../clock.ts";
import { defineTool, type Invocation, type Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import { changedSettings } from "../lake/changed-settings.ts";
import { ProjectIntake } from "../lake/intake.ts";
import type { GraphAnswer, ProjectGraph } from "../lake/models.ts";
import { ReconcileWatch } from "../lake/reconcile-watch.ts";
import { openSession, type Session } from "../open.ts";
import { BuildScreen, following } from "../render/screen.ts";
import { StatusPane } from "../render/status-pane.ts";
import { HttpServer, type Mounted } from "../serve/http.ts";
import type { Door } from "../serve/iceberg/door.ts";
import { EngineServer } from "../serve/server.ts";

/** A listing is made at least this often, whatever the watcher says. */
const RESCAN_MS = 5_000;

/** The models in force: an edited set is adopted only when it validates as a whole. */
class CurrentModels {
  readonly #session: Session;
  readonly #terminal: Terminal;
  /** The set on disk was not adopted. */
  #isRejected = false;
  #graph: ProjectGraph | null = null;
  /** The settings that were last told. */
  #config: LakeConfig;
  #stamp = "";
  #tables = "";

  constructor(session: Session, terminal: Terminal) {
    this.#session = session;
    this.#terminal = terminal;
    this.#config = session.config;
  }

  get graph(): ProjectGraph | null {
    return this.#graph;
  }

  /** Reads the project again when its files or the lake's tables changed. */
  async refresh(reload: boolean): Promise<void> {
    const project = reload ? await this.#session.reload() : this.#session.project;
    for (const line of changedSettings(this.#config, this.#session.config)) {
      this.#terminal.note(`  ${project.configFile ?? "settings"}: ${line}`);
    }
    this.#config = this.#session.config;
    const corrections = project.corrections.map(
      ({ correction }) => `${correction.name} ${correction.hash}`,
    );
    const stamp = [...project.models.map(stampOfModel), ...corrections].join("\n");
    const errors = project.errors.map((error) => error.message).join("\n");
    const heads = await this.#session.catalog.tables();
    // What a rejected set misses may come with a commit.
    const stampOf = (head: TableHead): string =>
      this.#isRejected ? `${head.name} ${head.snapshotId}` : head.name;
    const tables = heads.map(stampOf).join("\n");
    const unchanged = `${stamp}\n${errors}` === this.#stamp && tables === this.#tables;
    if (unchanged && this.#graph !== null) return;
    const edited = `${stamp}\n${errors}` !== this.#stamp;
    this.#stamp = `${stamp}\n${errors}`;
    this.#tables = tables;
    const isNew = edited || this.#isRejected;
    const answer = await this.#answer(isNew && this.#graph !== null);
    this.#isRejected = answer.kind === "invalid";
    if (answer.kind === "valid") {
      if (isNew && this.#graph !== null) this.#terminal.note("  models reloaded");
      const { adoptCorrections } = await import("../lake/corrections.ts");
      const { ports, project: now } = this.#session;
      if (isNew) await adoptCorrections(ports, answer.graph.names, now.corrections);
      this.#graph = answer.graph;
      return;
    }
    if (!edited) return;
    this.#terminal.failures(answer.errors);
    const kept = this.#graph === null ? "no models run until it is mended" : "the old models go on";
    this.#terminal.note(`  ${kept}`);
  }

  /** An edited set is described as well: while it names a column that is not there, the old one is better. */
  async #answer(isEdit: boolean): Promise<GraphAnswer> {
    const answer = await this.#session.graph();
    if (!isEdit || answer.kind === "invalid") return answer;
    const { ports, config } = this.#session;
    const settings = { timezone: config.timezone, nowMs: ports.clock.nowMs() };
    const { names, nodes } = answer.graph;
    const { errors } = await judgeColumns(ports, names, nodes, settings);
    return errors.length === 0 ? answer : { kind: "invalid", errors };
  }
}

async function runUp(
  invocation: Invocation<Record<never, never>>,
  options: { readonly name: "up" | "dev" },
): Promise<number> {
  const { signal } = invocation;
  await using session = await openSession(invocation, {
    engine: `tarn ${options.name}`,
    isEndless: true,
  });
  using pane = options.name === "dev" ? StatusPane.open(session, invocation.terminal) : null;
  const isJson = session.config.up.logFormat === "json" && pane === null;
  const shown = pane?.terminal ?? invocation.terminal;
  const terminal: Terminal = isJson ? { ...shown, json: true, note: () => {} } : shown;
  const wakeUps = { sources: new WakeUp(systemClock), models: new WakeUp(systemClock) };
  const server = await EngineServer.listen(session.warehouse, wakeUps.models.wake);
  const folders = [
    ...[DROPS_FOLDER, MODELS_FOLDER, MACROS_FOLDER, SEEDS_FOLDER],
    ...[CONTRACTS_FOLDER, CORRECTIONS_FOLDER],
  ].map((name) => join(session.root, name));
  const watcher = watchFolders({
    folders,
    clock: systemClock,
    rescanMs: RESCAN_MS,
    onTrouble: (message) => terminal.note(`  ! ${message}; drops are found by listing instead`),
  });
  using http = httpOf(session);
  // Before anybody can ask: to a client a path that is not there is a table that is not there.
  http?.mountIceberg(icebergOf(session, wakeUps.models.wake));
  await using intake = await ProjectIntake.open(session, {
    http,
    wake: wakeUps.sources.wake,
    notice: (source, text) => terminal.note(`  ! ${source}: ${text}`),
  });
  const touched = (await session.drops()).follow();
  const edited = await session.followEdits();
  let isChanged = true;
  const drops = `${join(session.root, DROPS_FOLDER)}/`;
  watcher.onWake((path) => {
    touched(path);
    edited(path);
    isChanged = true;
    wakeUps.sources.wake();
    // What lands of a drop wakes them.
    if (path?.startsWith(drops) !== true) wakeUps.models.wake();
  });
  const models = new CurrentModels(session, terminal);
  await models.refresh(false);
  banner(terminal, session, options.name);
  if (http !== null) {
    terminal.note(`POST http://${http.address}/v1/ingest/SOURCE`);
    terminal.note(`Iceberg REST catalog at http://${http.address}/iceberg`);
    if (terminal.json) terminal.document(listening(http.address));
  }
  const reconciling = new ReconcileWatch(session, {
    wake: wakeUps.sources.wake,
    notice: (text) => terminal.note(`  ! reconcile: ${text}`),
  });
  const screen = new BuildScreen(terminal, session.ports.clock.nowMs());
  // The pane of `dev` draws for itself.
  if (pane === null) await screen.watch();
  const { compactionLine, compactionObject } = await import("../render/maintained.ts");
  const upkeep = new Upkeep(session.ports, {
    done: (compaction) =>
      screen.tell(compactionLine(compaction, false), {
        event: "maintained",
        ...compactionObject(compaction),
      }),
    failed: (error) => screen.show({ event: "trouble", error }),
  });
  const up: UpOptions = {
    batchBytes: session.config.batch.bytesMax,
    ...following(screen, signal),
    nextTick: (await import("../project/schedules.ts")).nextTick,
    wakeUps,
    isToLook: () => {
      const isToLook = isChanged;
      isChanged = false;
      return isToLook;
    },
    reload: async () => void (await session.reload()),
    graph: async () => {
      await models.refresh(true);
      return models.graph;
    },
    isAsked: () => server.isAsked,
    serve: () => server.serve(session),
    onTurn: async () => {
      await pane?.refresh();
      await reconciling.look();
    },
    maintain: async ({ alone, ...beside }) => {
      await session.maintain(alone);
      const { config, settings } = session;
      await upkeep.step(config.maintenance, upkeepBudget(settings), beside);
    },
  };
  try {
    await runForever(session.ports, intake, () => session.settings, up);
  } finally {
    screen.stop();
    await watcher.close();
    await reconciling.close();
    await server.close();
  }
  pane?.[Symbol.dispose]();
  terminal.note("stopped; nothing is lost, `tarn up` continues");
  return EXIT.ok;
}

/** What it is made of, and when it runs and what follows, which its version does not tell. */
function stampOfModel({ file, hash, cadence, onFailure }: Model): string {
  return `${file} ${hash} ${JSON.stringify([cadence, onFailure])}`;
}

/** Half of a share: what lands beside it has the rest. */
function upkeepBudget({ memoryBytes }: RunSettings): EngineBudget {
  return { memoryBytes: Math.floor(memoryBytes / 2), threads: 1 };
}

/** Served where something listens: a source that others push to, or an address in tarn.yaml. */
function httpOf({ config, warehouse }: Session): HttpServer | null {
  const isPushed = config.streams.some(({ kind }) => kind === "push");
  const { http } = config.serve;
  if (!isPushed && http === null) return null;
  return HttpServer.listen(warehouse, http ?? DEFAULT_ADDRESS, () => systemRandom.uuid());
}

/** Loaded with the first request. */
function icebergOf(session: Session, wake: () => void): Mounted {
  let door: Promise<Door> | null = null;
  return async (request, at) => {
    const { openDoor, answerIceberg } = await import("../serve/iceberg/routes.ts");
    door ??= openDoor(session, wake);
    return await answerIceberg(await door, request, at);
  };
}

function listening(address: string): JsonObject {
  return { schema: "tarn.up/1", event: "listening", http: address };
}

function banner(terminal: Terminal, session: Session, name: string): void {
  if (terminal.json) {
    terminal.document({ schema: "tarn.up/1", event: "started", pid: process.pid });
    return;
  }
  const { project } = session.config;
  const models = counted(session.project.models.length, "model");
  terminal.note(`${project} · ${models} · watching ${DROPS_FOLDER}/ · Ctrl-C ends`);
  if (name === "dev") terminal.note("in another terminal: tarn sql · tarn status");
}

export const command = defineTool({
  name: "up",
  description:
    "Watch drops and build what is due, for ever. Kill it at any time: commits are whole.",
  args: {},
  examples: ["tarn up", "tarn up --json >> up.log"],
  run: (invocation) => runUp(invocation, { name: "up" }),
});

export const devCommand = defineTool({
  name: "dev",
  description:
    "Like up, for working on models: edits are built as you save, and a pane shows how all stands.",
  args: {},
  examples: ["tarn dev"],
  run: (invocation) => runUp(invocation, { name: "dev" }),
});
