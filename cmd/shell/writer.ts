/** How `tarn sql` changes tables: worked out in this process, published by whoever has the lake. */

import { rmSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { isErrorCode, LakeError } from "../../core/base/errors.ts";
import { isJsonObject, type Json, parseJson } from "../../core/base/json.ts";
import { BRANCH_PREFIX } from "../../core/limits.ts";
import type { TableName } from "../../core/table/types.ts";
import type { LakeWriter } from "../../sql/dml/lake-writer.ts";
import type { Terminal } from "../command.ts";
import type { OpenFlags, Session } from "../open.ts";
import { createStyle } from "../render/style.ts";
import type { EngineCommand } from "../serve/engine-command.ts";
import type { LazyLake } from "./lake.ts";

/** Other commands that have the lake are waited for so long: most of them are commits of other shells. */
const LEASE_WAIT_MS = 10_000;
const LEASE_AGAIN_MS = 20;

/** Runs one of the engine's commands with plain JSON for arguments; answers the documents that it prints. */
export type AskLake = (command: string, args: Json) => Promise<readonly Json[]>;

/** A writer of the lake that a session is open on. `ask` runs what needs the lease. */
export class LakeChanges implements LakeWriter, Disposable {
  readonly #session: () => Promise<Session>;
  readonly #ask: AskLake;
  readonly #folders: string[] = [];
  /** The branch that statements are done on; null: main. */
  branch: string | null = null;

  constructor(session: () => Promise<Session>, ask: AskLake) {
    this.#session = session;
    this.#ask = ask;
  }

  async open(
    name: string,
    kind: Parameters<LakeWriter["open"]>[1],
    verb: string,
    asOf: string | null,
  ) {
    const { openedTable } = await import("../lake/write.ts");
    const { branch } = this;
    return await openedTable(await this.#fresh(), { name, kind, verb, asOf, branch });
  }

  async nameOf(parts: readonly string[], verb: string): Promise<TableName> {
    if (this.branch !== null) {
      throw new LakeError("unsupported", `${verb} ${parts.join(".")}: a branch makes no tables`, {
        hint: "make it on main, empty, and fill it on the branch (USE BRANCH main)",
      });
    }
    const { nameOfNew } = await import("../lake/write.ts");
    return await nameOfNew(await this.#fresh(), parts, verb);
  }

  async stagingFolder(): Promise<string> {
    const { newStatementFolder } = await import("../lake/statement-staging.ts");
    const { warehouse } = await this.#session();
    const folder = newStatementFolder(warehouse, crypto.randomUUID());
    this.#folders.push(folder);
    return folder;
  }

  async keyIndexes(tableUuid: string) {
    const { KEY_INDEX_FOLDER, KEY_LOOKUP_ROWS } = await import("../../core/limits.ts");
    const { warehouse } = await this.#session();
    return { folder: `${warehouse}/${KEY_INDEX_FOLDER}/${tableUuid}`, lookupRows: KEY_LOOKUP_ROWS };
  }

  uuid(): string {
    return crypto.randomUUID();
  }

  async commit(request: Parameters<LakeWriter["commit"]>[0]) {
    const { toWire, writtenFromJson } = await import("../lake/write-wire.ts");
    const wire = toWire({ ...request, branch: this.branch }) as unknown as Json; // parse: plain JSON, as its type says
    const [answer = null] = await this.#ask("write", wire);
    return writtenFromJson(answer);
  }

  async rename(from: TableName, to: TableName): Promise<bigint> {
    const [answer = null] = await this.#ask("rename", { from, to });
    return isJsonObject(answer) ? BigInt(String(answer.commit ?? 0)) : 0n;
  }

  async drop(table: TableName, isForced: boolean): Promise<bigint> {
    const [answer = null] = await this.#ask("drop", { table, force: isForced });
    return isJsonObject(answer) ? BigInt(String(answer.commit)) : 0n;
  }

  async moment(): Promise<string | null> {
    if (this.branch !== null) return `${BRANCH_PREFIX}${this.branch}`;
    const { catalog } = await this.#session();
    const [last] = await catalog.commits({ limit: 1 });
    return last === undefined ? null : new Date(last.timeMs).toISOString();
  }

  [Symbol.dispose](): void {
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
  }

  /** Models may have been edited since the shell was started. */
  async #fresh(): Promise<Session> {
    const session = await this.#session();
    await session.reload();
    return session;
  }
}

/** Asks under a lease of its own, or beside a running engine over the lake's socket. Throws `locked`. */
export function askOf(flags: OpenFlags, signal: AbortSignal): AskLake {
  return async (command, args) => {
    const untilMs = performance.now() + LEASE_WAIT_MS;
    for (;;) {
      const found: Json[] = [];
      const locked = await underLease(flags, command, args, found, signal);
      if (locked === null) return found;
      const { askEngineFor } = await import("../serve/client.ts");
      const said = await askEngineFor(flags.folder, command, args, signal);
      if (said !== null) return answersOf(said);
      if (performance.now() > untilMs || signal.aborted) throw locked;
      await delay(LEASE_AGAIN_MS, undefined, { signal }).catch(() => undefined);
    }
  };
}

/** The error when another process has the lake; null when it was done. */
async function underLease(
  flags: OpenFlags,
  command: string,
  args: Json,
  found: Json[],
  signal: AbortSignal,
): Promise<LakeError | null> {
  const { openSession } = await import("../open.ts");
  const opened = await openSession(flags, { engine: "tarn sql" }).catch((thrown: unknown) => {
    if (thrown instanceof LakeError && thrown.code === "locked") return thrown;
    throw thrown;
  });
  if (opened instanceof LakeError) return opened;
  await using session = opened;
  await runHere(session, command, args, found, signal);
  return null;
}

/** Runs a command on a session that holds the lease. */
export async function runHere(
  session: Session,
  command: string,
  args: Json,
  found: Json[],
  signal: AbortSignal,
): Promise<void> {
  const { ENGINE_COMMANDS } = await import("../serve/engine-commands.ts");
  const load = Object.entries(ENGINE_COMMANDS).find(([name]) => name === command)?.[1];
  if (load === undefined) throw new LakeError("internal", `there is no command ${command}`);
  const run = (await load()) as unknown as EngineCommand<Json>; // parse: with the arguments of the command it names
  await run(session, args, documents(found), signal);
}

/** A terminal that only takes documents. */
function documents(found: Json[]): Terminal {
  return {
    style: createStyle(false),
    json: true,
    quiet: true,
    debug: false,
    width: 100,
    interactive: false,
    line: () => undefined,
    note: () => undefined,
    document: (value) => found.push(value),
    failures: () => 1,
  };
}

/** The documents of a remote command. Throws the error that it ended with. */
function answersOf({ code, out }: { readonly code: number; readonly out: string }): Json[] {
  const found = out.split("\n").flatMap((line) => (line === "" ? [] : [parseJson(line)]));
  if (code === 0) return found;
  const failed = found.flatMap((one) =>
    isJsonObject(one) && isJsonObject(one.error) ? [one.error] : [],
  );
  const { code: said, message, hint } = failed[0] ?? {};
  throw new LakeError(
    isErrorCode(said) ? said : "internal",
    String(message ?? "the engine failed"),
    {
      ...(typeof hint === "string" ? { hint } : {}),
    },
  );
}

/** The writer of a shell. */
export function shellWriter(lake: LazyLake, flags: OpenFlags, signal: AbortSignal): LakeChanges {
  return new LakeChanges(() => lake.needMade(), askOf(flags, signal));
}
