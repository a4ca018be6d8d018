/** Loads parquet-wasm when something first needs it: its 5 MB module takes a tenth of a second to compile. */

// @ts-expect-error: TypeScript has no types for what `type: "file"` yields, which is a path
import wasmFile from "parquet-wasm/esm/parquet_wasm_bg.wasm" with { type: "file" };

type ParquetWasm = typeof import("parquet-wasm/esm");

/** In the binary a path inside of it. */
const WASM_PATH: string = wasmFile;

let loading: Promise<ParquetWasm> | null = null;

/** The library, initialised; the same at every call. In the binary the module is embedded. */
export function loadParquetWasm(): Promise<ParquetWasm> {
  loading ??= load();
  return loading;
}

async function load(): Promise<ParquetWasm> {
  const library = await import("parquet-wasm/esm");
  await library.default({ module_or_path: await Bun.file(WASM_PATH).arrayBuffer() });
  return library;
}
