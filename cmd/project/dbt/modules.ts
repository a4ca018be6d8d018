/** `modules` of dbt's templates: what of Python's datetime, re and itertools is used in projects. */

import {
  Callable,
  callable,
  itemsOf,
  numberOf,
  type Thing,
  Tuple,
  toText,
  unsupported,
  type Value,
} from "./jinja/values.ts";

const DAY_MS = 86_400_000;
const MONTHS =
  "January February March April May June July August September October November December".split(
    " ",
  );
const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");

/** A moment, in UTC. */
class DateTime implements Thing {
  readonly thing = "datetime";
  readonly ms: number;
  readonly isDate: boolean;

  constructor(ms: number, isDate = false) {
    this.ms = ms;
    this.isDate = isDate;
  }

  attribute(name: string): Value {
    const date = new Date(this.ms);
    switch (name) {
      case "year":
        return date.getUTCFullYear();
      case "month":
        return date.getUTCMonth() + 1;
      case "day":
        return date.getUTCDate();
      case "hour":
        return date.getUTCHours();
      case "minute":
        return date.getUTCMinutes();
      case "second":
        return date.getUTCSeconds();
      case "strftime":
        return callable(name, ["format"], (format) => strftime(date, toText(format)));
      case "isoformat":
        return callable(name, [], () => this.text().replace(" ", "T"));
      case "date":
        return callable(name, [], () => new DateTime(Math.floor(this.ms / DAY_MS) * DAY_MS, true));
      case "weekday":
        return callable(name, [], () => (date.getUTCDay() + 6) % 7);
      case "timestamp":
        return callable(name, [], () => this.ms / 1_000);
      case "astimezone":
      case "replace":
        return new Callable(name, () => this);
      default:
        return undefined;
    }
  }

  text(): string {
    const date = new Date(this.ms);
    return strftime(date, this.isDate ? "%Y-%m-%d" : "%Y-%m-%d %H:%M:%S+00:00");
  }
}

function strftime(date: Date, format: string): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const codes: Readonly<Record<string, () => string>> = {
    Y: () => String(date.getUTCFullYear()),
    y: () => two(date.getUTCFullYear() % 100),
    m: () => two(date.getUTCMonth() + 1),
    d: () => two(date.getUTCDate()),
    H: () => two(date.getUTCHours()),
    M: () => two(date.getUTCMinutes()),
    S: () => two(date.getUTCSeconds()),
    f: () => String(date.getUTCMilliseconds() * 1_000).padStart(6, "0"),
    B: () => MONTHS[date.getUTCMonth()] ?? "",
    b: () => (MONTHS[date.getUTCMonth()] ?? "").slice(0, 3),
    A: () => DAYS[date.getUTCDay()] ?? "",
    a: () => (DAYS[date.getUTCDay()] ?? "").slice(0, 3),
    Z: () => "UTC",
    z: () => "+0000",
    "%": () => "%",
  };
  return format.replace(/%(.)/g, (all, code: string) => codes[code]?.() ?? all);
}

function thing(name: string, values: Readonly<Record<string, Value>>): Thing {
  return {
    thing: name,
    text: () => name,
    attribute: (inner) => {
      if (Object.hasOwn(values, inner)) return values[inner];
      throw unsupported(`${name}.${inner} is not read here`, "write what it would give");
    },
  };
}

function pattern(text: Value, flags = ""): RegExp {
  return new RegExp(toText(text).replaceAll("(?P<", "(?<"), `u${flags}`);
}

function match(found: RegExpExecArray | null): Value {
  if (found === null) return null;
  const group = callable("group", ["index"], (index) => found[numberOf(index ?? 0) ?? 0] ?? null);
  const groups = callable("groups", [], () => Tuple.of2(found.slice(1)));
  return { thing: "match", text: () => found[0], attribute: (name) => ({ group, groups })[name] };
}

function expressions(): Thing {
  const parameters = ["pattern", "string"];
  return thing("modules.re", {
    match: callable("match", parameters, (at, text) =>
      match(pattern(`^(?:${toText(at)})`).exec(toText(text))),
    ),
    fullmatch: callable("fullmatch", parameters, (at, text) =>
      match(pattern(`^(?:${toText(at)})$`).exec(toText(text))),
    ),
    search: callable("search", parameters, (at, text) => match(pattern(at).exec(toText(text)))),
    sub: callable("sub", ["pattern", "repl", "string"], (at, by, text) =>
      toText(text).replace(pattern(at, "g"), toText(by).replace(/\\(\d)/g, "$$$1")),
    ),
    split: callable("split", parameters, (at, text) => toText(text).split(pattern(at))),
    findall: callable("findall", parameters, (at, text) =>
      [...toText(text).matchAll(pattern(at, "g"))].map((found) => found[1] ?? found[0]),
    ),
  });
}

function dateTimes(startedMs: number): Thing {
  const now = new Callable("now", () => new DateTime(startedMs));
  const parsed = callable("strptime", ["text", "format"], (text) => {
    return new DateTime(
      Date.parse(`${toText(text).replace(" ", "T")}Z`) || Date.parse(toText(text)),
    );
  });
  const made = new Callable("datetime", ({ positional }) => {
    const [year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0] = positional.map(
      (value) => numberOf(value) ?? 0,
    );
    return new DateTime(Date.UTC(year, month - 1, day, hour, minute, second));
  });
  const today = new Callable("today", () => new DateTime(startedMs - (startedMs % DAY_MS), true));
  return thing("modules.datetime", {
    datetime: {
      ...thing("modules.datetime.datetime", {
        now,
        utcnow: now,
        today: now,
        strptime: parsed,
        fromisoformat: parsed,
      }),
      call: (call) => made.call(call),
    },
    date: thing("modules.datetime.date", { today }),
  });
}

export const MODULES = {
  dateTime: (ms: number): Thing => new DateTime(ms),
  things: (startedMs: number): Thing =>
    thing("modules", {
      datetime: dateTimes(startedMs),
      re: expressions(),
      itertools: thing("modules.itertools", {
        chain: new Callable("chain", ({ positional }) =>
          positional.flatMap((one) => [...itemsOf(one)]),
        ),
        product: new Callable("product", ({ positional }) => {
          let rows: Value[][] = [[]];
          for (const list of positional) {
            rows = rows.flatMap((row) => itemsOf(list).map((item) => [...row, item]));
          }
          return rows.map((row) => Tuple.of2(row));
        }),
      }),
      pytz: thing("modules.pytz", { utc: "UTC" }),
    }),
};
