/** What the folders of a drop say of its rows: `year=2024/region=EU/part.csv`, as Hive, Spark and DuckDB write them. */

/** A folder `key=value`. */
export interface FolderValue {
  readonly name: string;
  /** The value as text; null where it says that there is none. */
  readonly text: string | null;
  /** As it stands in the path. */
  readonly written: string;
}

/** Hive's name for the folder of rows without a value, which Spark, DuckDB and the others write too. */
const NO_VALUE = "__HIVE_DEFAULT_PARTITION__";

/** The folders `key=value` of a path, from the outermost; each name as often as it stands there. */
export function folderValues(file: string): FolderValue[] {
  return namedFolders(file).map((written) => {
    const at = written.indexOf("=");
    const text = decoded(written.slice(at + 1));
    const isNothing = text === "" || text === NO_VALUE;
    return { name: decoded(written.slice(0, at)), text: isNothing ? null : text, written };
  });
}

/** The folders `key=value` of a path: what a file in them holds is another fact than the same bytes elsewhere. */
export function partitionOf(file: string): string {
  return namedFolders(file).join("/");
}

function namedFolders(file: string): string[] {
  const folders = file.split("/").slice(0, -1);
  return folders.filter((folder) => /^[^=]+=/.test(folder));
}

/** Whoever writes such folders escapes what no name of a file may hold; text that is not so escaped is as it stands. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
