/**
 * Calls of the window table functions, `TUMBLE`, `HOP`, `CUMULATE` and `SESSION`, as plain SQL over their table. Names,
 * order of arguments and columns are Flink's: a row has a `window_start`, a `window_end` that is no part of the window,
 * and a `window_time`, the millisecond before it, for each of the windows that it belongs to.
 * https://nightlies.apache.org/flink/flink-docs-stable/docs/dev/table/sql/queries/window-tvf/
 */

import { LakeError } from "../../core/base/errors.ts";
import { nearestWord, suggestion } from "../../core/base/suggest.ts";
import { WINDOWS_OF_ROW_MAX } from "../../core/limits.ts";
import { type Interval, intervalOf } from "./interval.ts";
import { closingIndex, isSymbol, isWord, nameOf, placeAt, type Token } from "./lexer.ts";
import { ownName, quoteIdentifier, quoteLiteral } from "./quote.ts";

/** A piece of text to put in the place of another. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

interface Kind {
  readonly name: string;
  /** Intervals in the order in which they are written; those behind `required` may be left out. */
  readonly intervals: readonly string[];
  readonly required: number;
  readonly usage: string;
}

const KINDS: readonly Kind[] = [
  {
    name: "tumble",
    intervals: ["size", "offset"],
    required: 1,
    usage: "TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1 hour')",
  },
  {
    name: "hop",
    intervals: ["slide", "size", "offset"],
    required: 2,
    usage: "HOP(TABLE orders, DESCRIPTOR(ts), INTERVAL '5 minutes', INTERVAL '1 hour')",
  },
  {
    name: "cumulate",
    intervals: ["step", "size", "offset"],
    required: 2,
    usage: "CUMULATE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1 hour', INTERVAL '1 day')",
  },
  {
    name: "session",
    intervals: ["gap"],
    required: 1,
    usage: "SESSION(TABLE orders PARTITION BY user_id, DESCRIPTOR(ts), INTERVAL '30 minutes')",
  },
];
const BOUNDS = ["window_start", "window_end", "window_time"] as const;
const DAY = 86_400_000_000n;

/** One argument, without the name that it may have. */
interface Argument {
  readonly name: string | null;
  readonly tokens: readonly Token[];
}

/** What a call asks for, read from its text. */
interface Call {
  readonly sql: string;
  readonly kind: Kind;
  /** The first token of the call, to say where it stands. */
  readonly at: Token;
  readonly table: readonly Token[];
  readonly partitions: readonly string[];
  readonly time: readonly Token[];
  readonly intervals: ReadonlyMap<string, Written>;
  readonly zone: string | null;
}

interface Written {
  readonly interval: Interval;
  readonly token: Token;
}

/**
 * What puts a query in the place of the call whose first token is at `index`, around its table, which stays as it is
 * written; null when there is none. Throws `sql` with the place for a call that is none of these.
 */
export function windowCall(sql: string, tokens: readonly Token[], index: number): Edit[] | null {
  const isWrapped = isWord(tokens[index], "table") && isSymbol(tokens[index + 1], "(");
  const first = isWrapped ? index + 2 : index;
  const name = tokens[first];
  if (name?.kind !== "word" || !isSymbol(tokens[first + 1], "(")) return null;
  const close = closingIndex(tokens, first + 1);
  const inside = tokens.slice(first + 2, close);
  if (!isCall(tokens, first, inside)) return null;
  const kind = KINDS.find((one) => one.name === name.text.toLowerCase());
  if (kind === undefined) return refuseOther(sql, name);
  const call = readCall(sql, kind, name, inside);
  const end = tokens[isWrapped ? closingIndex(tokens, index + 1) : close]?.end ?? sql.length;
  return editsOf(call, tokens[index]?.start ?? name.start, end);
}

/** A name in a FROM that is called with a table and a descriptor, or one of ours. */
function isCall(tokens: readonly Token[], first: number, inside: readonly Token[]): boolean {
  const describes = inside.some(
    (token, at) => isWord(token, "descriptor") && isSymbol(inside[at + 1], "("),
  );
  if (describes) return isWord(inside[0], "table") || isOurs(tokens[first]);
  const before = tokens[first - 1];
  const isTable = isWord(before, "from") || isWord(before, "join");
  return isOurs(tokens[first]) && (isTable || isWord(inside[0], "table"));
}

function isOurs(token: Token | undefined): boolean {
  return KINDS.some(({ name }) => isWord(token, name));
}

function refuseOther(sql: string, name: Token): never {
  const near = nearestWord(
    name.text,
    KINDS.map((one) => one.name),
  );
  throw new LakeError("sql", `there is no window function ${name.text}`, {
    hint:
      near === null
        ? "window functions are TUMBLE, HOP, CUMULATE and SESSION"
        : `did you mean ${near.toUpperCase()}?`,
    place: placeAt(sql, name.start),
  });
}

function refuse(sql: string, at: Token, message: string, hint: string): never {
  throw new LakeError("sql", message, { hint, place: placeAt(sql, at.start) });
}

function readCall(sql: string, kind: Kind, at: Token, inside: readonly Token[]): Call {
  const upper = kind.name.toUpperCase();
  const wrong = (token: Token, message: string): never =>
    refuse(sql, token, `${upper}: ${message}`, `write ${kind.usage}`);
  const isOfRows = kind.name !== "session";
  const known = ["data", "timecol", ...kind.intervals, ...(isOfRows ? ["zone"] : [])];
  const byName = new Map<string, Argument>();
  let place = 0;
  for (const argument of argumentsOf(inside)) {
    const name = argument.name ?? (known[place++] as string | undefined) ?? ""; // parse: a place
    const [token = at] = argument.tokens;
    if (!known.includes(name) || (argument.name === null && name === "zone")) {
      if (argument.name === null) return wrong(token, "it has too many arguments");
      return refuse(
        sql,
        token,
        `${upper} has no argument ${name}`,
        suggestion(name, known, "arguments"),
      );
    }
    if (byName.has(name)) return wrong(token, `${name} is given twice`);
    byName.set(name, argument);
  }
  const data = byName.get("data")?.tokens ?? [];
  const { table, partitions } = tableOf(data);
  if (table.length === 0) return wrong(data[0] ?? at, "it needs a table first");
  if (partitions.length > 0 && isOfRows) {
    return wrong(data[0] ?? at, "it has no partitions: its windows are those of each row");
  }
  const time = timeOf(byName.get("timecol")?.tokens ?? []);
  if (time === null) {
    return wrong(
      byName.get("timecol")?.tokens[0] ?? at,
      "it needs DESCRIPTOR(column), one column of time",
    );
  }
  const intervals = new Map<string, Written>();
  for (const [nth, name] of kind.intervals.entries()) {
    const tokens = byName.get(name)?.tokens;
    if (tokens === undefined && nth < kind.required) return wrong(at, `it needs its ${name}`);
    const [token] = tokens ?? [];
    if (tokens === undefined || token === undefined) continue;
    const interval = intervalOf(sql, tokens);
    if (interval === null) return wrong(token, `its ${name} is an interval that is written out`);
    intervals.set(name, { interval, token });
  }
  const zone = byName.get("zone")?.tokens ?? [];
  if (zone.length > 0 && zone[0]?.kind !== "string") return wrong(zone[0] ?? at, "zone is a text");
  const zoneText = zone[0]?.text.slice(1, -1).replaceAll("''", "'") ?? null;
  const texts = partitions.map(columnText);
  return { sql, kind, at, table, partitions: texts, time, intervals, zone: zoneText };
}

/** Arguments between commas; columns that a table is divided by stay with it. */
function argumentsOf(inside: readonly Token[]): Argument[] {
  const parts = split(inside).filter((part) => part.length > 0);
  const found: Argument[] = [];
  for (const part of parts) {
    const isNamed = part[0]?.kind === "word" && isSymbol(part[1], "=>");
    const before = found.at(-1);
    const isOfTable = !isNamed && !isWord(part[0], "descriptor") && !isWord(part[0], "interval");
    if (isOfTable && before !== undefined && partitionAt(before.tokens) !== null) {
      found[found.length - 1] = { ...before, tokens: [...before.tokens, ...part] };
      continue;
    }
    const name = isNamed ? (part[0]?.text.toLowerCase() ?? null) : null;
    found.push({ name, tokens: isNamed ? part.slice(2) : part });
  }
  return found;
}

/** Tokens between commas that stand in no bracket. */
function split(tokens: readonly Token[]): Token[][] {
  const parts: Token[][] = [[]];
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at];
    if (token === undefined) continue;
    const isOpen = ["(", "[", "{"].some((symbol) => isSymbol(token, symbol));
    const last = isOpen ? closingIndex(tokens, at) : at;
    if (isSymbol(token, ",")) parts.push([]);
    else parts.at(-1)?.push(...tokens.slice(at, last + 1));
    at = last;
  }
  return parts;
}

function partitionAt(tokens: readonly Token[]): number | null {
  let depth = 0;
  for (const [at, token] of tokens.entries()) {
    if (isSymbol(token, "(")) depth++;
    if (isSymbol(token, ")")) depth--;
    if (depth === 0 && isWord(token, "partition") && isWord(tokens[at + 1], "by")) return at;
  }
  return null;
}

function tableOf(tokens: readonly Token[]): {
  readonly table: readonly Token[];
  readonly partitions: readonly (readonly Token[])[];
} {
  const own = isWord(tokens[0], "table") ? tokens.slice(1) : tokens;
  const by = partitionAt(own);
  if (by === null) return { table: own, partitions: [] };
  const after = own.slice(by + 2);
  const isBracketed = isSymbol(after[0], "(") && closingIndex(after, 0) === after.length - 1;
  // Columns behind the first are arguments of their own, whose commas are gone.
  const listed = isBracketed ? split(after.slice(1, -1)) : byNames(after);
  return { table: own.slice(0, by), partitions: listed.filter((part) => part.length > 0) };
}

/** Names that stand side by side, each with what it is qualified by. */
function byNames(tokens: readonly Token[]): Token[][] {
  const parts: Token[][] = [];
  for (const [at, token] of tokens.entries()) {
    const isOn = isSymbol(token, ".") || isSymbol(tokens[at - 1], ".");
    if (isOn && parts.length > 0) parts.at(-1)?.push(token);
    else parts.push([token]);
  }
  return parts;
}

/** The column in `DESCRIPTOR(…)`. */
function timeOf(tokens: readonly Token[]): readonly Token[] | null {
  if (!isWord(tokens[0], "descriptor") || !isSymbol(tokens[1], "(")) return null;
  if (closingIndex(tokens, 1) !== tokens.length - 1) return null;
  const column = tokens.slice(2, -1);
  const isName = column.every((token, at) =>
    at % 2 === 0 ? token.kind === "word" || token.kind === "quoted" : token.text === ".",
  );
  return isName && column.length % 2 === 1 ? column : null;
}

/** A column, quoted: `at` and its like are no names in the middle of an expression. */
function columnText(tokens: readonly Token[]): string {
  return tokens
    .map((token) => (token.kind === "symbol" ? token.text : quoteIdentifier(nameOf(token))))
    .join("");
}

/** The table stays where it is, so that what is wrong with it is said of its place, and so is the column of time. */
function editsOf(call: Call, start: number, end: number): Edit[] {
  const { table, time } = call;
  const tableStart = table[0]?.start ?? start;
  const tableEnd = table.at(-1)?.end ?? end;
  const query = call.kind.name === "session" ? sessionSql(call) : rowWindowsSql(call);
  const timeStart = time[0]?.start ?? end;
  const before = { start, end: tableStart, text: query.before };
  const isBehind = timeStart > tableEnd && timeStart < end;
  if (!isBehind) return [before, { start: tableEnd, end, text: ` ${query.head}${query.tail}` }];
  return [
    before,
    { start: tableEnd, end: timeStart, text: ` ${query.head}` },
    { start: timeStart, end, text: query.tail },
  ];
}

interface Around {
  readonly before: string;
  /** Behind the table, up to where its column of time is named first. */
  readonly head: string;
  readonly tail: string;
}

/** Windows that are a function of the row: one, or several of them. */
function rowWindowsSql(call: Call): Around {
  const time = columnText(call.time);
  const length = lengthOf(call);
  const size = length.of("size");
  const nth = `${quoteIdentifier(ownName("windows"))}.${quoteIdentifier(NTH)}`;
  if (call.kind.name === "tumble") {
    const start = length.floor(time, size);
    const bounds = boundsSql(length.told(start), length.told(length.add(start, size)));
    return { before: "(FROM ", head: "SELECT *, ", tail: `${bounds})` };
  }
  const isHop = call.kind.name === "hop";
  const step = length.of(isHop ? "slide" : "step");
  const count = (size + step - 1n) / step;
  if (!isHop && size % step !== 0n) {
    refuse(call.sql, call.at, "CUMULATE: its size is no multiple of its step", "make it one");
  }
  if (count > BigInt(WINDOWS_OF_ROW_MAX)) {
    const message = `${call.kind.name.toUpperCase()}: a row would be in ${count} windows`;
    refuse(call.sql, call.at, message, `at most ${WINDOWS_OF_ROW_MAX} are made of one row`);
  }
  const floor = length.floor(time, isHop ? step : size);
  const start = isHop ? length.add(floor, -step, nth) : floor;
  const end = isHop ? length.add(start, size) : length.add(floor, step, `(${nth} + 1)`);
  // A row without a time is in no window, and it is there all the same.
  const isIn = `CASE WHEN ${floor} IS NULL THEN ${nth} = 0 ELSE ${length.told(end)} > ${time} END`;
  const all = `JOIN range(0, ${count}) AS ${quoteIdentifier(ownName("windows"))}(${quoteIdentifier(NTH)}) ON `;
  const rest = `SELECT * EXCLUDE (${quoteIdentifier(NTH)}), ${boundsSql(length.told(start), length.told(end))}`;
  return { before: "(FROM ", head: all, tail: `${isIn} ${rest})` };
}

const NTH = ownName("nth");

function boundsSql(start: string, end: string): string {
  const [first, last, time] = BOUNDS;
  return `${start} AS ${first}, ${end} AS ${last}, ${end} - INTERVAL 1 MILLISECOND AS ${time}`;
}

/** Rows that follow each other within the gap: one that comes exactly at its end is one of them, as in Flink. */
function sessionSql(call: Call): Around {
  const time = columnText(call.time);
  const gap = microsOf(call, "gap");
  const by = call.partitions.length === 0 ? "" : `${call.partitions.join(", ")}, `;
  const own = by === "" ? "" : `PARTITION BY ${by.slice(0, -2)} `;
  const [near, nth] = [ownName("near"), NTH].map(quoteIdentifier);
  // Rows of one time are in one session, however they are ordered.
  const before = `count(*) OVER (${own}ORDER BY epoch_us(${time}) RANGE BETWEEN ${gap} PRECEDING AND 1 PRECEDING)`;
  const counted = `sum((${near} = 0)::INTEGER) OVER (${own}ORDER BY epoch_us(${time}))`;
  const session = `OVER (PARTITION BY ${by}epoch_us(${time}) IS NULL, ${nth})`;
  // Days are times, too.
  const start = `min(${time}) ${session} + to_microseconds(0)`;
  const end = `max(${time}) ${session} + to_microseconds(${gap})`;
  return {
    before: "(FROM (FROM (FROM ",
    head: "SELECT *, ",
    tail:
      `${before} AS ${near}) SELECT *, ${counted} AS ${nth}) ` +
      `SELECT * EXCLUDE (${near}, ${nth}), ${boundsSql(start, end)})`,
  };
}

/** Arithmetic of times: of days by the calendar of their zone, or of what elapses. */
interface Length {
  of(name: string): bigint;
  /** The last multiple of a length that is not behind a time, on the clock that is counted by. */
  floor(time: string, each: bigint): string;
  add(time: string, length: bigint, times?: string): string;
  /** What a time of that clock is as a time of the column's type. */
  told(time: string): string;
}

function lengthOf(call: Call): Length {
  const names = call.kind.intervals.filter((name) => name !== "offset");
  const isDays = names.every((name) => call.intervals.get(name)?.interval.micros === 0n);
  const [first] = names;
  if (call.zone !== null && !isDays) {
    const token = call.intervals.get(first ?? "")?.token ?? call.at;
    const message = `${call.kind.name.toUpperCase()}: only windows of whole days have a zone`;
    refuse(
      call.sql,
      token,
      message,
      "hours are the same everywhere; leave zone out, or write days",
    );
  }
  const offset = offsetOf(call);
  return isDays ? ofDays(call, offset) : ofElapsed(call, offset);
}

function offsetOf(call: Call): bigint {
  return call.intervals.has("offset") ? microsOf(call, "offset", true) : 0n;
}

/** Exact on both sides of 1970, whatever zone the time has: what elapses is the same in all of them. */
function ofElapsed(call: Call, offset: bigint): Length {
  return {
    of: (name) => microsOf(call, name),
    floor: (time, each) => {
      const from = ((offset % each) + each) % each;
      const since = from === 0n ? `epoch_us(${time})` : `(epoch_us(${time}) - ${from})`;
      return `(${time} - to_microseconds((${since} % ${each} + ${each}) % ${each}))`;
    },
    add: (time, length, times) => {
      const each = length < 0n ? -length : length;
      const amount = times === undefined ? String(each) : `${each} * ${times}`;
      return `(${time} ${length < 0n ? "-" : "+"} to_microseconds(${amount}))`;
    },
    told: (time) => time,
  };
}

/** Days of the calendar of a zone, or of the session's: one has 23 or 25 hours where the clocks change. */
function ofDays(call: Call, offset: bigint): Length {
  const origin = quoteLiteral({ kind: "timestamp", micros: offset });
  const column = columnText(call.time);
  const zone = call.zone === null ? null : quoteLiteral(call.zone);
  const local = (time: string): string =>
    zone === null ? `${time}::TIMESTAMP` : `timezone(${zone}, ${time}::TIMESTAMPTZ)`;
  // Beside a column with a zone a time without one is made one of the session's zone; beside others it stays.
  const told = (time: string): string =>
    zone === null ? `coalesce(${time}, ${column})` : `timezone(${zone}, ${time})`;
  return {
    of: (name) => microsOf(call, name) / DAY,
    floor: (time, each) => {
      return `time_bucket(to_days(${each}), ${local(time)}, ${origin})`;
    },
    add: (time, length, times) => {
      const each = length < 0n ? -length : length;
      const amount = times === undefined ? String(each) : `(${each} * ${times})::INTEGER`;
      return `(${time} ${length < 0n ? "-" : "+"} to_days(${amount}))`;
    },
    told: (time) => {
      // Where clocks go back over midnight there are two of them, and the engine takes the second.
      const first = `(${told(`${time} - INTERVAL 3 HOURS`)} + INTERVAL 3 HOURS)`;
      return `CASE WHEN ${local(first)} = ${time} THEN ${first} ELSE ${told(time)} END`;
    },
  };
}

function microsOf(call: Call, name: string, maySigned = false): bigint {
  const { interval, token = call.at } = call.intervals.get(name) ?? {};
  const upper = call.kind.name.toUpperCase();
  const { months = 0n, days = 0n, micros = 0n } = interval ?? {};
  if (months !== 0n) {
    const hint =
      "months and years differ in length: write days, or group by date_trunc('month', …)";
    return refuse(call.sql, token, `${upper}: its ${name} is of months`, hint);
  }
  const all = days * DAY + micros;
  if (all <= 0n && !maySigned) {
    return refuse(
      call.sql,
      token,
      `${upper}: its ${name} is not more than nothing`,
      `write ${call.kind.usage}`,
    );
  }
  return all;
}
