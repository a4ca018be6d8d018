/** What a statement in the log does to tables: found by its first words, for rows of it may be nowhere. */

/** A table as a statement names it; without a database it is in that of its session. */
export interface NamedTable {
  readonly schema: string;
  readonly table: string;
}

export type Statement =
  | { readonly kind: "begin" | "commit" | "rollback" | "other" }
  | { readonly kind: "savepoint" | "rollback to"; readonly name: string }
  | { readonly kind: "xa commit" | "xa rollback"; readonly xid: string }
  /** All rows of these go. */
  | { readonly kind: "truncate"; readonly tables: readonly NamedTable[] }
  | { readonly kind: "drop"; readonly tables: readonly NamedTable[] }
  | { readonly kind: "drop database"; readonly schema: string }
  | {
      readonly kind: "create";
      readonly table: NamedTable;
      /** It may have been there: then nothing happened. */
      readonly ifNotExists: boolean;
      /** Rows come out of a query, and not in the log. */
      readonly isFilled: boolean;
    }
  | {
      readonly kind: "rename";
      readonly pairs: readonly { readonly from: NamedTable; readonly to: NamedTable }[];
    }
  /** The table is another one, with the rows that it had. */
  | { readonly kind: "alter"; readonly table: NamedTable }
  /** Rows of these come or go, and not in the log. */
  | {
      readonly kind: "unlogged";
      readonly tables: readonly NamedTable[];
      readonly what: string;
    }
  /** Rows of tables that it names, and of others by triggers, change, and not in the log. */
  | { readonly kind: "rows"; readonly tables: readonly NamedTable[]; readonly what: string };

/** Reads a statement, run in a session whose database is `schema`. */
export function readStatement(sql: string, schema: string): Statement {
  const words = new Words(tokensOf(sql), schema);
  switch (words.word()) {
    case "BEGIN":
      return { kind: "begin" };
    case "START":
      return { kind: "begin" };
    case "COMMIT":
      return { kind: "commit" };
    case "ROLLBACK":
      if (!words.skip("TO")) return { kind: "rollback" };
      words.skip("SAVEPOINT");
      return { kind: "rollback to", name: words.name() };
    case "SAVEPOINT":
      return { kind: "savepoint", name: words.name() };
    case "XA":
      return xaOf(words);
    case "TRUNCATE":
      words.skip("TABLE");
      return { kind: "truncate", tables: [words.table()] };
    case "DROP":
      return dropOf(words);
    case "CREATE":
      return createOf(words);
    case "RENAME":
      return words.skip("TABLE") || words.skip("TABLES") ? renameOf(words) : OTHER;
    case "ALTER":
      return alterOf(words);
    case "INSERT":
    case "UPDATE":
    case "DELETE":
    case "REPLACE":
    case "LOAD":
    case "CALL":
    case "WITH":
      return { kind: "rows", tables: words.anyTables(), what: words.first };
    default:
      return OTHER;
  }
}

const OTHER = { kind: "other" } as const;

interface Token {
  readonly kind: "word" | "name" | "text" | "sign";
  readonly text: string;
}

/** Blanks and comments, and the signs around those comments that the server runs. */
const PASSED = String.raw`\s+|--[ \t][^\n]*|#[^\n]*|\/\*(?!M?!)[\s\S]*?\*\/|\/\*M?!\d*|\*\/`;
const QUOTED = [
  "`(?:[^`]|``)*`",
  String.raw`"(?:[^"\\]|\\[\s\S]|"")*"`,
  String.raw`'(?:[^'\\]|\\[\s\S]|'')*'`,
].join("|");
const WORD = String.raw`[\p{L}\p{N}_$@.]*[\p{L}_$@][\p{L}\p{N}_$]*|\d+`;
const TOKEN = new RegExp(String.raw`${PASSED}|(${QUOTED}|${WORD}|[\s\S])`, "giuy");

/** Comments are left out, but for those that the server runs. A quoted name in double quotes is taken for a text. */
function tokensOf(sql: string): readonly Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(sql); match !== null; match = TOKEN.exec(sql)) {
    const [, text] = match;
    if (text === undefined) continue;
    if (text.startsWith("`") && text.length > 1) {
      tokens.push({ kind: "name", text: text.slice(1, -1).replaceAll("``", "`") });
    } else if (/^['"]/.test(text) && text.length > 1) {
      tokens.push({ kind: "text", text: text.slice(1, -1) });
    } else if (/^[\p{L}\p{N}_$@.]+$/u.test(text) && text !== ".") {
      for (const part of text.split(/(\.)/)) {
        if (part !== "") tokens.push({ kind: part === "." ? "sign" : "word", text: part });
      }
    } else tokens.push({ kind: "sign", text });
  }
  return tokens;
}

/** The tokens of one statement, from the first to the last. */
class Words {
  readonly #tokens: readonly Token[];
  readonly #schema: string;
  #at = 0;

  constructor(tokens: readonly Token[], schema: string) {
    this.#tokens = tokens;
    this.#schema = schema;
  }

  get first(): string {
    return (this.#tokens[0]?.text ?? "").toUpperCase();
  }

  get isOver(): boolean {
    return this.#at >= this.#tokens.length;
  }

  /** The next word, in capitals; empty where there is none. */
  word(): string {
    const token = this.#tokens[this.#at];
    if (token?.kind !== "word") return "";
    this.#at += 1;
    return token.text.toUpperCase();
  }

  /** True when the next word is this one, which is then behind. */
  skip(word: string): boolean {
    const token = this.#tokens[this.#at];
    const isIt = token?.kind === "word" && token.text.toUpperCase() === word;
    if (isIt) this.#at += 1;
    return isIt;
  }

  sign(sign: string): boolean {
    const token = this.#tokens[this.#at];
    const isIt = token?.kind === "sign" && token.text === sign;
    if (isIt) this.#at += 1;
    return isIt;
  }

  name(): string {
    const token = this.#tokens[this.#at];
    this.#at += 1;
    return token?.text ?? "";
  }

  table(): NamedTable {
    const first = this.name();
    return this.sign(".")
      ? { schema: first, table: this.name() }
      : { schema: this.#schema, table: first };
  }

  tables(): readonly NamedTable[] {
    const tables = [this.table()];
    while (this.sign(",")) tables.push(this.table());
    return tables;
  }

  /** True when these words stand somewhere in what is left, one behind the other. */
  has(...words: readonly string[]): boolean {
    return this.#tokens
      .slice(this.#at)
      .some((_, at) => words.every((word, index) => this.#isAt(this.#at + at + index, word)));
  }

  /** What is left, as it would be written. */
  rest(): string {
    const left = this.#tokens.slice(this.#at);
    return left.map(({ kind, text }) => (kind === "text" ? `'${text}'` : text)).join("");
  }

  /** Everything that may be the name of a table. */
  anyTables(): readonly NamedTable[] {
    const found: NamedTable[] = [];
    for (const [index, { kind, text }] of this.#tokens.entries()) {
      if (kind !== "word" && kind !== "name") continue;
      const dot = this.#tokens[index + 1];
      const after = this.#tokens[index + 2];
      found.push({ schema: this.#schema, table: text });
      if (dot?.kind === "sign" && dot.text === "." && after !== undefined) {
        found.push({ schema: text, table: after.text });
      }
    }
    return found;
  }

  #isAt(index: number, word: string): boolean {
    const token = this.#tokens[index];
    return token?.kind === "word" && token.text.toUpperCase() === word;
  }
}

function xaOf(words: Words): Statement {
  const what = words.word();
  if (what !== "COMMIT" && what !== "ROLLBACK") return OTHER;
  // As `readXid` writes it, for who prepares says it so.
  const xid = words
    .rest()
    .replace(/onephase$/i, "")
    .toLowerCase()
    .replaceAll("x'", "X'");
  return { kind: what === "COMMIT" ? "xa commit" : "xa rollback", xid };
}

function dropOf(words: Words): Statement {
  if (words.skip("DATABASE") || words.skip("SCHEMA")) {
    if (words.skip("IF")) words.skip("EXISTS");
    return { kind: "drop database", schema: words.name() };
  }
  // A temporary table is nobody else's.
  if (words.skip("TEMPORARY") || !(words.skip("TABLE") || words.skip("TABLES"))) return OTHER;
  if (words.skip("IF")) words.skip("EXISTS");
  return { kind: "drop", tables: words.tables() };
}

function createOf(words: Words): Statement {
  if (words.skip("OR")) words.skip("REPLACE");
  if (words.skip("TEMPORARY") || !words.skip("TABLE")) return OTHER;
  const ifNotExists = words.skip("IF") && words.skip("NOT") && words.skip("EXISTS");
  const table = words.table();
  const isFilled = words.has("SELECT");
  return { kind: "create", table, ifNotExists, isFilled };
}

function renameOf(words: Words): Statement {
  if (words.skip("IF")) words.skip("EXISTS");
  const pairs: { from: NamedTable; to: NamedTable }[] = [];
  do {
    const from = words.table();
    if (words.skip("WAIT")) words.name();
    words.skip("NOWAIT");
    words.skip("TO");
    pairs.push({ from, to: words.table() });
  } while (words.sign(","));
  return { kind: "rename", pairs };
}

/** What ALTER TABLE does to partitions, by which rows come or go. */
const PARTS = ["TRUNCATE", "DROP", "EXCHANGE", "CONVERT"] as const;

function alterOf(words: Words): Statement {
  words.skip("ONLINE");
  words.skip("IGNORE");
  if (!words.skip("TABLE")) return OTHER;
  if (words.skip("IF")) words.skip("EXISTS");
  const table = words.table();
  for (const what of PARTS) {
    if (!words.has(what, "PARTITION") && !words.has(what, "TABLE")) continue;
    const others = what === "EXCHANGE" || what === "CONVERT" ? words.anyTables() : [];
    return { kind: "unlogged", tables: [table, ...others], what: `${what} PARTITION` };
  }
  if (words.has("IMPORT", "TABLESPACE") || words.has("DISCARD", "TABLESPACE")) {
    return { kind: "unlogged", tables: [table], what: "IMPORT TABLESPACE" };
  }
  const renamed = renamedBy(words);
  return renamed === null
    ? { kind: "alter", table }
    : { kind: "rename", pairs: [{ from: table, to: renamed }] };
}

/** The new name of a table; columns, keys and partitions are renamed by other words. */
function renamedBy(words: Words): NamedTable | null {
  while (!words.isOver) {
    if (!words.skip("RENAME")) {
      words.name();
      continue;
    }
    if (["COLUMN", "INDEX", "KEY", "CONSTRAINT"].some((what) => words.skip(what))) continue;
    words.skip("TO");
    words.skip("AS");
    words.sign("=");
    return words.table();
  }
  return null;
}
