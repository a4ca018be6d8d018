/** Layout, highlighting, completeness, history and completion, without a terminal. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { Completer, commonStart } from "../../../../sql/shell/completer.ts";
import { commandCompletions } from "../../../../sql/shell/dot-commands.ts";
import { highlight, isComplete } from "../../../../sql/shell/highlight.ts";
import { History, type HistoryStore, withoutSecrets } from "../../../../sql/shell/history.ts";
import { layout, Renderer, type View } from "../../../../sql/shell/renderer.ts";
import type { Terminal } from "../../../../sql/shell/terminal.ts";

function view(text: string, change: Partial<View> = {}): View {
  return {
    prompt: "shop> ",
    continuation: " ...> ",
    text,
    cursor: text.length,
    spans: highlight(text),
    ghost: "",
    below: [],
    ...change,
  };
}

test("rows wrap at the width, wide characters whole, continuation in front of lines", () => {
  expect(layout(view("select 日本\n1"), 14, false)).toEqual({
    rows: ["shop> select ", "日本", " ...> 1"],
    cursorRow: 2,
    cursorColumn: 7,
  });
  const full = layout(view("12345678"), 14, false);
  expect(full).toEqual({ rows: ["shop> 12345678", ""], cursorRow: 1, cursorColumn: 0 });
});

test("no row is ever wider than the terminal, and the cursor stands where the text says", () => {
  const character = fc.constantFrom("a", " ", "日", "e\u0301", "👩‍🚀", "\n", "\t", "\x1b", "'");
  fc.assert(
    fc.property(
      fc.array(character, { maxLength: 80 }),
      fc.integer({ min: 8, max: 40 }),
      (list, width) => {
        const text = list.join("");
        const frame = layout(view(text), width, true);
        for (const row of frame.rows) expect(Bun.stringWidth(row)).toBeLessThanOrEqual(width);
        expect(frame.cursorRow).toBeLessThan(frame.rows.length);
        expect(frame.cursorColumn).toBeLessThan(width);
        expect(frame.rows.join("")).not.toContain("\x1b\x1b");
      },
    ),
  );
});

test("drawing only what changed gives the same screen as drawing all of it", () => {
  const texts = fc.array(
    fc.array(fc.constantFrom("ab", "日", "\n", "select ", "'x'", ";"), { maxLength: 20 }),
    { minLength: 1, maxLength: 8 },
  );
  fc.assert(
    fc.property(texts, (list) => {
      const screen = new Screen(20);
      const renderer = new Renderer(screen.terminal(), false);
      let last = view("");
      for (const parts of list) {
        last = view(parts.join(""));
        renderer.draw(last);
      }
      const frame = layout(last, 20, false);
      const rows = frame.rows.map((row) => row.trimEnd());
      expect(screen.lines()).toEqual(rows.length === 0 ? [""] : withoutEmptyEnd(rows));
      expect([screen.row, screen.column]).toEqual([frame.cursorRow, frame.cursorColumn]);
    }),
  );
});

test("keywords, strings, comments and what is not closed", () => {
  const styles = (text: string) =>
    highlight(text).map((span) => [text.slice(span.start, span.end), span.style]);
  expect(styles("select 'a', 1 -- x\nfrom \"t")).toEqual([
    ["select", "keyword"],
    ["'a'", "string"],
    ["1", "number"],
    ["-- x", "comment"],
    ["from", "keyword"],
    ['"t', "error"],
  ]);
  expect(styles("'it''s")).toEqual([["'it''s", "error"]]);
  expect(styles(".tables x")).toEqual([[".tables", "command"]]);
});

test("Enter runs only what is whole", () => {
  const whole = [
    "",
    "  ",
    ".tables",
    "\\d t",
    "select 1;",
    "select ';';",
    "select 1; -- done",
    "-- note",
    "select $$;$$;",
  ];
  const open = [
    "select 1",
    "select ';",
    "select 1 -- ;",
    "select 1; /* a",
    "select $$;",
    "/* open",
    "x; select 2",
  ];
  expect(whole.filter((text) => !isComplete(text))).toEqual([]);
  expect(open.filter(isComplete)).toEqual([]);
});

function memoryStore(lines: string[] = []): HistoryStore & { readonly lines: string[] } {
  return {
    lines,
    load: () => [...lines],
    append: (line) => void lines.push(line),
    rewrite: (next) => void lines.splice(0, lines.length, ...next),
  };
}

test("history is kept per project, searched everywhere, and never holds secrets", () => {
  const store = memoryStore();
  const shop = new History(store, "/shop");
  shop.add("select 1;", 1);
  shop.add("select 1;", 2);
  shop.add(" select 'hidden';", 3);
  shop.add("create secret s (type s3, key_id 'AKIA', secret 'x''y');", 4);
  const other = new History(store, "/other");
  other.add("select 2 from others;", 5);
  expect(other.entries().map((entry) => entry.text)).toEqual(["select 2 from others;"]);
  expect(other.search("select", 9)).toEqual(["select 2 from others;", "select 1;"]);
  expect(other.search("SELECT 1", 9)).toEqual(["select 1;"]);
  expect(shop.suggest("select")).toBe(" 1;");
  expect(store.lines.join()).not.toContain("AKIA");
  expect(store.lines.join()).not.toContain("x''y");
  expect(new History(store, "/shop").entries()).toHaveLength(2);
  expect(withoutSecrets("attach 'postgres://me:hunter2@host/db'")).toBe(
    "attach 'postgres://me:***@host/db'",
  );
});

test("a damaged history file loses only its damaged lines", () => {
  const store = memoryStore([
    "{not json",
    '{"t":1,"project":null,"text":"select 1;"}',
    "null",
    "7",
  ]);
  expect(new History(store, null).entries().map((entry) => entry.text)).toEqual(["select 1;"]);
});

const completer = new Completer({
  names: {
    tables: async () => ["bronze.orders", "silver.customers", "lake.runs"],
    columns: async (table) =>
      table.endsWith("orders") ? ["order_id", "amount", "Weird Name"] : ["customer_id"],
  },
  commands: commandCompletions(),
  later: () => () => undefined,
});

async function complete(text: string): Promise<readonly string[]> {
  const cursor = text.indexOf("|");
  const whole = text.replace("|", "");
  const { start, end, candidates } = await completer.complete(whole, cursor);
  return candidates.map((candidate) => whole.slice(0, start) + candidate + whole.slice(end));
}

test("completion follows the context", async () => {
  expect(await complete("from ord|")).toEqual(["from bronze.orders"]);
  expect(await complete("from silver.|")).toEqual(["from silver.customers"]);
  expect(await complete("select amo| from bronze.orders")).toEqual([
    "select amount from bronze.orders",
  ]);
  expect(await complete("select o.w| from orders o")).toEqual([
    'select o."Weird Name" from orders o',
  ]);
  expect(await complete("SEL|")).toEqual(["SELECT"]);
  expect(await complete("select 'fro|")).toEqual([]);
  expect(await complete("select 1 -- fro|")).toEqual([]);
  expect(await complete(".sn|")).toEqual([".snapshots"]);
  expect(await complete(".schema silv|")).toEqual([".schema silver.customers"]);
  expect(await complete(".mode j|")).toEqual([".mode json", ".mode jsonl"]);
  expect(commonStart(["json", "jsonl"])).toBe("json");
});

test("names that come too late are not waited for", async () => {
  const slow = new Completer({
    names: {
      tables: () => new Promise(() => undefined),
      columns: () => new Promise(() => undefined),
    },
    commands: commandCompletions(),
    later: (_ms, callback) => {
      queueMicrotask(callback);
      return () => undefined;
    },
  });
  const { candidates } = await slow.complete("select sel", 10);
  expect(candidates).toContain("select");
});

function withoutEmptyEnd(rows: readonly string[]): string[] {
  const kept = [...rows];
  while (kept.length > 1 && kept.at(-1) === "") kept.pop();
  return kept;
}

/** As much of a VT100 as the renderer uses; fails on anything else. */
class Screen {
  readonly #width: number;
  readonly #cells: string[][] = [[]];
  row = 0;
  column = 0;

  constructor(width: number) {
    this.#width = width;
  }

  terminal(): Terminal {
    return {
      setRaw: () => undefined,
      columns: () => this.#width,
      rows: () => 100,
      write: (text) => this.#write(text),
      onInput: () => undefined,
      onEnd: () => undefined,
      onResize: () => undefined,
      suspend: () => undefined,
      later: () => () => undefined,
      nowMs: () => 0,
    };
  }

  lines(): string[] {
    return withoutEmptyEnd(this.#cells.map((row) => row.join("").trimEnd()));
  }

  #write(text: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the sequences of a terminal
    const pieces = text.match(/\x1b\[[?\d;]*[a-zA-Z]|\r|\n|[^\x1b\r\n]+/g) ?? [];
    for (const piece of pieces) {
      if (piece === "\r") this.column = 0;
      else if (piece === "\n") this.row++;
      else if (piece.startsWith("\x1b")) this.#sequence(piece);
      else this.#print(piece);
      while (this.#cells.length <= this.row) this.#cells.push([]);
    }
  }

  #sequence(sequence: string): void {
    const count = Number(/\d+/.exec(sequence)?.[0] ?? "1");
    const final = sequence.at(-1);
    if (final === "A") this.row -= count;
    else if (final === "B") this.row += count;
    else if (final === "C") this.column += count;
    else if (final === "K") this.#cells[this.row]?.splice(this.column);
    else if (final === "J") {
      this.#cells[this.row]?.splice(this.column);
      this.#cells.splice(this.row + 1);
    } else if (final !== "h" && final !== "l")
      throw new Error(`unknown ${JSON.stringify(sequence)}`);
  }

  #print(text: string): void {
    const row = this.#cells[this.row] ?? [];
    for (const { segment } of new Intl.Segmenter().segment(text)) {
      const width = Bun.stringWidth(segment);
      while (row.length < this.column) row.push(" ");
      row.splice(this.column, width, segment, ...Array<string>(Math.max(0, width - 1)).fill(""));
      this.column += width;
    }
    if (this.column > this.#width) throw new Error("wrote over the edge");
  }
}
