/** `tarn contract`: what files of a source hold by agreement, since when, and as a document. */

import { LakeError } from "../../core/base/errors.ts";
import { stringifyJson } from "../../core/base/json.ts";
import { counted } from "../../core/base/quantity.ts";
import { suggestion } from "../../core/base/suggest.ts";
import { breakText } from "../../core/contract/compatibility.ts";
import { differenceTexts, typeWord } from "../../core/contract/differences.ts";
import { COMPATIBILITIES, type Compatibility } from "../../core/contract/modes.ts";
import { classificationOf, docOf } from "../../core/contract/notes.ts";
import type { ContractColumn } from "../../core/ingest/contract.ts";
import { defineTool, type Invocation, type Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import {
  type ContractCheck,
  type ContractEntry,
  type ContractHistory,
  checkedContract,
  contractHistory,
  contractVersion,
  DOCUMENT_FORMATS,
  type DocumentFormat,
  exportedContract,
} from "../lake/contracts.ts";
import { openSession, type Session } from "../open.ts";
import { printable } from "../render/style.ts";

const ACTIONS = ["log", "show", "export", "check", "keep", "widen", "rename"] as const;

export const command = defineTool({
  name: "contract",
  description:
    "Columns and types of what lands, in versions: log, show, export TABLE, check FILE. Values that do not fit: " +
    "keep TABLE COLUMN leaves its type, widen TABLE COLUMN takes them. rename TABLE COLUMN NAME names a column.",
  args: {
    against: { type: "string", valueHint: "TABLE", description: "check: what FILE is to follow" },
    mode: { type: "string", valueHint: "MODE", description: "check: backward, forward, full, …" },
    version: { type: "string", valueHint: "N", description: "a version other than the last" },
    format: { type: "string", valueHint: "FORMAT", description: "export: odcs, json-schema" },
    "dry-run": { type: "boolean", description: "keep, widen, rename: say what would change" },
    why: {
      type: "string",
      valueHint: "TEXT",
      description: "keep, widen, rename: kept with the commit",
    },
  },
  examples: [
    "tarn contract log orders",
    "tarn contract show orders --version 3",
    "tarn contract export orders > contracts/orders.yaml",
    "tarn contract export orders --format json-schema > contracts/orders.schema.json",
    "tarn contract check contracts/orders.yaml --against orders --mode full",
    "tarn contract widen orders amount",
    "tarn contract rename orders Betrag amount",
  ],
  async run(invocation) {
    const { args, terminal } = invocation;
    const [action, word] = args._;
    if (action === undefined || !ACTIONS.some((one) => one === action)) {
      const said =
        action === undefined ? "contract needs to know what" : `contract has no "${action}"`;
      throw new LakeError("usage", said, {
        hint: suggestion(action ?? "", ACTIONS, "actions"),
      });
    }
    if (action === "check") return await check(invocation, word);
    if (action === "keep" || action === "widen" || action === "rename") {
      const { changeOf, runChange } = await import("./contract-change.ts");
      const { onEngine } = await import("../serve/engine-command.ts");
      const options = { dryRun: args["dry-run"] === true, why: args.why };
      const request = changeOf(action, args._.slice(1), options);
      return await onEngine(invocation, "contract", runChange, request);
    }
    if (word === undefined) {
      throw new LakeError("usage", `contract ${action} needs a table`, {
        hint: `tarn contract ${action} TABLE; they are in: tarn ls`,
      });
    }
    const table = word;
    await using session = await openSession(invocation, { engine: null });
    const version = versionOf(args.version);
    if (action === "export") {
      const format = formatOf(args.format);
      return await printDocument(session, terminal, { table, version, format });
    }
    if (action === "log") printLog(terminal, await contractHistory(session, table));
    else {
      const { entry, ...history } = await contractVersion(session, table, version);
      printVersion(terminal, history, entry);
    }
    return EXIT.ok;
  },
});

const ARGS = {
  against: { type: "string" },
  mode: { type: "string" },
} as const;

/** Exit code 1 where the document may not follow what there is. */
async function check(
  invocation: Invocation<typeof ARGS>,
  file: string | undefined,
): Promise<number> {
  const { args, terminal } = invocation;
  const { against } = args;
  if (file === undefined || against === undefined) {
    throw new LakeError("usage", "contract check needs a document and a table", {
      hint: "tarn contract check contracts/orders.yaml --against orders",
    });
  }
  const mode = modeOf(args.mode);
  await using session = await openSession(invocation, { engine: null });
  const found = await checkedContract(session, { file, against, mode });
  printCheck(terminal, file, found);
  return found.incompatibilities.length > 0 ? EXIT.data : EXIT.ok;
}

function modeOf(text: string | undefined): Compatibility | null {
  if (text === undefined) return null;
  const word = text.toLowerCase();
  const mode = COMPATIBILITIES.find((one) => one === word);
  if (mode !== undefined) return mode;
  throw new LakeError("usage", `--mode ${text} is no compatibility`, {
    hint: suggestion(word, COMPATIBILITIES, "modes"),
  });
}

function printCheck(terminal: Terminal, file: string, found: ContractCheck): void {
  const { source, table, version, mode, differences, warnings } = found;
  if (terminal.json) {
    terminal.document({
      file,
      source,
      table,
      version,
      mode,
      compatible: found.incompatibilities.length === 0,
      changes: differences.map((difference) => ({ ...difference })),
      incompatibilities: found.incompatibilities.map((each) => ({ ...each })),
      warnings: warnings.map(({ message }) => message),
    });
    return;
  }
  const { style } = terminal;
  for (const { message, place } of warnings) {
    const at = place === null ? file : `${place.file}:${place.line}`;
    terminal.note(`${style.yellow("!")} ${at}: ${printable(message)}`);
  }
  for (const text of differenceTexts(differences)) terminal.line(`  ${printable(text)}`);
  for (const each of found.incompatibilities) {
    const words = `${each.direction} v${each.version} ${each.rule}`.padEnd(24);
    terminal.line(`${style.red("✖")} ${words} ${printable(breakText(each))}`);
  }
  const isFine = found.incompatibilities.length === 0;
  const says = differences.length === 0 ? "says the same as" : "may follow";
  const verdict = isFine ? says : "may not follow";
  terminal.note(`${file} ${verdict} version ${version} of ${source} (${mode})`);
}

function versionOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const version = Number(text.replace(/^v/, ""));
  if (Number.isInteger(version) && version > 0) return version;
  throw new LakeError("usage", `--version ${text} is not the number of a version`);
}

function formatOf(text: string | undefined): DocumentFormat {
  const format = DOCUMENT_FORMATS.find((one) => one === (text ?? "odcs"));
  if (format !== undefined) return format;
  throw new LakeError("usage", `--format ${text} is no format of contracts`, {
    hint: suggestion(text ?? "", DOCUMENT_FORMATS, "formats"),
  });
}

async function printDocument(
  session: Session,
  terminal: Terminal,
  request: Parameters<typeof exportedContract>[1],
): Promise<number> {
  const document = await exportedContract(session, request);
  if (terminal.json) terminal.document(document);
  else if (request.format === "json-schema") terminal.line(stringifyJson(document, 2));
  else {
    const { yamlText } = await import("../project/yaml.ts");
    terminal.line(yamlText(document).trimEnd());
  }
  return EXIT.ok;
}

/** The last version first, as every log. */
function printLog(terminal: Terminal, { source, table, entries }: ContractHistory): void {
  for (const entry of [...entries].reverse()) {
    const { contract, timeMs, commit, batch, differences } = entry;
    if (terminal.json) {
      terminal.document({
        source,
        table,
        version: contract.version,
        time: new Date(timeMs).toISOString(),
        commit,
        batch,
        withdrawn_by: entry.withdrawnBy,
        columns: contract.columns.length,
        changes: differences.map((difference) => ({ ...difference })),
      });
      continue;
    }
    const taken =
      entry.withdrawnBy === null ? "" : ` · its batch was withdrawn in ${entry.withdrawnBy}`;
    const head = `v${contract.version}  ${new Date(timeMs).toISOString()}  commit ${commit}`;
    terminal.line(`${head}  ${counted(contract.columns.length, "column")}${taken}`);
    for (const text of differenceTexts(differences)) terminal.line(`    ${printable(text)}`);
  }
}

function printVersion(
  terminal: Terminal,
  { source, table }: ContractHistory,
  { contract, timeMs, commit }: ContractEntry,
): void {
  if (terminal.json) {
    const { version } = contract;
    const time = new Date(timeMs).toISOString();
    const columns = contract.columns.map((column) => ({
      name: column.name,
      field: column.source,
      type: typeWord(column.type),
      required: column.required,
      declared: column.declared,
      description: docOf(column),
      classification: classificationOf(column),
    }));
    terminal.document({ source, table, version, time, commit, columns });
    return;
  }
  const { style } = terminal;
  terminal.note(`${source} → ${table}, version ${contract.version} since commit ${commit}`);
  const width = Math.max(...contract.columns.map(({ name }) => name.length), 0);
  for (const column of contract.columns) {
    const said = [...wordsOf(column), ...notesText(column)].join(" · ");
    const line = `${column.name.padEnd(width)}  ${typeWord(column.type)}`;
    terminal.line(`${printable(line)}${said === "" ? "" : style.dim(`  ${printable(said)}`)}`);
  }
  if (stringifyJson({ ...contract.notes?.document }) === "{}") return;
  const { id, version, status } = contract.notes?.document ?? {};
  terminal.note(`document ${String(id ?? "")} ${String(version ?? "")} ${String(status ?? "")}`);
}

function wordsOf({ name, source, required, declared, misfits }: ContractColumn): string[] {
  return [
    ...(misfits === "keep" ? ["kept: what does not fit is set aside"] : []),
    ...(misfits === "widen" ? ["widened for every value"] : []),
    ...(required ? ["required"] : []),
    ...(declared ? ["declared"] : []),
    ...(name === source ? [] : [`from ${source}`]),
  ];
}

function notesText(column: ContractColumn): string[] {
  return [classificationOf(column), docOf(column)].filter((text) => text !== null);
}
