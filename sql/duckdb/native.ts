/** Loads DuckDB's native library: npm's in development, in the binary the one that it unpacks. */

import type * as api from "@duckdb/node-api";
import type { DuckDBInstance } from "@duckdb/node-api";
import { errorText, LakeError } from "../../core/base/errors.ts";
import { nativeAddon, setNativeAddon } from "./native-addon.ts";
import { NATIVE_FILES } from "./native-files.ts";
import { cacheFolder, type Unpacked, unpackNative, verifyUnpacked } from "./native-unpack.ts";

let loading: Promise<typeof api> | null = null;

/** The DuckDB API; loads the native library at the first call. Throws LakeError `io` with what to do. */
export function loadDuckDB(): Promise<typeof api> {
  loading ??= load().catch((thrown: unknown) => {
    loading = null;
    throw thrown;
  });
  return loading;
}

/** A new in-memory instance; its options by name. Throws what DuckDB and the loading of it throw. */
export async function newInstance(options: ReadonlyMap<string, string>): Promise<DuckDBInstance> {
  if (NATIVE_FILES === null) {
    return (await loadDuckDB()).DuckDBInstance.create(":memory:", Object.fromEntries(options));
  }
  // DuckDB opens in a thread of its own while the modules around it load: half of a cold start.
  const addon = unpackedAddon();
  const config = addon.create_config();
  for (const [name, value] of options) addon.set_config(config, name, value);
  const [database, loaded] = await Promise.all([addon.open(":memory:", config), loadDuckDB()]);
  return new loaded.DuckDBInstance(database);
}

/** What `doctor` reports: where the native files are, and that their bytes are those that were built in. */
export async function verifyNative(): Promise<{ readonly folder: string | null }> {
  if (NATIVE_FILES === null) return { folder: null };
  const folder = cacheFolder(process.env, process.platform);
  const unpacked = unpackNative(NATIVE_FILES, folder);
  verifyUnpacked(NATIVE_FILES, unpacked);
  return { folder: unpacked.folder };
}

async function load(): Promise<typeof api> {
  if (NATIVE_FILES !== null) unpackedAddon();
  const loaded = await import("@duckdb/node-api");
  // Zoned timestamps print in UTC whatever the machine's zone is: DESIGN, decision 9.
  loaded.DuckDBTimestampTZValue.timezoneOffsetInMinutes = 0;
  return loaded;
}

/** The functions of the addon that open an instance. */
interface Addon {
  create_config(): object;
  set_config(config: object, name: string, value: string): void;
  open(path: string, config: object): Promise<ConstructorParameters<typeof DuckDBInstance>[0]>;
}

function unpackedAddon(): Addon {
  if (nativeAddon() === null && NATIVE_FILES !== null) {
    const folder = cacheFolder(process.env, process.platform);
    setNativeAddon(openAddon(unpackNative(NATIVE_FILES, folder)));
  }
  return nativeAddon() as Addon; // parse: the addon that was built in, of which nothing else is known
}

/** The addon's own search path is its folder, which is where the library lies. */
function openAddon(unpacked: Unpacked): unknown {
  const target: { exports: unknown } = { exports: {} };
  try {
    process.dlopen(target, `${unpacked.folder}/duckdb.node`);
  } catch (thrown) {
    throw loadError(unpacked.folder, thrown);
  }
  return target.exports;
}

function loadError(folder: string, thrown: unknown): LakeError {
  const text = errorText(thrown);
  const noexec = /operation not permitted|failed to map|permission denied/i.test(text);
  return new LakeError("io", `the SQL engine cannot be loaded from ${folder}: ${text}`, {
    cause: thrown,
    context: { folder },
    hint: noexec
      ? "that folder is mounted noexec; set TARN_CACHE_DIR to a folder on another file system"
      : `remove ${folder} and try again; this system needs glibc 2.28 and libstdc++ (or macOS 12)`,
  });
}
