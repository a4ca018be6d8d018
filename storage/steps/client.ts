/** The StepEngine port over processes: one for each step, that this program is started as. */

import { LakeError } from "../../core/base/errors.ts";
import { parseJson } from "../../core/base/json.ts";
import { suggestion } from "../../core/base/suggest.ts";
import type { LookupConfig } from "../../core/config/lookups.ts";
import { type SecretOf, withSecrets } from "../../core/config/secret.ts";
import type { Asked, AskRequest, ExecRequest, StepEngine, StepOutput } from "../../core/steps.ts";
import { outputFromWire, type StepAnswer, type StepTask } from "./wire.ts";

export interface StepProcessOptions {
  /** What makes a process: this binary and `__step`. */
  readonly command: readonly string[];
  /** What runs a TypeScript file. */
  readonly host: readonly string[];
  /** The project's folder, in which programs run. Absolute. */
  readonly folder: string;
  /** The environment of the project as it is now. */
  readonly environment: () => Readonly<Record<string, string | undefined>>;
  readonly secretOf: SecretOf;
  /** Whom lookups ask, as tarn.yaml is now. */
  readonly lookups: () => ReadonlyMap<string, LookupConfig>;
}

/** What a program needs to be found and to write text; nothing in it is a secret. */
const SHARED_NAMES = ["PATH", "TMPDIR", "LD_LIBRARY_PATH"] as const;
const FIXED = { LANG: "C.UTF-8", TZ: "UTC", PYTHONUNBUFFERED: "1" } as const;
const SAID_CHARS = 400;

export class StepProcesses implements StepEngine {
  readonly #options: StepProcessOptions;

  constructor(options: StepProcessOptions) {
    this.#options = options;
  }

  async exec(request: ExecRequest): Promise<StepOutput> {
    const { folder, host } = this.#options;
    const environment = await this.#environmentFor(request);
    const answer = await this.#answer(
      { kind: "exec", exec: request, folder, environment, host },
      request.model,
    );
    if (answer.kind === "made") return outputFromWire(answer.output);
    throw failed(answer, request.model);
  }

  async ask(request: AskRequest): Promise<Asked> {
    const { folder, lookups, secretOf } = this.#options;
    const known = lookups();
    const config = known.get(request.from);
    if (config === undefined) {
      throw new LakeError(
        "config",
        `${request.model} asks ${request.from}, which lookups: does not have`,
        {
          hint: suggestion(request.from, [...known.keys()], "lookups of tarn.yaml"),
        },
      );
    }
    // parse: the same data, with texts in the place of texts
    const connection = (await withSecrets(config, secretOf)) as LookupConfig; // parse: above
    const answer = await this.#answer({ kind: "ask", request, connection, folder }, request.model);
    if (answer.kind !== "asked") throw failed(answer, request.model);
    const { output, errors, dueMs, stopped } = answer;
    const due = dueMs === null ? null : Number(dueMs);
    return { output: outputFromWire(output), errors: Number(errors), dueMs: due, stopped };
  }

  async #environmentFor({ env, model }: ExecRequest): Promise<Record<string, string>> {
    const given = this.#options.environment();
    const own: (readonly [string, string])[] = [];
    for (const name of env) own.push([name, given[name] ?? (await this.#secret(name, model))]);
    return { ...FIXED, ...pathsOf(given), ...Object.fromEntries(own) };
  }

  async #secret(name: string, model: string): Promise<string> {
    try {
      return await this.#options.secretOf(name);
    } catch (thrown) {
      if (!(thrown instanceof LakeError)) throw thrown;
      throw new LakeError("config", `${model}: its program is to see ${name}, which is not set`, {
        hint: `set the variable, in .env too, or store a secret: tarn secret set ${name}`,
        cause: thrown,
      });
    }
  }

  async #answer(task: StepTask, model: string): Promise<StepAnswer> {
    const child = Bun.spawn([...this.#options.command], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
      env: { ...FIXED, ...pathsOf(this.#options.environment()) },
    });
    // Its end, not its text, tells the process that the engine is gone: it stays open.
    child.stdin.write(`${JSON.stringify(task)}\n`);
    await child.stdin.flush();
    const [text, said] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    await child.exited;
    const line = text.trim();
    if (line !== "") {
      // parse: the process of our own build wrote it
      return parseJson(line) as unknown as StepAnswer; // parse: above
    }
    const why = child.signalCode ?? `exit code ${child.exitCode}`;
    throw new LakeError(
      "io",
      `the process of a step ended by ${why}: ${said.trim().slice(-SAID_CHARS)}`,
      {
        hint: "run it again; with less memory: fewer rows at a time, or output: of the model",
        context: { model },
      },
    );
  }
}

function failed(answer: StepAnswer, model: string): LakeError {
  if (answer.kind !== "failed")
    return new LakeError("internal", "a step answers what was not asked");
  const { code, message, hint } = answer;
  return new LakeError(code, message, { ...(hint === null ? {} : { hint }), context: { model } });
}

function pathsOf(given: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const pairs = SHARED_NAMES.flatMap((name) => {
    const value = given[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(pairs);
}
