/** `tarn test`: what must hold of tables as they are, queries that must answer nothing, unit tests of models. */

import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import { defineTool, SELECTION_ARGS, selectionOf, type Terminal } from "../command.ts";
import { EXIT, errorReports } from "../exit.ts";
import { runTests, type TestResult } from "../lake/tests.ts";
import { openSession, type Session } from "../open.ts";
import { printable } from "../render/style.ts";

export const command = defineTool({
  name: "test",
  description: "Test the tables as they are, and models over given rows. Nothing is changed.",
  args: {
    ...SELECTION_ARGS,
    branch: {
      type: "string",
      valueHint: "NAME",
      description: "the tables as they are on this branch",
    },
    strict: { type: "boolean", description: "warnings fail too" },
    limit: { type: "string", default: "5", valueHint: "N", description: "rows to show of each" },
    format: {
      type: "string",
      default: "text",
      valueHint: "text|json",
      description: "json: a document for each test and one for all, as --json",
    },
  },
  examples: [
    "tarn test",
    "tarn test silver.orders+ --exclude tag:slow",
    "tarn test test_type:unit",
    "tarn test --format json",
    "tarn test --branch fix",
  ],
  async run(invocation) {
    const { args, signal } = invocation;
    if (args.format !== "text" && args.format !== "json") {
      throw new LakeError("usage", `--format is text or json, not "${args.format}"`);
    }
    const json = invocation.terminal.json || args.format === "json";
    const terminal = { ...invocation.terminal, json };
    const limit = limitOf(args.limit);
    await using opened = await openSession(invocation, { engine: null });
    const session = args.branch === undefined ? opened : await sessionOn(opened, args.branch);
    const onDone = (done: TestResult): void => print(terminal, done);
    const results = await runTests(session, { ...selectionOf(args), limit }, { signal, onDone });
    return summary(terminal, results, args.strict === true);
  },
});

async function sessionOn(session: Session, branch: string): Promise<Session> {
  const { requireBranch } = await import("../lake/branch-list.ts");
  const { onBranch } = await import("../lake/branch-build.ts");
  await requireBranch(session, branch);
  return onBranch(session, branch);
}

function limitOf(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new LakeError("usage", `--limit ${text} is not a number of rows`);
}

const MARKS = { pass: "✔", warn: "!", fail: "✖", error: "✖" } as const;

function print(terminal: Terminal, result: TestResult): void {
  const { name, type, about, state, rows, sample, error } = result;
  if (terminal.json) {
    const message = error === null ? null : error.message;
    const place = error?.place ?? null;
    terminal.document({
      ...{ test: name, type, tables: [...about], state, rows, sample: [...sample], error: message },
      place: place === null ? null : `${place.file}:${place.line}:${place.column}`,
    });
    return;
  }
  const { style } = terminal;
  const paint = { pass: style.green, warn: style.yellow, fail: style.red, error: style.red }[state];
  const what = type === "unit" ? "row differs" : "row";
  const many = type === "unit" ? `${rows} rows differ` : counted(rows, "row");
  const found = rows === 0n ? "" : `   ${rows === 1n ? `1 ${what}` : many}`;
  const of = about.length === 0 ? "" : `${about.join(", ")}  `;
  terminal.line(`${paint(MARKS[state])} ${of}${printable(name)}${found}`);
  for (const line of state === "pass" ? [] : sample) terminal.line(`    ${printable(line)}`);
  if (error === null) return;
  const options = { style, debug: terminal.debug, readText: () => null, width: null };
  for (const line of errorReports([error], options).trimEnd().split("\n")) {
    terminal.line(`    ${line}`);
  }
}

function summary(terminal: Terminal, results: readonly TestResult[], isStrict: boolean): number {
  const count = (state: TestResult["state"]): number =>
    results.filter((result) => result.state === state).length;
  const counts = {
    passed: count("pass"),
    warned: count("warn"),
    failed: count("fail"),
    errors: count("error"),
  };
  if (terminal.json) terminal.document({ schema: "tarn.test/1", ...counts });
  else {
    const { passed, warned, failed, errors } = counts;
    terminal.note(
      results.length === 0
        ? "no test is selected"
        : `${passed} passed · ${warned} warned · ${failed} failed · ${counted(errors, "error")}`,
    );
  }
  const isBad = counts.failed + counts.errors > 0 || (isStrict && counts.warned > 0);
  return isBad ? EXIT.data : EXIT.ok;
}
