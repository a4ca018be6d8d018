/** Programs as they fail: each run ends with their last words, within its limits, and leaves nothing running. */

import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../../cmd/clock.ts";
import { errorText } from "../../../../core/base/errors.ts";
import type { ExecRequest } from "../../../../core/steps.ts";
import { freshSchema } from "../../../../core/table/evolution.ts";
import { STRING } from "../../../../core/table/type-text.ts";
import { execute } from "../../../../storage/steps/exec.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const GIGABYTE = 1024 ** 3;
/** Starts what lives on in a group of its own, with the pipes of the program, and waits until it does. */
const ELSEWHERE = "setsid sh -c ': > away; sleep 60' & while [ ! -e away ]; do :; done";

/** What comes of a shell script as a step. */
async function outcome(
  script: string,
  limits: Partial<Pick<ExecRequest, "timeoutMs" | "memoryBytes" | "outputBytes">> = {},
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  await using folder = await tempFolder();
  writeFileSync(join(folder.path, "step.sh"), script);
  const exec: ExecRequest = {
    model: "silver.scored",
    command: ["/bin/sh", "step.sh"],
    isOwn: false,
    env: [],
    inputs: [],
    inputSchema: freshSchema([{ name: "id", type: STRING }], new Set()),
    columns: null,
    timeoutMs: 60_000,
    memoryBytes: GIGABYTE,
    outputBytes: GIGABYTE,
    staging: folder.path,
    ...limits,
  };
  const seen = { PATH: process.env.PATH ?? "", ...environment };
  const task = { kind: "exec" as const, exec, folder: folder.path, environment: seen, host: [] };
  try {
    const { schema, files } = await execute(task, systemClock, new AbortController().signal);
    return `${schema.fields.map(({ name }) => name).join()} ${files.length} files`;
  } catch (thrown) {
    return errorText(thrown);
  }
}

test("a program that gives back what it gets: the stream has its columns, also without rows", async () => {
  expect(await outcome("cat")).toBe("id 0 files");
});

test("a program that crashes: its exit code and last words", async () => {
  const said = await outcome('echo "loading" >&2; echo "no model" >&2; exit 3');
  expect(said).toBe("/bin/sh step.sh ended with exit code 3: loading | no model");
});

test("a program that is killed: by which signal", async () => {
  expect(await outcome("kill -9 $$")).toBe("/bin/sh step.sh ended by SIGKILL");
});

test("a program that crashes within its stream: the crash is told and not the stream", async () => {
  const said = await outcome('head -c 40; echo "out of luck" >&2; exit 1');
  expect(said).toBe("/bin/sh step.sh ended with exit code 1: out of luck");
});

test("a program that stalls: it is ended, with all that it started", async () => {
  const said = await outcome("echo waiting >&2; sleep 600 & sleep 600", { timeoutMs: 300 });
  expect(said).toBe("/bin/sh step.sh did not end within 300ms: waiting");
});

test("a program that writes without end: it is ended at its limit", async () => {
  const said = await outcome("cat; cat /dev/zero", { outputBytes: 1024 ** 2 });
  expect(said).toBe("/bin/sh step.sh wrote more than 1MiB");
});

test("a program that grows without end: it is ended at its limit", async () => {
  const script = "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done";
  const said = await outcome(script, { memoryBytes: 64 * 1024 ** 2 });
  expect(said).toBe("/bin/sh step.sh held more than 64MiB of memory");
});

test("a program that writes no Arrow: what it should write is told", async () => {
  expect(await outcome("echo id,score; echo 1,2")).toMatch(
    /^\/bin\/sh step.sh wrote what is no Arrow IPC stream: /,
  );
});

test("a program that writes nothing: that is told", async () => {
  expect(await outcome("exit 0")).toBe("/bin/sh step.sh wrote nothing");
});

test("a stream that was cut: it has no end", async () => {
  expect(await outcome("head -c -8")).toBe(
    "/bin/sh step.sh wrote a stream without an end, or something behind it",
  );
});

test("something behind the stream: it is refused", async () => {
  expect(await outcome("cat; echo done")).toMatch(/^\/bin\/sh step.sh wrote what is no Arrow IPC/);
});

test("last words: what the program was given in its environment is not told", async () => {
  const said = await outcome(
    'echo "key $SCORE_KEY" >&2; exit 1',
    {},
    { SCORE_KEY: "s3cr3t-value" },
  );
  expect(said).toBe("/bin/sh step.sh ended with exit code 1: key (secret)");
});

test("last words: a secret of several lines is told in none of its lines", async () => {
  const said = await outcome(
    'echo "key: $SCORE_KEY" >&2; exit 1',
    {},
    { SCORE_KEY: "BEGIN KEY\n  first-line\nsecond  line\nEND KEY" },
  );
  expect(said).toBe("/bin/sh step.sh ended with exit code 1: key: (secret)");
});

test("last words: the end of a secret is not told where its beginning is not kept", async () => {
  const said = await outcome(
    'echo "first" >&2; echo "$SCORE_KEY" >&2; echo "last" >&2; exit 1',
    {},
    { SCORE_KEY: "s3cr3t-value\n".repeat(300) },
  );
  expect(said).not.toContain("s3cr3t");
});

test("a program that leaves a process of another group with its pipes: that one holds nobody up", async () => {
  const said = await outcome(`cat; ${ELSEWHERE}`, { timeoutMs: 5_000 });
  expect(said).toBe("id 0 files");
});

test("a program that stalls within another group: the limit holds", async () => {
  const said = await outcome(`${ELSEWHERE}; sleep 60`, { timeoutMs: 500 });
  expect(said).toBe("/bin/sh step.sh did not end within 500ms");
});

test("last words: nothing in them moves a terminal", async () => {
  const said = await outcome("printf '\\033[2Jgone\\007\\n' >&2; exit 1");
  expect(said).toBe("/bin/sh step.sh ended with exit code 1: [2Jgone");
});

test("a program that is not there: what to do", async () => {
  await using folder = await tempFolder();
  const exec: ExecRequest = {
    model: "silver.scored",
    command: ["no-such-program"],
    isOwn: false,
    env: [],
    inputs: [],
    inputSchema: freshSchema([{ name: "id", type: STRING }], new Set()),
    columns: null,
    timeoutMs: 60_000,
    memoryBytes: GIGABYTE,
    outputBytes: GIGABYTE,
    staging: folder.path,
  };
  const task = {
    kind: "exec" as const,
    exec,
    folder: folder.path,
    environment: { PATH: "/bin" },
    host: [],
  };
  const said = execute(task, systemClock, new AbortController().signal).catch(errorText);
  expect(await said).toBe("no-such-program cannot be started: there is no program no-such-program");
});
