/** A log that is written, rotated, copied and cut while it is followed: each whole line is handed over once. */

import { expect, setDefaultTimeout, test } from "bun:test";
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
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

  /** Sizes of files by inode, after the last step. */
  readonly #sizes = new Map<number, number>();
  #steps = 0;

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

  /** Files that the last step changed have a time that no others have: a disk's clock is coarse. */
  tellTimes(): void {
    const time = 1_700_000_000 + ++this.#steps;
    for (const name of readdirSync(this.#folder).filter((each) => each.startsWith("app.log"))) {
      const { ino, size } = statSync(`${this.#folder}/${name}`);
      if (this.#sizes.get(ino) !== size) utimesSync(`${this.#folder}/${name}`, time, time);
      this.#sizes.set(ino, size);
    }
  }

  /** Until nothing comes any more; a file that is over is waited for. */
  async end(): Promise<void> {
    this.#whole();
    let quiet = 0;
    while (quiet < 4 + this.#rotations && this.landed.length <= this.written.length)
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

/** What was rotated before anybody followed is not asked for. */
const FIRST: readonly Step[] = [{ what: "write", lines: 1 }, { what: "read" }];
const STEPS = fc.array(STEP, { maxLength: 40 });

test("each whole line of a log is handed over once, in its order, whatever happens to file and reader", async () => {
  await fc.assert(
    fc.asyncProperty(STEPS, async (steps: readonly Step[]) => {
      await using folder = await tempFolder();
      const story = new Story(folder.path);
      for (const step of [...FIRST, ...steps]) {
        await story.run(step);
        story.tellTimes();
      }
      await story.end();
      expect(story.landed).toEqual(story.written);
    }),
    { numRuns: 40 },
  );
});

test("each whole line of a log is handed over once, also where its files are of one time", async () => {
  const steps = fc.asyncProperty(STEPS, async (all: readonly Step[]) => {
    await using folder = await tempFolder();
    const story = new Story(folder.path);
    for (const step of [...FIRST, ...all]) await story.run(step);
    await story.end();
    expect(story.landed.toSorted()).toEqual(story.written.toSorted());
  });
  const half: readonly Step[] = [
    { what: "copy and truncate" },
    { what: "half" },
    { what: "read" },
    { what: "copy and truncate" },
    { what: "write", lines: 1 },
  ];
  await fc.assert(steps, { numRuns: 40, examples: [[half]] });
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
  // Not all that unpacks keeps the time: it is newer than what the log goes on with.
  writeFileSync(path("app.log.1"), gunzipSync(readFileSync(path("app.log.1.gz"))));
  const later = statSync(path("app.log")).mtimeMs / 1_000 + 60;
  utimesSync(path("app.log.1"), later, later);
  rmSync(path("app.log.1.gz"));
  await story.end();
  expect(story.landed).toEqual(story.written);
});
