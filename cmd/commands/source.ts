/** `tarn source`: where rows come from, whether it can be read, and whether it is. */

import { resolve } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import { suggestion } from "../../core/base/suggest.ts";
import type { SourceFinding } from "../../core/ingest/source-kind.ts";
import { defineTool, type Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import { bytesText } from "../format/numbers.ts";
import { type Discovery, discoverOf } from "../lake/discover.ts";
import {
  checkStream,
  type ListedSource,
  listedSources,
  pauseStream,
  readAgain,
  resumeStream,
  writeModels,
} from "../lake/streams.ts";
import { openSession } from "../open.ts";
import { printable } from "../render/style.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";

const ACTIONS = ["ls", "check", "discover", "models", "pause", "resume", "resnapshot"] as const;

export interface SourceArgs {
  readonly action: "pause" | "resume" | "resnapshot";
  readonly name: string;
  /** Null is all. */
  readonly table: string | null;
}

export const runSource: EngineCommand<SourceArgs> = async (session, args, terminal) => {
  const { action, name, table } = args;
  if (action === "resnapshot") {
    await readAgain(session, name, table);
    if (terminal.json) terminal.document({ source: name, table, action });
    else {
      terminal.note(`${table ?? `all of ${name}`} is read again, in place of what was read before`);
      terminal.note("next: tarn build");
    }
    return EXIT.ok;
  }
  const { position, kind } = await (action === "pause"
    ? pauseStream(session, name)
    : resumeStream(session, name));
  if (terminal.json) terminal.document({ source: name, kind, position, action });
  else if (action === "pause") {
    terminal.note(`${name} is paused; what it sends waits with whoever sends it`);
    terminal.note(`next: tarn source resume ${name}`);
  } else terminal.note(`${name} is read on from where it stopped`);
  return EXIT.ok;
};

export const command = defineTool({
  name: "source",
  description:
    "Where rows come from: ls, check, discover NAME|ADDRESS, models, pause, resume NAME, resnapshot NAME [TABLE].",
  args: {},
  examples: ["tarn source ls", "tarn source check shop", "tarn source pause shop"],
  async run(invocation) {
    const { terminal, args } = invocation;
    const [action = "ls", name, table = null] = args._;
    if (action === "ls") {
      await using session = await openSession(invocation, { engine: null });
      for (const source of await listedSources(session)) printSource(terminal, source);
      return EXIT.ok;
    }
    if (name === undefined && ACTIONS.some((one) => one === action)) {
      throw new LakeError("usage", `source ${action} needs to know which source`, {
        hint: `tarn source ${action} NAME; they are in: tarn source ls`,
      });
    }
    if (action === "check") {
      await using session = await openSession(invocation, { engine: null });
      const findings = await checkStream(session, name ?? "");
      for (const finding of findings) printFinding(terminal, finding);
      return findings.some(({ state }) => state === "bad") ? EXIT.data : EXIT.ok;
    }
    if (action === "discover") {
      printDiscovery(terminal, await discoverOf(resolve(invocation.folder), name ?? ""));
      return EXIT.ok;
    }
    if (action === "models") {
      await using session = await openSession(invocation, { engine: null });
      for (const { path, isWritten } of await writeModels(session, name ?? "")) {
        if (terminal.json) terminal.document({ path, written: isWritten });
        else terminal.line(isWritten ? path : `${path} was there already`);
      }
      terminal.note("next: tarn build");
      return EXIT.ok;
    }
    if (action === "pause" || action === "resume" || action === "resnapshot") {
      return await onEngine(invocation, "source", runSource, { action, name: name ?? "", table });
    }
    throw new LakeError("usage", `source has no "${action}"`, {
      hint: suggestion(action, ACTIONS, "actions"),
    });
  },
});

function printSource(terminal: Terminal, source: ListedSource): void {
  if (terminal.json) {
    terminal.document({ ...source, tables: [...source.tables] });
    return;
  }
  const { style } = terminal;
  const said = {
    read: "",
    paused: style.yellow(` · paused: tarn source resume ${source.source}`),
    copied: style.yellow(
      ` · this lake is a copy of the one that reads it: tarn source resume ${source.source}`,
    ),
  };
  const tables = source.tables.length === 0 ? "no table yet" : source.tables.join(", ");
  const line = `${source.source.padEnd(20)} ${source.kind.padEnd(9)} → ${tables}`;
  terminal.line(`${printable(line)}${said[source.state]}`);
}

/** What is found, then lines to paste. */
function printDiscovery(terminal: Terminal, discovery: Discovery): void {
  const { kind, at, found, lines, secrets } = discovery;
  if (terminal.json) {
    const entry = lines.join("\n");
    terminal.document({ kind, at, found: found.map((one) => ({ ...one })), entry });
    return;
  }
  terminal.note(printable(at));
  const width = Math.max(...found.map(({ name }) => name.length), 0);
  for (const { name, rows, bytes, key, note } of found) {
    const parts = [
      ...(rows === null ? [] : [`about ${counted(rows, "row")}`]),
      ...(bytes === null ? [] : [bytesText(bytes)]),
      ...(key === null ? [] : [kind === "kafka" ? key : `key ${key}`]),
      ...(note === null ? [] : [note]),
    ];
    terminal.note(`  ${printable(`${name.padEnd(width)}  ${parts.join(" · ")}`)}`);
  }
  terminal.note("");
  for (const line of lines) terminal.line(line);
  for (const name of secrets) terminal.note(`next: tarn secret set ${name}`);
}

function printFinding(terminal: Terminal, finding: SourceFinding): void {
  if (terminal.json) {
    terminal.document({ ...finding, todo: finding.todo ?? null });
    return;
  }
  const { style } = terminal;
  const sign = { ok: style.green("✔"), warn: style.yellow("!"), bad: style.red("✖") };
  terminal.line(`${sign[finding.state]} ${finding.what.padEnd(24)} ${printable(finding.text)}`);
  for (const line of finding.todo?.split("\n") ?? []) {
    terminal.line(`  ${"".padEnd(24)} → ${printable(line)}`);
  }
}
