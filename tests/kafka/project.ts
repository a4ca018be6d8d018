/** A project that reads a broker, run by the compiled program. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { askSql, mustRun, programPath, runCommand } from "../crash/program.ts";
import { tempFolder } from "../support/temp-folder.ts";

export class KafkaProject implements AsyncDisposable {
  readonly path: string;
  readonly #dispose: () => Promise<void>;

  /** `source` are the keys of `sources: shop:` in YAML's flow style, behind `kind: kafka`. */
  static async of(source: string): Promise<KafkaProject> {
    const folder = await tempFolder();
    const project = new KafkaProject(folder.path, async () => await folder[Symbol.asyncDispose]());
    await project.configure(source);
    return project;
  }

  private constructor(path: string, dispose: () => Promise<void>) {
    this.path = path;
    this.#dispose = dispose;
  }

  async configure(source: string): Promise<void> {
    await writeFile(join(this.path, "tarn.yaml"), `sources:\n  shop: { kind: kafka, ${source} }\n`);
  }

  /** Lands what there is. */
  async build(): Promise<string> {
    const { stdout, stderr } = await mustRun([programPath(), "build"], { cwd: this.path });
    return stdout + stderr;
  }

  /** Code and all that was said. */
  async run(...words: readonly string[]): Promise<{ code: number | null; text: string }> {
    const { code, stdout, stderr } = await runCommand([programPath(), ...words], {
      cwd: this.path,
    });
    return { code, text: stdout + stderr };
  }

  async ask(sql: string): Promise<readonly Record<string, unknown>[]> {
    return await askSql(this.path, sql);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispose();
  }
}
