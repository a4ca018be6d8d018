/** What a table of dropped files must hold: a plain list of which row is where. It knows nothing of a lake. */

export type Format = "csv" | "ndjson" | "gz";
export type Type = "decimal(4,0)" | "int" | "bigint" | "varchar";

/** A row as it stands in a file; without a value it is no row at all: a field too many, an object that is cut. */
export interface FileRow {
  readonly id: number;
  readonly n: string | null;
}

/** What a file holds; without rows it cannot be read as a whole. */
export interface Content {
  readonly key: string;
  readonly format: Format;
  readonly rows: readonly FileRow[] | null;
  /** The text that it goes on from: its key, and how many rows that has. */
  readonly after?: { readonly key: string; readonly rows: number };
}

/** A row that landed or was set aside, with its last correction. */
export interface HeldRow extends FileRow {
  readonly isIn: boolean;
  readonly fixed: string | null;
}

/** One file as it landed once. */
export interface Landing {
  readonly number: number;
  readonly file: string;
  readonly content: Content;
  /** Rows of the file that landed before. */
  readonly base: number;
  readonly rows: readonly HeldRow[];
  readonly state: "live" | "replaced" | "withdrawn" | "forgotten";
  /** What read it last. */
  readonly reading: number;
}

export interface State {
  readonly landings: readonly Landing[];
  /** Rows of another engine. */
  readonly foreign: readonly FileRow[];
  readonly type: Type;
  /** Names whose content counts no more. */
  readonly forgotten: ReadonlySet<string>;
  /** All that read files, and was not taken back. */
  readonly readings: ReadonlySet<number>;
}

/** Where a row was set aside: a landing, and the index of the row in its file; -1 is the file as a whole. */
export interface Spot {
  readonly landing: number;
  readonly index: number;
}

const RANGES: Readonly<Record<Exclude<Type, "varchar">, number>> = {
  "decimal(4,0)": 10 ** 4,
  int: 2 ** 31,
  bigint: 2 ** 53,
};

export function fits(n: string | null, type: Type): boolean {
  if (n === null) return false;
  if (type === "varchar") return true;
  return /^-?\d+$/.test(n) && Math.abs(Number(n)) < RANGES[type];
}

/** How a name was last recorded: with its own rows, or as a copy of others. */
interface Known {
  readonly content: Content;
  readonly isCopy: boolean;
}

export class LandingOracle {
  state: State;
  readonly #replaces: boolean;
  readonly #known = new Map<string, Known>();
  /** Rows that were given up, each as it was read then. */
  readonly #dropped = new Map<string, Set<number>>();
  #count = 0;
  #readings = 0;

  constructor(sameName: "version" | "replace", type: Type) {
    this.state = { landings: [], foreign: [], type, forgotten: new Set(), readings: new Set() };
    this.#replaces = sameName === "replace";
  }

  /** Files that came at once, each whole; then the copies of what was replaced by them. */
  land(files: ReadonlyMap<string, Content>): void {
    const before = this.state.landings;
    const held = new Set<string>();
    for (const [file, content] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
      this.#offer(file, content, before, files, held);
    }
    if (!this.#replaces) return;
    for (const [file, { content, isCopy }] of [...this.#known].sort(([a], [b]) =>
      a < b ? -1 : 1,
    )) {
      const holders = this.#holders(content);
      if (!isCopy || holders.length === 0 || this.state.forgotten.has(file)) continue;
      if (holders.every(({ state }) => state === "replaced")) this.#take(file, content);
    }
  }

  /** A row that is read again, perhaps corrected; true when it lands. */
  retry({ landing, index }: Spot, text: string | null): boolean {
    const one = this.#landing(landing);
    const row = one.rows[index];
    if (row === undefined) return false;
    const isIn = fits(text ?? row.fixed ?? row.n, this.state.type);
    if (isIn) {
      const next = { ...row, isIn, fixed: text ?? row.fixed };
      const rows = one.rows.map((other, at) => (at === index ? next : other));
      this.#set({ ...one, rows, reading: this.#read() });
    }
    return isIn;
  }

  drop({ landing, index }: Spot): void {
    const key = `${landing} ${index}`;
    const said = this.#dropped.get(key) ?? new Set();
    this.#dropped.set(key, said.add(this.#landing(landing).reading));
  }

  isDropped({ landing, index }: Spot): boolean {
    const said = this.#dropped.get(`${landing} ${index}`);
    return said !== undefined && !said.isDisjointFrom(this.state.readings);
  }

  /** All that lives is read under another type. */
  reread(type: Type): void {
    const reading = this.#read();
    const landings = this.state.landings.map((landing) => {
      if (landing.state !== "live") return landing;
      const rows = landing.rows.map((row, index) => ({
        ...row,
        isIn: !this.isDropped({ landing: landing.number, index }) && fits(row.fixed ?? row.n, type),
      }));
      return { ...landing, rows, reading };
    });
    this.state = { ...this.state, landings, type };
  }

  /** Nothing of a name is anywhere, nor are copies of what it ever held known by their bytes. */
  forget(file: string): void {
    const own = this.state.landings.filter((landing) => landing.file === file);
    const keys = new Set(own.map(({ content }) => content.key));
    const held = this.#known.get(file)?.content.key;
    if (held !== undefined) keys.add(held);
    const landings = this.state.landings.map((landing): Landing => {
      return landing.file === file ? { ...landing, state: "forgotten" } : landing;
    });
    const forgotten = new Set(this.state.forgotten).add(file);
    for (const [name, { content, isCopy }] of this.#known) {
      if (isCopy && keys.has(content.key)) forgotten.add(name);
    }
    this.state = { ...this.state, landings, forgotten };
  }

  /** True where another text goes on from what a name holds: its rows stay when that is forgotten. */
  isGoneOnWith(file: string): boolean {
    const keys = new Set(
      this.state.landings.filter((one) => one.file === file).map(({ content }) => content.key),
    );
    return this.state.landings.some(
      (one) =>
        one.file !== file && one.content.after !== undefined && keys.has(one.content.after.key),
    );
  }

  appendForeign(row: FileRow): void {
    this.state = { ...this.state, foreign: [...this.state.foreign, row] };
  }

  /** What was, is again; what came since is withdrawn. Names stay known. */
  restore(state: State): void {
    const then = new Map(state.landings.map((landing) => [landing.number, landing]));
    const landings = this.state.landings.map(
      (landing) => then.get(landing.number) ?? { ...landing, state: "withdrawn" as const },
    );
    this.state = { ...state, landings };
  }

  get live(): readonly Landing[] {
    return this.state.landings.filter(({ state }) => state === "live");
  }

  /** Names of files that are known. */
  get names(): readonly string[] {
    return [...this.#known.keys()].filter((file) => !this.state.forgotten.has(file)).sort();
  }

  contentOf(file: string): Content | null {
    return this.#known.get(file)?.content ?? null;
  }

  /** What waits for somebody to look at it. */
  get open(): readonly Spot[] {
    return this.live.flatMap(({ number, rows, content }): Spot[] => {
      if (content.rows === null) return [{ landing: number, index: -1 }];
      const spots = rows.map((_, index) => ({ landing: number, index }));
      return spots.filter((spot) => rows[spot.index]?.isIn === false && !this.isDropped(spot));
    });
  }

  #offer(
    file: string,
    content: Content,
    before: readonly Landing[],
    arriving: ReadonlyMap<string, Content>,
    held: Set<string>,
  ): void {
    const known = this.state.forgotten.has(file) ? undefined : this.#known.get(file);
    if (known?.content.key === content.key) return;
    const isHeld =
      held.has(content.key) ||
      before.some((landing) => {
        if (landing.content.key !== content.key || isOut(landing)) return false;
        if (!this.#replaces) return true;
        const next = arriving.get(landing.file);
        return landing.state === "live" && (next === undefined || next.key === content.key);
      });
    held.add(content.key);
    const hadRows = this.#replaces && known !== undefined && !known.isCopy;
    if (isHeld && !hadRows) {
      this.#known.set(file, { content, isCopy: true });
      this.#remember(file);
    } else this.#take(file, content);
  }

  #remember(file: string): void {
    const forgotten = new Set(this.state.forgotten);
    forgotten.delete(file);
    this.state = { ...this.state, forgotten };
  }

  #take(file: string, content: Content): void {
    const isKnown = this.#known.has(file);
    this.#known.set(file, { content, isCopy: false });
    this.#remember(file);
    const landings = this.state.landings.map((landing): Landing => {
      const isOfName = isKnown && landing.file === file && landing.state === "live";
      const isBroken = landing.content.rows === null;
      const leaves = isOfName && (isBroken || (this.#replaces && content.rows !== null));
      return leaves ? { ...landing, state: "replaced" } : landing;
    });
    const base = this.goesOn(content) ? (content.after?.rows ?? 0) : 0;
    const rows = (content.rows ?? []).slice(base).map((row) => {
      return { ...row, isIn: fits(row.n, this.state.type), fixed: null };
    });
    this.#count += 1;
    const reading = this.#read();
    const own: Landing = { number: this.#count, file, content, base, rows, state: "live", reading };
    this.state = { ...this.state, landings: [...landings, own] };
  }

  /** True where the text that it begins with is in the table, and stays. One without a good row is read anew whole. */
  goesOn({ after }: Content): boolean {
    if (this.#replaces || after === undefined) return false;
    const before = this.live.filter(({ content }) => content.key === after.key);
    return before.some(({ rows }) => rows.some(({ isIn, fixed }) => isIn && fixed === null));
  }

  #holders(content: Content): Landing[] {
    return this.state.landings.filter(
      (landing) => landing.content.key === content.key && !isOut(landing),
    );
  }

  #landing(number: number): Landing {
    const found = this.state.landings.find((landing) => landing.number === number);
    if (found === undefined) throw new Error(`no landing ${number}`);
    return found;
  }

  #read(): number {
    this.#readings += 1;
    this.state = { ...this.state, readings: new Set(this.state.readings).add(this.#readings) };
    return this.#readings;
  }

  #set(landing: Landing): void {
    const landings = this.state.landings.map((other) =>
      other.number === landing.number ? landing : other,
    );
    this.state = { ...this.state, landings };
  }
}

/** It counts for nothing that comes later. */
function isOut({ state }: Landing): boolean {
  return state === "withdrawn" || state === "forgotten";
}
