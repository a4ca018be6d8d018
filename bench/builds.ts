/**
 * Two builds of the program beside each other: whole processes, taking turns. Usage: builds.ts OLDER_BINARY [WORD…];
 * words choose what is measured by name. TARN_BENCH_ROUNDS (7), TARN_BENCH_MEGABYTES (200).
 */

import { rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { envNumber } from "../tests/crash/seeded.ts";
import { benchFolder, FORMATS, input } from "./data.ts";
import { type Contender, heading, interleave, milliseconds, table } from "./measure.ts";
import {
  dropInput,
  dropText,
  makeProject,
  mustRun,
  type ProjectOptions,
  programPath,
  smallBatch,
} from "./project.ts";

/** One thing to measure: what is made before it, by the build itself, and the words of the command. */
interface Measure {
  readonly name: string;
  readonly args: readonly string[];
  make(program: string, project: string): Promise<void>;
  /** Made anew before every round, where the command changes the lake. */
  readonly anew: boolean;
}

const [older, ...words] = process.argv.slice(2);
if (older === undefined) {
  console.error("usage: builds.ts OLDER_BINARY [WORD…]");
  process.exit(2);
}
const rounds = envNumber("TARN_BENCH_ROUNDS", 7);
const megabytes = envNumber("TARN_BENCH_MEGABYTES", 200);
const BUILDS = [
  ["older", resolve(older)],
  ["this", programPath()],
] as const;
const WITH_MODELS: ProjectOptions = { declared: true, models: true };

const chosen = measures().filter(
  ({ name }) => words.length === 0 || words.some((word) => name.includes(word)),
);
heading("Two builds");
const rows: string[][] = [];
for (const one of chosen) rows.push(await compare(one));
console.log(table(["", "older ms", "this ms", "ratio", "of processor time"], rows));

async function compare(one: Measure): Promise<string[]> {
  const contenders: Contender[] = [];
  for (const [label, program] of BUILDS) {
    const project = join(benchFolder("builds"), label);
    await one.make(program, project);
    contenders.push({
      name: `${label}: ${one.name}`,
      cwd: project,
      prepare: () => (one.anew ? one.make(program, project) : undefined),
      command: () => [program, ...one.args],
    });
  }
  const [before, now] = await interleave(contenders, rounds);
  rmSync(benchFolder("builds"), { recursive: true, force: true });
  if (before === undefined || now === undefined) throw new Error("nothing was measured");
  const ratio = (now.ms.median / before.ms.median).toFixed(2);
  const processor = (now.cpuMs.median / before.cpuMs.median).toFixed(2);
  return [one.name, milliseconds(before.ms), milliseconds(now.ms), ratio, processor];
}

function measures(): Measure[] {
  return [
    ...FORMATS.map((format) => ({
      name: `land ${format}, ${megabytes} MB`,
      args: ["build"],
      anew: true,
      async make(_: string, project: string) {
        makeProject(project, { declared: false });
        dropInput(project, await input(format, megabytes));
      },
    })),
    ...(
      [
        ["csv", "bad"],
        ["ndjson", "bad"],
        ["csv", "quoted"],
      ] as const
    ).map(([format, shape]) => ({
      name: `land ${shape} ${format}, ${megabytes} MB`,
      args: ["build"],
      anew: true,
      async make(_: string, project: string) {
        makeProject(project, { declared: true });
        dropInput(project, await input(format, megabytes, shape));
      },
    })),
    {
      name: "1,000 rows into three layers",
      args: ["build"],
      anew: true,
      async make(_, project) {
        makeProject(project, WITH_MODELS);
        dropText(project, "a.jsonl", smallBatch(0, 1_000));
      },
    },
    ...(
      [
        ["status", ["status"]],
        ["select 42", ["sql", "-c", "select 42"]],
        ["one table", ["sql", "-c", "select count(*), sum(n) from gold.totals"]],
        ["plan", ["plan"]],
      ] as const
    ).map(([name, args]) => ({
      name: `cold, ${name}`,
      args,
      anew: false,
      async make(program: string, project: string) {
        makeProject(project, WITH_MODELS);
        dropText(project, "a.jsonl", smallBatch(0, 1_000));
        await mustRun([program, "build"], { cwd: project });
      },
    })),
    {
      name: `replay, ${megabytes} MB`,
      args: ["replay", "silver.events"],
      anew: false,
      make: landed,
    },
    {
      name: `group by, ${megabytes} MB`,
      args: [
        "sql",
        "-c",
        "select country, kind, count(*), sum(amount) from bronze.events group by all",
      ],
      anew: false,
      make: landed,
    },
  ];
}

async function landed(program: string, project: string) {
  makeProject(project, WITH_MODELS);
  dropInput(project, await input("ndjson", megabytes));
  await mustRun([program, "build"], { cwd: project, timeoutMs: 600_000 });
}
