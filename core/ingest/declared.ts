/** What tarn.yaml says of a source, held against how its rows were read: what only a reread brings about. */

import type { Catalog } from "../ports.ts";
import { sameType, typeToText } from "../table/type-text.ts";
import type { Table } from "../table/types.ts";
import type { Contract, SourceConfig } from "./contract.ts";
import { widen } from "./contract-rules.ts";
import { readingDifferences } from "./current-contract.ts";

/** Words of tarn.yaml for settings that are called otherwise here. */
const WORDS: Readonly<Record<string, string>> = { headerRow: "header_row", names: "columns" };

/** One line each, without an end; empty where a reread would change nothing that is known beforehand. */
export async function declaredOtherwise(
  catalog: Catalog,
  config: SourceConfig,
): Promise<readonly string[]> {
  const table = await catalog.load(config.into);
  if (table === null) return [];
  return [...typesOtherwise(table, config), ...(await readOtherwise(catalog, config))];
}

/** Declared types that the table does not have. */
function typesOtherwise(table: Table, { declared, into, onDrift }: SourceConfig): string[] {
  const fields = new Map(table.schema.fields.map(({ name, type }) => [name, type]));
  return (declared ?? []).flatMap(({ name, type }) => {
    const is = fields.get(name);
    if (is === undefined || sameType(is, type)) return [];
    if (onDrift?.[name] === "evolve" && sameType(widen(type, is), is)) return [];
    return [`${name} is declared ${typeToText(type)}, and is ${typeToText(is)} in ${into}`];
  });
}

/** Settings and columns by which some of the files would be read otherwise. */
async function readOtherwise(catalog: Catalog, config: SourceConfig): Promise<string[]> {
  const settings = new Set<string>();
  const gone = new Set<string>();
  const isClosed = config.declared !== null && config.schema !== "evolve";
  const declared = new Set(config.declared?.map(({ name }) => name));
  for (const { contractVersion, hasNames } of await catalog.ledger.readings(config.name)) {
    const contract = await catalog.ledger.contract(config.name, contractVersion);
    if (contract === null) continue;
    for (const key of settingsOf(contract, config)) {
      if (key !== "names" || !hasNames) settings.add(WORDS[key] ?? key);
    }
    for (const { name } of contract.columns) if (isClosed && !declared.has(name)) gone.add(name);
  }
  const said = [...settings].map((key) => `${key} is not what its files were read by`);
  return [...said, ...[...gone].map((name) => `${name} is not declared, and is in ${config.into}`)];
}

function settingsOf({ read }: Contract, config: SourceConfig): string[] {
  return read === null ? [] : readingDifferences(read, config.read);
}
