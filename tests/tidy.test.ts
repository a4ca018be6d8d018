/** The house rules of CONTRIBUTING.md, as a test. Each failure names file and line, and says what to do. */

import { test } from "bun:test";
import { circlesOf } from "./support/circles.ts";
import { BANNED, DIRECTION, DOORS, ENTRIES, FRONTS, USE_CASES } from "./support/house.ts";
import { functionsOf } from "./support/source-text.ts";
import {
  fromPage,
  isThere,
  pages,
  readText,
  type SourceFile,
  sourceFiles,
} from "./support/source-tree.ts";

const FILES = sourceFiles();
const TYPED = FILES.filter((file) => file.path.endsWith(".ts"));
const HOUSE = FILES.filter((file) => ["cmd", "core", "storage", "sql"].includes(file.folder));

const CODE_COLUMNS_MAX = 100;
const WORDS_COLUMNS_MAX = 120;
const OFFENDERS_SHOWN_MAX = 40;

test("imports go the way of the house", () => {
  const offenders = HOUSE.flatMap((file) =>
    file.imports.flatMap((entry) => {
      if (entry.path === null) {
        return file.folder === "core"
          ? [`${at(file, entry.line)} core imports "${entry.specifier}": put it behind a port`]
          : [];
      }
      const target = entry.path.slice(0, entry.path.indexOf("/"));
      if (DIRECTION[file.folder]?.includes(target) !== false) return [];
      return [
        `${at(file, entry.line)} ${file.folder} may not import ${entry.path}: cmd introduces them`,
      ];
    }),
  );
  none(offenders);
});

test("use-cases know no terminal", () => {
  const offenders = FILES.filter((file) => file.path.startsWith(USE_CASES)).flatMap((file) => [
    ...file.imports
      .filter(({ path }) => FRONTS.some((front) => path?.startsWith(front) === true))
      .map(
        ({ line, path }) => `${at(file, line)} imports ${path}: return data, a command prints it`,
      ),
    ...file.code.flatMap((line, index) =>
      /\bprocess\.(?:std|exit)|\bEXIT\b/.test(line)
        ? [`${at(file, index + 1)} return data, or throw: a command prints it and ends`]
        : [],
    ),
  ]);
  none(offenders);
});

test("imports are full relative paths of files that are there", () => {
  const offenders = FILES.flatMap((file) =>
    file.imports.flatMap((entry) => {
      if (entry.path === null || isThere(entry.path)) return [];
      return [
        `${at(file, entry.line)} "${entry.specifier}" is not there: write the path with its extension`,
      ];
    }),
  );
  none(offenders);
});

test("packages are used behind their doors, and are dependencies", () => {
  const given = packageJson();
  const known = new Set([
    ...Object.keys(given.dependencies),
    ...Object.keys(given.devDependencies),
  ]);
  const offenders = HOUSE.flatMap((file) =>
    file.imports.flatMap((entry) => {
      const name = entry.package;
      if (name === null || name === "bun") return [];
      const doors = DOORS[name];
      if (doors !== undefined && !doors.some((door) => file.path.startsWith(door))) {
        return [
          `${at(file, entry.line)} ${name} is used in ${doors.join(", ")} only: call what is there`,
        ];
      }
      if (/^(?:node|bun):/.test(name) || given.dependencies[name] !== undefined) return [];
      if (name.startsWith("@duckdb/node-bindings")) return [];
      const kind = known.has(name) ? "a development dependency" : "no dependency";
      return [
        `${at(file, entry.line)} ${name} is ${kind}: a new one needs a decision in docs/decisions/`,
      ];
    }),
  );
  none(offenders);
});

test("a file begins with what it is for", () => {
  const offenders = FILES.filter((file) => {
    const first = file.lines[0]?.startsWith("#!") === true ? file.lines[1] : file.lines[0];
    return first?.startsWith("/**") !== true;
  }).map((file) => `${at(file, 1)} begin with /** one sentence: what this file is for */`);
  none(offenders);
});

test("files, functions and lines are short", () => {
  const offenders = FILES.flatMap((file) => [
    ...(file.lines.length > 601
      ? [`${at(file, 601)} ${file.lines.length - 1} lines, 600 at most: split it by noun`]
      : []),
    ...functionsOf(file)
      .filter((entry) => entry.lineCount > 70 && !/\bdescribe(?:\.\w+)?\(/.test(entry.head))
      .map((entry) => `${at(file, entry.line)} a function of ${entry.lineCount} lines, 70 at most`),
    ...file.lines.flatMap((line, index) => longLine(file, line, index)),
  ]);
  none(offenders);
});

test("names are the field's nouns", () => {
  const offenders = FILES.flatMap((file) => {
    const name = file.path
      .slice(file.path.lastIndexOf("/") + 1)
      .replace(/\.(?:test\.ts|d\.ts|ts|mjs)$/, "");
    const empty = /^(?:index|utils?|helpers?|common|misc|shared|types?-?utils?)$/.test(name);
    if (empty) return [`${at(file, 1)} "${name}" says nothing: name it after its noun or verb`];
    return /^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(name)
      ? []
      : [`${at(file, 1)} file names are kebab-case`];
  });
  none(offenders);
});

test("types are not argued with", () => {
  const offenders = TYPED.flatMap((file) => {
    const code = withoutImports(file.code);
    return code.flatMap((line, index) => {
      const place = at(file, index + 1);
      if (/[:<,|&(]\s*any\b\s*(?:[;,)>\]|&=[]|$)|\bas any\b/.test(line))
        return [`${place} any: write unknown and check it`];
      if (/[\w\])]!\s*(?:[.;,)\]}[]|$)/.test(line)) return [`${place} !: use must(), or check it`];
      if (/\benum\s+\w+\s*\{/.test(line)) return [`${place} enum: write a union of strings`];
      if (file.folder === "tests" || file.folder === "bench") return [];
      const casts = [...line.matchAll(/(?:^|[\w)\]}"'`>])\s+as\s+(?!const\b)[\w{[("'`]/g)];
      const isExplained = file.lines[index]?.includes("// parse:") === true;
      return casts.length > 0 && !isExplained
        ? [`${place} as: check it, or say why it holds with // parse: why`]
        : [];
    });
  });
  none(offenders);
});

test("clock, randomness, environment and output stay at the edge", () => {
  const offenders = FILES.flatMap((file) =>
    BANNED.filter(
      (rule) =>
        rule.in.some((folder) => file.path.startsWith(`${folder}/`)) &&
        !rule.except.some((edge) => file.path.startsWith(edge)),
    ).flatMap((rule) =>
      file.code.flatMap((line, index) => {
        const match = rule.pattern.exec(line);
        return match === null ? [] : [`${at(file, index + 1)} ${match[0].trim()}: ${rule.instead}`];
      }),
    ),
  );
  none(offenders);
});

test("a value becomes SQL in one place", () => {
  const offenders = FILES.filter((file) => /^(?:core|storage|sql|cmd)\//.test(file.path))
    .filter((file) => file.path !== "sql/syntax/quote.ts")
    .flatMap((file) =>
      file.uncommented.flatMap((line, index) => {
        const isPasted = /'\$\{/.test(line) && !/\btarn sql\b/.test(line);
        const isSql = /\b(?:select|from|where|insert into|update|values|copy|attach|set)\b/i;
        if (!isPasted || !isSql.test(line)) return [];
        return [
          `${at(file, index + 1)} a value in quotes: use quoteLiteral of sql/syntax/quote.ts`,
        ];
      }),
    );
  none(offenders);
});

test("exports are named, and code says lake", () => {
  const offenders = TYPED.filter((file) => !file.path.endsWith(".d.ts")).flatMap((file) =>
    file.code.flatMap((line, index) => {
      const place = at(file, index + 1);
      if (/^export default\b/.test(line)) return [`${place} export it by name`];
      const isInner = ["core", "storage", "sql"].includes(file.folder);
      const product = isInner ? /\b\w*(?:tarn|Tarn)\w*\b/.exec(line) : null;
      return product === null
        ? []
        : [`${place} ${product[0]}: code says lake, not the product's name`];
    }),
  );
  none(offenders);
});

test("every file is used by the product, and not by its tests alone", () => {
  const reached = new Set<string>(ENTRIES);
  const byPath = new Map(FILES.map((file) => [file.path, file]));
  const isSuite = (path: string) => /^(?:tests|bench|web)\//.test(path);
  const pending = [...ENTRIES];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    for (const entry of byPath.get(path)?.imports ?? []) {
      if (entry.path === null || reached.has(entry.path)) continue;
      reached.add(entry.path);
      pending.push(entry.path);
    }
  }
  const offenders = FILES.filter(
    (file) => !reached.has(file.path) && !isSuite(file.path) && !file.path.endsWith(".d.ts"),
  ).map(
    (file) =>
      `${at(file, 1)} nothing that starts at ${ENTRIES[0]} imports it: wire it in or remove it`,
  );
  none(offenders);
});

test("no file leads back to itself", () => {
  // Every import counts, of types too: a circle is one idea in two files. Lazy ones count as any other.
  const paths = new Set(HOUSE.map((file) => file.path));
  const targets = new Map(
    HOUSE.map((file) => [
      file.path,
      file.imports.flatMap(({ path }) => (path !== null && paths.has(path) ? [path] : [])),
    ]),
  );
  none(
    circlesOf(targets).map(
      (circle) => `${circle.join(" → ")}: move what both need into one that neither is`,
    ),
  );
});

test("a TODO names an issue, and nothing is commented out", () => {
  const offenders = FILES.flatMap((file) =>
    file.lines.flatMap((line, index) => {
      const isComment = /^\s*(?:\/\/|\*|\/\*)/.test(line);
      if (!isComment) return [];
      // The rule's own words, in pieces.
      const open = new RegExp(`\\b(?:TO${"DO"}|FIX${"ME"}|X${"XX"})\\b(?!.*#\\d)`).test(line);
      if (open) return [`${at(file, index + 1)} name the issue (#12), or do it now`];
      const isCode =
        /^\s*\/\/\s*(?:(?:const|let|import|return|await|if|for)\b.*[;{]|\w+\(.*\);|\})\s*$/.test(
          line,
        );
      return isCode
        ? [`${at(file, index + 1)} code in a comment: remove it, history keeps it`]
        : [];
    }),
  );
  none(offenders);
});

test("pages have one title, and their links lead somewhere", () => {
  const offenders = pages().flatMap((page) => {
    const text = page.text.replace(/^(```|~~~)[\s\S]*?^\1/gm, "").replace(/`[^`\n]*`/g, "");
    const titles = [...text.matchAll(/^# /gm)].length;
    const broken = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => (match[1] ?? "").replace(/#.*$/, ""))
      .filter(
        (link) => link !== "" && !/^[a-z]+:/.test(link) && !isThere(fromPage(page.path, link)),
      )
      .map((link) => `${page.path} links to ${link}, which is not there`);
    return titles === 1
      ? broken
      : [`${page.path} has ${titles} titles: one "# " a page`, ...broken];
  });
  none(offenders);
});

test("every top folder has a page of at most 60 lines", () => {
  const offenders = ["core", "storage", "sql", "cmd", "tests", "bench"].flatMap((folder) => {
    const path = `${folder}/README.md`;
    if (!isThere(path))
      return [`${path} is not there: what the folder is for, and what may not enter`];
    const lineCount = readText(path).split("\n").length;
    return lineCount > 60 ? [`${path} has ${lineCount} lines: a page is 60`] : [];
  });
  none(offenders);
});

test("every dependency is explained and pinned", () => {
  const { dependencies, devDependencies } = packageJson();
  const page = isThere("docs/dependencies.md") ? readText("docs/dependencies.md") : "";
  const offenders = [
    ...Object.keys(dependencies)
      .filter((name) => !page.split("\n").some((line) => line.includes(`\`${name}\``)))
      .map((name) => `docs/dependencies.md: add a line that says why \`${name}\` is here`),
    ...Object.entries({ ...dependencies, ...devDependencies })
      .filter(([, version]) => !/^\d/.test(version))
      .map(([name, version]) => `package.json: pin ${name} exactly, not "${version}"`),
  ];
  none(offenders);
});

test("the lock file names no registry", () => {
  const lines = readText("package-lock.json").split("\n");
  const offenders = lines.flatMap((line, index) =>
    /"resolved":\s*"https?:/.test(line)
      ? [`package-lock.json:${index + 1} run npm install --omit-lockfile-registry-resolved`]
      : [],
  );
  none(offenders);
});

/** Passes when there are no offenders, else fails with one line each. */
function none(offenders: readonly string[]): void {
  if (offenders.length === 0) return;
  const shown = offenders.slice(0, OFFENDERS_SHOWN_MAX);
  const rest = offenders.length - shown.length;
  const lines = rest > 0 ? [...shown, `and ${rest} more`] : shown;
  throw new Error(`${offenders.length} against the house rules\n  ${lines.join("\n  ")}`);
}

interface Package {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

function packageJson(): Package {
  return JSON.parse(readText("package.json"));
}

function at(file: SourceFile, line: number): string {
  return `${file.path}:${line}`;
}

/** Code may have 100 columns; with the words of a comment or a text on the line, 120. */
function longLine(file: SourceFile, line: string, index: number): string[] {
  const length = [...line].length;
  if (length <= CODE_COLUMNS_MAX) return [];
  const codeLength = [...(file.code[index] ?? "").replace(/ {2,}/g, " ").trim()].length;
  const most = codeLength < length - 20 ? WORDS_COLUMNS_MAX : CODE_COLUMNS_MAX;
  return length <= most ? [] : [`${at(file, index + 1)} ${length} columns, ${most} at most`];
}

/** Code lines with import and export lists blanked: `as` is a rename there. */
function withoutImports(code: readonly string[]): string[] {
  const text = code.join("\n");
  const blanked = text.replace(
    /^(?:import|export)\s+(?:type\s+)?(?:\*|\{|\w+\s*,)[^;]*;/gm,
    (statement) => statement.replace(/[^\n]/g, " "),
  );
  return blanked.split("\n");
}
