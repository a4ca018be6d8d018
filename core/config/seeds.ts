/** Entries of `seeds:` in tarn.yaml: what is said of the small tables that lie in the project itself. */

import { must } from "../base/assert.ts";
import { nearestWord, suggestion } from "../base/suggest.ts";
import type { FileSourceConfig } from "../ingest/contract.ts";
import { SEEDS_FOLDER } from "./default-source.ts";
import { type ContractReader, FILE_SOURCE_KEYS, fileSource } from "./file-source.ts";
import { type FileFormats, formatKey } from "./read-options.ts";
import { below, type Cursor, type Issue, object, type Shape, type Values } from "./shape.ts";

const { columns, contract, compatibility, required, schema, format } = FILE_SOURCE_KEYS;
const { delimiter, quote, escape: escaping, comment, header, skip, encoding } = FILE_SOURCE_KEYS;
const { nulls, numbers, dates, misfits } = FILE_SOURCE_KEYS;
const SEED_KEYS = {
  ...{ columns, contract, compatibility, required, schema, format },
  ...{ delimiter, quote, escape: escaping, comment, header, skip, encoding },
  ...{ nulls, numbers, dates, misfits },
};

/** Words of dbt, and keys of sources that a seed has no use for. */
const FOREIGN = {
  column_types: 'did you mean "columns"?',
  quote_columns: "names are taken as they stand in the header",
  path: `a seed is the file of its name: ${SEEDS_FOLDER}/<name>.csv`,
  into: "a seed is the table of its name: seeds.<name>",
  same_name: "an edited seed replaces its rows",
  full_refresh: "an edited seed replaces its rows",
  enabled: `take the file out of ${SEEDS_FOLDER}/`,
};

/** What a seed's keys said. */
export type SeedValues = Values<typeof SEED_KEYS>;

/** What is said of a seed, beside its name and its file. */
export type SeedSettings = Partial<FileSourceConfig>;

/** The shape of one seed's settings. */
export function seedShape(formats: FileFormats): Shape<SeedValues> {
  return object({ ...SEED_KEYS, format: formatKey(formats) }, FOREIGN);
}

/** Columns that are not declared are learned unless `schema:` says otherwise: types are often given for a few alone. */
export function seedSettings(
  name: string,
  given: SeedValues,
  formats: FileFormats,
  cursor: Cursor,
  contractAt?: ContractReader,
): SeedSettings {
  const all = object(FILE_SOURCE_KEYS);
  const values = must(all.read({}, { path: [], issues: [] }), "every key has a default");
  const into = `seeds.${name}`;
  const schema = given.schema ?? "evolve";
  const said = { ...values, ...given, schema, strangers: "land" as const, partition: [], into };
  return fileSource(into, said, formats, cursor, contractAt);
}

/** Settings of seeds that have no file; `files` are those below seeds/, relative to the project. */
export function seedsWithoutFiles(
  seeds: ReadonlyMap<string, SeedSettings>,
  files: readonly string[],
): Issue[] {
  const names = [...new Set(files.map(seedName))];
  const cursor: Cursor = { path: ["seeds"], issues: [] };
  return [...seeds.keys()].flatMap((name): Issue[] => {
    if (names.includes(name)) return [];
    const near = nearestWord(name, names);
    const hint = near === null ? suggestion(name, names, "seeds") : `did you mean "${near}"?`;
    const message = `there is no file ${SEEDS_FOLDER}/${name}.csv`;
    return [{ path: below(cursor, name).path, at: "key", severity: "error", message, hint }];
  });
}

/** What stands before the first dot of the file's own name. */
function seedName(path: string): string {
  const file = path.slice(path.lastIndexOf("/") + 1);
  return file.split(".")[0] ?? "";
}
