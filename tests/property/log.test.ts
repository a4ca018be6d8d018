/** A log that is written, rotated, copied and cut while it is followed: each whole line is handed over once. */

import { expect, setDefaultTimeout, test } from "bun:test";
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import type { Clock } from "../../core/ports.ts";
import { realDisk } from "../../storage/disk/durable.ts";
import { LogReader } from "../../storage/sources/log/follow.ts";
import { SimRandom } from "../sim/world.ts";
import { tempFolder } from "../support/temp-folder.ts";

setDefaultTimeout(120_000);

const LIMITS = { bytes: 64, lingerMs: 1_000, ms: 1_000 };

/** Time passes when somebody waits. */
class PassingClock implements Clock {
  #nowMs = 0;
  nowMs(): number {
    return this.#nowMs;
  }
  async sleep(ms: number): Promise<void> {
    this.#nowMs += ms * 20;
  }
}

const STEP = fc.oneof(
  { weight: 6, arbitrary: fc.record({ what: fc.constant("write"), lines: fc.nat({ max: 5 }) }) },
  { weight: 3, arbitrary: fc.constant({ what: "half" }) },
  { weight: 4, arbitrary: fc.constant({ what: "read" }) },
  { weight: 2, arbitrary: fc.constant({ what: "rename" }) },
  { weight: 2, arbitrary: fc.constant({ what: "copy and truncate" }) },
  { weight: 2, arbitrary: fc.constant({ what: "die" }) },
  { weight: 1, arbitrary: fc.constant({ what: "read and die before it is committed" }) },
);

type Step = { readonly what: string; readonly lines?: number };

class Story {
  readonly #folder: string;
  readonly #path: string;
  readonly #clock = new PassingClock();
  readonly written: string[] = [];
  readonly landed: string[] = [];
  #half = "";
  #rotations = 0;
  #lives = 0;
  #position: string | null = null;
  #reader: LogReader | null = null;

  constructor(folder: string) {
    this.#folder = folder;
    this.#path = `${folder}/app.log`;
    mkdirSync(`${folder}/lake`);
  }

  async run(step: Step): Promise<void> {
    switch (step.what) {
      case "write":
        for (let line = 0; line < (step.lines ?? 0); line++) this.#line();
        break;
      case "half":
        this.#append(`half ${this.written.length} `);
        break;
      case "rename":
        this.#whole();
        renameSync(this.#path, `${this.#path}.${this.#rotations++}`);
        this.#append("");
        break;
      case "copy and truncate":
        this.#whole();
        copyFileSync(this.#path, `${this.#path}-${this.#rotations++}`);
        truncateSync(this.#path);
        break;
      case "read":
        await this.#read(true);
        break;
      case "read and die before it is committed":
        await this.#read(false);
        await this.#die();
        break;
      default:
        await this.#die();
    }
  }

  /** Until nothing comes any more. */
  async end(): Promise<void> {
    this.#whole();
    let quiet = 0;
    while (quiet < 4 && this.landed.length <= this.written.length)
      quiet = (await this.#read(true)) ? 0 : quiet + 1;
    await this.#reader?.close();
  }

  #line(): void {
    const line = `${this.#half}line ${this.written.length}`;
    this.#append(`line ${this.written.length}\n`);
    this.written.push(line);
    this.#half = "";
  }

  /** A program ends its line before its file is rotated. */
  #whole(): void {
    if (this.#half !== "") this.#line();
    else this.#append("");
  }

  #append(text: string): void {
    appendFileSync(this.#path, text);
    if (!text.endsWith("\n")) this.#half += text;
  }

  async #read(isCommitted: boolean): Promise<boolean> {
    this.#reader ??= await this.#open();
    const stretch = await this.#reader.next(LIMITS, new AbortController().signal);
    if (stretch === null || !isCommitted) return false;
    for (const file of stretch.files) {
      const lines = readFileSync(file.path, "utf8").split("\n");
      expect(lines.pop()).toBe("");
      expect(lines.length).toBe(file.newlines);
      this.landed.push(...lines);
    }
    this.#position = stretch.to;
    return true;
  }

  async #die(): Promise<void> {
    await this.#reader?.close();
    this.#reader = null;
  }

  #open(): Promise<LogReader> {
    const lakeRoot = `${this.#folder}/lake`;
    const request = {
      ...{ stream: "app", kind: "log", settings: null, lakeId: "lake" },
      ...{ lakeRoot, projectRoot: this.#folder, folder: `${lakeRoot}/streams/app` },
      from: this.#position,
    };
    const settings = { path: this.#path, format: "text", on_gap: "stop" } as const;
    const random = new SimRandom(++this.#lives);
    return LogReader.open(request, settings, { clock: this.#clock, random }, realDisk);
  }
}

test("each whole line of a log is handed over once, in its order, whatever happens to file and reader", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(STEP, { maxLength: 40 }), async (steps: readonly Step[]) => {
      await using folder = await tempFolder();
      const story = new Story(folder.path);
      // What was rotated before anybody followed is not asked for.
      await story.run({ what: "write", lines: 1 });
      await story.run({ what: "read" });
      for (const step of steps) await story.run(step);
      await story.end();
      expect(story.landed).toEqual(story.written);
    }),
    { numRuns: 40 },
  );
});

test("a packed copy of what was read is no log: its bytes never land", async () => {
  await using folder = await tempFolder();
  const story = new Story(folder.path);
  await story.run({ what: "write", lines: 3 });
  await story.run({ what: "read" });
  await story.run({ what: "write", lines: 2 });
  await story.run({ what: "rename" });
  // Written after the log was rotated, as some loggers do.
  const packed = gzipSync(readFileSync(`${folder.path}/app.log.0`));
  writeFileSync(`${folder.path}/app.log.0.gz`, packed);
  await story.run({ what: "write", lines: 2 });
  await story.end();
  expect(story.landed).toEqual(story.written);
});

test("a file that was packed before it was read is named, and nothing is left out in silence", async () => {
  await using folder = await tempFolder();
  const story = new Story(folder.path);
  const path = (name: string): string => `${folder.path}/${name}`;
  await story.run({ what: "write", lines: 3 });
  await story.run({ what: "read" });
  await story.run({ what: "rename" });
  await story.run({ what: "write", lines: 2 });
  await story.run({ what: "rename" });
  writeFileSync(path("app.log.1.gz"), gzipSync(readFileSync(path("app.log.1"))));
  rmSync(path("app.log.1"));
  await story.run({ what: "write", lines: 2 });
  await expect(story.end()).rejects.toThrow("app.log.1.gz was packed before it was read");
  writeFileSync(path("app.log.1"), gunzipSync(readFileSync(path("app.log.1.gz"))));
  rmSync(path("app.log.1.gz"));
  await story.end();
  expect(new Set(story.landed)).toEqual(new Set(story.written));
});
