/** Loads the library that translates SQL between dialects when something first asks for it: it is 23 MB of WASM. */

import wasmFile from "@polyglot-sql/sdk/polyglot_sql.wasm" with { type: "file" };
import { LakeError } from "../../core/base/errors.ts";

/** A piece of a syntax tree: of nodes `{ kind: … }`, lists and values. Trees are changed in place. */
export type Piece = null | boolean | number | string | Piece[] | { [key: string]: Piece };

export interface Library {
  /** One statement of DuckDB. Throws `sql` for what it does not know. */
  parse(sql: string): Piece;
  /** The statement in DuckDB's words. */
  print(tree: Piece): string;
  /** From DuckDB's words to those of Spark. */
  translate(sql: string): string;
}

/** zstd's, by which the binary has it. RFC 8878, 3.1.1. */
const PACKED = [0x28, 0xb5, 0x2f, 0xfd];
/** In the binary a path inside of it. */
const WASM_PATH: string = wasmFile;

let loading: Promise<Library> | null = null;

export function sparkLibrary(): Promise<Library> {
  loading ??= load();
  return loading;
}

async function load(): Promise<Library> {
  const library = await import("@polyglot-sql/sdk/manual");
  const bytes = await Bun.file(WASM_PATH).bytes();
  const isPacked = PACKED.every((byte, index) => bytes[index] === byte);
  const wasm = isPacked ? Bun.zstdDecompressSync(bytes) : bytes;
  const module: unknown = wasm;
  // parse: its types say a URL; what is no text is instantiated as it is
  await library.init({ wasmUrl: module as string }); // parse: see above
  const { Dialect } = library;
  return {
    parse(sql) {
      const { success, ast, error } = library.parse(sql, Dialect.DuckDB);
      if (!success || !Array.isArray(ast) || ast.length !== 1) throw unread(error);
      const [statement]: unknown[] = ast;
      return statement as Piece; // parse: checked piece by piece by who walks it
    },
    print(tree) {
      const statements: unknown = [tree];
      // parse: what it read itself, and what it prints the same way
      const { success, sql, error } = library.generate(
        statements as Parameters<typeof library.generate>[0], // parse: see above
        Dialect.DuckDB,
      );
      const [text] = sql ?? [];
      if (!success || text === undefined) throw unread(error);
      return text;
    },
    translate(text) {
      const { success, sql, error } = library.transpile(text, Dialect.DuckDB, Dialect.Spark, {
        pretty: true,
      });
      const [first] = sql ?? [];
      if (!success || first === undefined) throw unread(error);
      return first;
    },
  };
}

function unread(error: string | undefined | null): LakeError {
  return new LakeError("unsupported", (error ?? "the statement is not read").slice(0, 300));
}
