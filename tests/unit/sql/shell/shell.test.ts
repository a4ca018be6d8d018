/** The shell on a real pseudo-terminal, key by key. */

import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { scriptParts } from "../../../../sql/shell/shell.ts";

const FIXTURE = new URL("../../../support/shell-fixture.ts", import.meta.url).pathname;
const WAIT_MS = 20_000;

/** A shell on a terminal of its own; `seen` waits for text that appears behind what was seen before. */
class Session implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "lake-shell-"));
  readonly #terminal: Bun.Terminal;
  readonly #process: Bun.Subprocess;
  #output = "";
  #at = 0;
  #wake: () => void = () => undefined;

  constructor(options: { readonly term?: string; readonly folder?: string } = {}) {
    if (options.folder !== undefined) this.folder = options.folder;
    const decoder = new TextDecoder();
    this.#terminal = new Bun.Terminal({
      cols: 80,
      rows: 24,
      data: (_terminal, data) => {
        this.#output += decoder.decode(data, { stream: true });
        this.#wake();
      },
    });
    this.#process = Bun.spawn(
      [process.execPath, FIXTURE, this.folder, join(this.folder, "history")],
      {
        terminal: this.#terminal,
        env: { ...process.env, TERM: options.term ?? "xterm-256color" },
      },
    );
  }

  type(text: string): void {
    this.#terminal.write(text);
  }

  /** What came up to and including the text. */
  async seen(text: string): Promise<string> {
    const late = AbortSignal.timeout(WAIT_MS);
    for (;;) {
      const plain = Bun.stripANSI(this.#output).replaceAll("\r", "");
      const found = plain.indexOf(text, this.#at);
      if (found >= 0) {
        const start = this.#at;
        this.#at = found + text.length;
        return plain.slice(start, this.#at);
      }
      if (late.aborted) throw new Error(`"${text}" never came; got:\n${plain.slice(this.#at)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        late.onabort = () => resolve();
      });
    }
  }

  exited(): Promise<number> {
    return this.#process.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
    this.#terminal.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

test("a query gives a box and a footer; Ctrl+D leaves", async () => {
  await using shell = new Session();
  await shell.seen("shop> ");
  shell.type("from silver.orders select status, sum(amount) total group by 1 order by 1;\r");
  const box = await shell.seen("silver.orders@2");
  expect(box).toContain("│ paid    │   1250 │");
  expect(box).toContain("2 rows · ");
  await shell.seen("shop> ");
  shell.type("\x04");
  await shell.seen("left");
  expect(await shell.exited()).toBe(0);
});

test("Enter waits for the semicolon, a paste never submits, and history comes back whole", async () => {
  await using shell = new Session();
  await shell.seen("shop> ");
  shell.type("select 1\r");
  await shell.seen("...> ");
  shell.type("as one;\r");
  await shell.seen("│     1 │");
  shell.type("\x1b[200~select\n  2 as two;\nselect 3 as three;\x1b[201~");
  await shell.seen("select 3 as three;");
  shell.type("\r");
  await shell.seen("│     2 │");
  await shell.seen("│     3 │");
  await shell.seen("shop> ");
  shell.type("\x1b[A");
  await shell.seen("select 3 as three;");
  shell.type("\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\r");
  await shell.seen("│     1 │");
  const kept = readFileSync(join(shell.folder, "history"), "utf8").trim().split("\n");
  expect(kept.map((line) => JSON.parse(line).text)).toEqual([
    "select 1\nas one;",
    "select\n  2 as two;\nselect 3 as three;",
    "select 1\nas one;",
  ]);
});

test("Ctrl+C cancels a long query, and clears a line", async () => {
  await using shell = new Session();
  await shell.seen("shop> ");
  shell.type("select sum(a.range * b.range) from range(10000000) a, range(10000000) b;\r");
  await shell.seen("10000000) b;\n");
  shell.type("\x03");
  await shell.seen("cancelled");
  await shell.seen("shop> ");
  shell.type("select nonsense\x03select 5 + 5 as ten;\r");
  await shell.seen("│    10 │");
});

test("dot commands, their aliases, and what is wrong is said with what is near", async () => {
  await using shell = new Session();
  writeFileSync(
    join(shell.folder, "script.sql"),
    "select 'read' as a;\n.mode csv\nselect 'this' as b;",
  );
  await shell.seen("shop> ");
  shell.type(".tables\r");
  await shell.seen("silver.orders   3 rows");
  shell.type("\\d silver.orders\r");
  await shell.seen("│ amount");
  shell.type(".snapshots silver.orders\r");
  await shell.seen("│       2 │");
  shell.type(".tabels\r");
  await shell.seen('did you mean ".tables"');
  shell.type(".asof 1\r");
  await shell.seen("shop@1> ");
  shell.type("select count(*) n from silver.orders;\r");
  await shell.seen("silver.orders@1");
  shell.type(".asof off\r");
  await shell.seen("shop> ");
  shell.type(".read script.sql\r");
  await shell.seen("│ read");
  await shell.seen("b\nthis\n");
  shell.type(".once out.csv\rfrom silver.orders order by id;\r");
  await shell.seen("3 rows");
  expect(readFileSync(join(shell.folder, "out.csv"), "utf8")).toBe(
    "id,status,amount\n1,new,500\n2,paid,1000\n3,paid,250\n",
  );
  shell.type(".once out.jsonl.gz\rselect id from silver.orders order by id;\r");
  await shell.seen("· out.jsonl.gz");
  const packed = readFileSync(join(shell.folder, "out.jsonl.gz"));
  expect(gunzipSync(packed).toString()).toBe('{"id":1}\n{"id":2}\n{"id":3}\n');
  for (const [file, magic] of [
    ["out.xlsx", "PK"],
    ["out.parquet", "PAR1"],
    ["out.arrow", "ARROW1"],
  ] as const) {
    shell.type(`.once ${file}\rfrom silver.orders;\r`);
    await shell.seen(`· ${file}`);
    await shell.seen("shop> ");
    expect(readFileSync(join(shell.folder, file)).toString("latin1")).toStartWith(magic);
  }
  shell.type(".output out.foo\r");
  await shell.seen("nothing is written as .foo");
  shell.type(".output out.parquet\r");
  await shell.seen(".once out.parquet");
  shell.type(".quit\r");
  expect(await shell.exited()).toBe(0);
});

test("Tab completes tables and columns, Ctrl+R finds what was run", async () => {
  await using shell = new Session();
  await shell.seen("shop> ");
  shell.type("select sta\tfrom silver.ord\t");
  await shell.seen("silver.orders");
  shell.type("\x1b[1;5D\x1b[1;5D\x1b[1;5D");
  shell.type("\x03from sil\t order by amou\t limit 1;\r");
  await shell.seen("│    250 │");
  shell.type("select 'needle' as hay;\r");
  await shell.seen("│ needle");
  await shell.seen("shop> ");
  shell.type("\x12amou");
  await shell.seen("> from silver.orders order by amount");
  shell.type("\r");
  shell.type("\r");
  await shell.seen("│    250 │");
});

test("an error shows its place in the statement", async () => {
  await using shell = new Session();
  await shell.seen("shop> ");
  shell.type("select id, amout from silver.orders;\r");
  await shell.seen("error[T0203]");
  await shell.seen("            ^^^^^");
  await shell.seen('did you mean "amount"?');
});

test("a dumb terminal gets plain lines", async () => {
  await using shell = new Session({ term: "dumb" });
  await shell.seen("shop> ");
  shell.type("select 6 * 7\n");
  await shell.seen("...> ");
  shell.type("as answer;\n");
  await shell.seen("│     42 │");
  shell.type(".quit\n");
  expect(await shell.exited()).toBe(0);
});

test("a script is dot commands and SQL between them", () => {
  expect(scriptParts("select 1,\n.5;\n.mode csv\nselect '\n.tables\n';\n")).toEqual([
    "select 1,\n.5;",
    ".mode csv",
    "select '\n.tables\n';\n",
  ]);
});
