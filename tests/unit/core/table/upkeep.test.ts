/** What `up` does for its tables by itself: when, how much at a time, and what a failure costs. */

import { expect, test } from "bun:test";
import { LakeError } from "../../../../core/base/errors.ts";
import type { SqlEngine } from "../../../../core/ports.ts";
import type { Compaction } from "../../../../core/table/compact.ts";
import { Upkeep, type UpkeepRules } from "../../../../core/table/upkeep.ts";
import { TestCatalog } from "../../../sim/lake.ts";
import { InlineEngine } from "../../../support/inline-engine.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const BUDGET = { memoryBytes: 1024 ** 3, threads: 1 };
const RULES: UpkeepRules = { when: "idle", targetBytes: 1024 ** 2, stepBytes: 1024 ** 2 };
const HOUR_MS = 3_600_000;

class UpkeepBench implements AsyncDisposable {
  readonly done: Compaction[] = [];
  readonly failed: LakeError[] = [];
  readonly upkeep: Upkeep;
  /** Another engine wrote last. */
  isForeign = false;
  /** What the engine throws in place of its work. */
  failure: LakeError | null = null;

  private constructor(
    readonly lake: TestCatalog,
    private readonly engine: InlineEngine,
    private readonly folder: AsyncDisposable,
  ) {
    const compact: SqlEngine["compact"] = async (request) => {
      if (this.failure !== null) throw this.failure;
      return await engine.compact(request);
    };
    const { files: io, clock, random } = lake;
    const catalog = new Proxy(lake.catalog, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (name === "commits" && this.isForeign) return async () => [{ kind: "foreign" }];
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const ports = { catalog, io, clock, random, engine: { compact } as SqlEngine }; // parse: all that is asked
    this.upkeep = new Upkeep(ports, {
      done: (one) => void this.done.push(one),
      failed: (error) => void this.failed.push(error),
    });
  }

  static async open(): Promise<UpkeepBench> {
    const folder = await tempFolder();
    const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
    return new UpkeepBench(lake, await InlineEngine.open(folder.path), folder);
  }

  async land(table: string, count: number): Promise<void> {
    for (let id = 0; id < count; id++) await this.lake.append(table, [id]);
  }

  async step(rules: Partial<UpkeepRules> = {}, isIdle = true): Promise<void> {
    await this.upkeep.step({ ...RULES, ...rules }, BUDGET, { isIdle, isHeld: () => false });
    this.lake.clock.advance(60_000);
  }

  get told(): string[] {
    return this.done.map(({ table, files, filesAdded }) => `${table}: ${files} to ${filesAdded}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lake.catalog.close();
    await this.engine.close();
    await this.folder[Symbol.asyncDispose]();
  }
}

test("files are made one once they are many, and no row is lost", async () => {
  await using bench = await UpkeepBench.open();
  await bench.land("bronze.o", 31);
  await bench.step();
  expect(bench.told).toEqual([]);
  await bench.land("bronze.o", 1);
  await bench.step();
  await bench.step();
  expect(bench.told).toEqual(["bronze.o: 32 to 1"]);
  expect(await bench.lake.ids("bronze.o")).toEqual([
    0,
    ...Array.from({ length: 31 }, (_, id) => id),
  ]);
});

test("one table at a time, and a step reads no more than it may", async () => {
  await using bench = await UpkeepBench.open();
  await bench.land("bronze.a", 40);
  await bench.land("bronze.b", 40);
  await bench.step();
  expect(bench.told).toEqual(["bronze.a: 40 to 1"]);
  await bench.step();
  expect(bench.told).toEqual(["bronze.a: 40 to 1", "bronze.b: 40 to 1"]);
});

test("while rows land it waits, unless it is told to, and then a step is a short one", async () => {
  await using bench = await UpkeepBench.open();
  await bench.land("bronze.o", 40);
  await bench.step({}, false);
  await bench.step({ when: "never" }, true);
  expect(bench.told).toEqual([]);
  await bench.step({ when: "always" }, false);
  expect(bench.told).toEqual(["bronze.o: 40 to 1"]);
  await bench.land("bronze.o", 128);
  await bench.step({}, false);
  expect(bench.told).toHaveLength(1);
  await bench.step({ when: "always" }, false);
  // Models wait for a step: it is a short one.
  expect(bench.told.slice(1)).toEqual(["bronze.o: 64 to 1"]);
});

test("what fails is told once, tried again later, and keeps no other table", async () => {
  await using bench = await UpkeepBench.open();
  await bench.land("bronze.a", 40);
  await bench.land("bronze.b", 40);
  bench.failure = new LakeError("io", "no space left");
  await bench.step();
  bench.failure = null;
  expect(bench.failed.map(({ message }) => message)).toEqual(["no space left"]);
  await bench.upkeep.step(RULES, BUDGET, { isIdle: true, isHeld: () => false });
  expect(await bench.lake.ids("bronze.a")).toHaveLength(40);
  bench.lake.clock.advance(HOUR_MS);
  await bench.step();
  await bench.step();
  expect(bench.told.toSorted()).toEqual(["bronze.a: 40 to 1", "bronze.b: 40 to 1"]);
});

test("a table that another engine wrote last is left alone", async () => {
  await using bench = await UpkeepBench.open();
  await bench.land("bronze.o", 40);
  bench.isForeign = true;
  await bench.step({ when: "always" });
  expect(bench.told).toEqual([]);
  bench.isForeign = false;
  await bench.step();
  expect(bench.told).toEqual(["bronze.o: 40 to 1"]);
});
