/** What the reference says of one word: a key of tarn.yaml or of a model, a system table, a column, a command. */

import { own } from "../../core/base/json.ts";
import { configSettings, modelSettings, type Setting } from "./settings.ts";
import {
  ADDED_COLUMNS,
  COMMON_COLUMNS,
  INFORMATION_SCHEMA,
  LAKE_TABLES,
} from "./table-meanings.ts";
import { systemColumns } from "./tables.ts";

/** Entries about the word, each a heading with lines; none for a word that nothing has. */
export async function lookUp(word: string): Promise<readonly string[]> {
  const wanted = word.trim().toLowerCase().replace(/:$/, "");
  return [...(await settingsCalled(wanted)), ...tableCalled(wanted), ...columnCalled(wanted)];
}

/** Words that can be asked for, to name the nearest. */
export async function words(): Promise<readonly string[]> {
  const settings = [
    ...(await configSettings()).flatMap((group) => group.settings),
    ...modelSettings(),
  ];
  return [...settings.map(({ path }) => lastOf(path)), ...systemColumns().keys()];
}

async function settingsCalled(wanted: string): Promise<string[]> {
  const groups = [
    ...(await configSettings()).map(({ of, settings }) => ({ where: placeOf(of), settings })),
    { where: "the comment of a model", settings: modelSettings() },
  ];
  const all = groups.flatMap(({ where, settings }) => settings.map((of) => ({ where, of })));
  const isCalled = ({ of: { path } }: (typeof all)[number]): boolean =>
    path.toLowerCase() === wanted || path.toLowerCase().replace(/^sources\.name\./, "") === wanted;
  const exact = all.filter(isCalled);
  const found = exact.length > 0 ? exact : all.filter(({ of }) => lastOf(of.path) === wanted);
  // The same key of several kinds is said once, with all of them.
  const wheresByText = new Map<string, string[]>();
  for (const { where, of } of found) {
    const text = settingText(of);
    wheresByText.set(text, [...(wheresByText.get(text) ?? []), where]);
  }
  return [...wheresByText].map(([text, wheres]) => text.replace(PLACE, wheres.join(", ")));
}

const PLACE = "\0";

function placeOf(of: string | null): string {
  if (of === null) return "tarn.yaml";
  return of === "landing" ? "tarn.yaml, sources of all other kinds" : `tarn.yaml, kind: ${of}`;
}

function settingText({ path, meaning, takes, absent, example }: Setting): string {
  const without = absent === "" ? "" : `\nwithout it: ${absent}`;
  return [
    `${path}  (${PLACE})`,
    "",
    `${meaning}`,
    "",
    `takes: ${takes.replaceAll("`", "")}${without}`,
    `    ${lastOf(path)}: ${example}`,
  ].join("\n");
}

function lastOf(path: string): string {
  return path.split(".").at(-1) ?? "";
}

function tableCalled(wanted: string): string[] {
  return [...systemColumns()].flatMap(([name, columns]) => {
    const [schema, table = ""] = name.split(".");
    const meaning = own(schema === "lake" ? LAKE_TABLES : INFORMATION_SCHEMA, table);
    if (meaning === undefined || name !== wanted) return [];
    const width = Math.max(...columns.map((column) => column.name.length));
    const lines = columns.map((column) => {
      const text = own(meaning.columns, column.name) ?? own(COMMON_COLUMNS, column.name) ?? "";
      return `  ${column.name.padEnd(width)}  ${text}`;
    });
    const asked = `    $ tarn sql -c "${meaning.example.replaceAll('"', '\\"')}"`;
    return [[name, "", meaning.row, "", ...lines, "", asked].join("\n")];
  });
}

function columnCalled(wanted: string): string[] {
  return Object.values(ADDED_COLUMNS).flatMap(({ of, columns }) => {
    const found = Object.entries(columns).find(([name]) => name.toLowerCase() === wanted);
    if (found === undefined || !wanted.startsWith("_")) return [];
    return [`${found[0]}  (${of.charAt(0).toLowerCase()}${of.slice(1)})\n\n${found[1]}`];
  });
}
