/** Laws of what a user writes: no text and no data makes the readers throw, and globs mean what they say. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseYaml } from "../../cmd/project/yaml.ts";
import { compileGlob, escapeGlob } from "../../core/base/glob.ts";
import { sourcesFor } from "../../core/config/source-of-drop.ts";
import { parseTypeText } from "../../core/config/type-text.ts";
import { readConfig } from "../../core/config.ts";
import { typeToText } from "../../core/table/type-text.ts";
import { FORMATS } from "../../sql/decode/formats.ts";
import { FILE_SOURCES } from "../support/file-sources.ts";
import { parsed } from "../support/models.ts";

const KEYS = [
  ..."project warehouse timezone sources layers keep batch memory threads serve up".split(" "),
  ..."path into format columns required partition settle on_fail every rows __proto__".split(" "),
];
const VALUES = fc.oneof(
  fc.constantFrom<unknown>("2s", "1GB", "csv", "a.b", -1, 0, 7, null, true),
  fc.string(),
);
const { data: DATA } = fc.letrec((tie) => ({
  data: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    VALUES,
    fc.array(tie("data"), { maxLength: 3 }),
    fc.dictionary(fc.oneof(fc.constantFrom(...KEYS), fc.string()), tie("data"), { maxKeys: 5 }),
  ),
}));

test("readConfig answers for any data, with a configuration or with errors", () => {
  fc.assert(
    fc.property(DATA, (data) => {
      const { config, issues } = readConfig(data, {
        folderName: "x",
        env: {},
        sources: FILE_SOURCES,
      });
      const failed = issues.some((issue) => issue.severity === "error");
      expect(config === null).toBe(failed);
    }),
    { numRuns: 1_000 },
  );
});

test("parseYaml answers for any text", () => {
  const signs = fc.string({ unit: fc.constantFrom(..."a:-[]{}&*!|>'\"#% \n\t,?1"), maxLength: 60 });
  fc.assert(
    fc.property(fc.oneof(signs, fc.string()), (text) => {
      const { data, problems, spanOf } = parseYaml(text);
      expect(problems.length === 0 || data === null).toBe(true);
      expect(spanOf(["a", 0, "b"], "key").length).toBeGreaterThan(0);
    }),
    { numRuns: 1_000 },
  );
});

test("parseYaml does not fall over deep nesting", () => {
  expect(parseYaml("[".repeat(20_000)).problems.length).toBeGreaterThan(0);
  const deep = parseYaml(`a:${" {a:".repeat(5_000)} 1${"}".repeat(5_000)}`);
  const answer = readConfig(deep.data, { folderName: "x", env: {}, sources: FILE_SOURCES });
  expect(answer.config === null || deep.problems.length > 0).toBe(true);
});

test("parseModel answers for any text, with a model or with errors that have a place", () => {
  const piece = fc.constantFrom(
    ..."/* tarn,*/,\n,kind: merge,key: a,tests:, - unique: a,select 1,--x,;,: ,[".split(","),
  );
  fc.assert(
    fc.property(
      fc.array(fc.oneof(piece, fc.string({ maxLength: 5 })), { maxLength: 20 }),
      (pieces) => {
        const { model, errors } = parsed("models/silver/a.sql", pieces.join(""));
        expect(model === null).toBe(errors.length > 0);
        expect(errors.filter((error) => error.place === null)).toEqual([]);
      },
    ),
    { numRuns: 1_000 },
  );
});

test("an escaped path matches itself, and every drop is claimed or has a reason", () => {
  const name = fc.string({
    unit: fc.constantFrom(..."ab.*?[]{},\\-_é/"),
    minLength: 1,
    maxLength: 12,
  });
  const { config } = readConfig({}, { folderName: "x", env: {}, sources: FILE_SOURCES });
  fc.assert(
    fc.property(fc.array(name, { maxLength: 6 }), (names) => {
      for (const each of names) {
        const result = compileGlob(escapeGlob(each));
        expect(result.kind === "glob" && result.glob.matches(each)).toBe(true);
      }
      const listing = [...new Set(names.map((each) => `drops/${each}`))];
      if (config === null) throw new Error("defaults are valid");
      const claims = sourcesFor(config, listing, FORMATS);
      expect(claims.sourceByPath.size + claims.unclaimed.length).toBe(listing.length);
      for (const [path, source] of claims.sourceByPath) {
        const result = compileGlob(source.path);
        expect([path, source.path, result.kind === "glob" && result.glob.matches(path)]).toEqual([
          path,
          source.path,
          true,
        ]);
      }
    }),
    { numRuns: 500 },
  );
});

test("a glob of stars and letters agrees with a matcher that tries everything", () => {
  const unit = fc.constantFrom(..."ab/*?");
  fc.assert(
    fc.property(
      fc.string({ unit, minLength: 1, maxLength: 7 }),
      fc.string({ unit: fc.constantFrom(..."ab/"), maxLength: 8 }),
      (pattern, path) => {
        const result = compileGlob(pattern);
        expect([pattern, path, result.kind === "glob" && result.glob.matches(path)]).toEqual([
          pattern,
          path,
          tries(pattern, 0, path),
        ]);
      },
    ),
    { numRuns: 3_000 },
  );
});

test("a type text that is read is written and read again as the same", () => {
  const word = fc.constantFrom(
    "int",
    "varchar",
    "decimal(9,2)",
    "list(",
    "struct(a ",
    "map(text, ",
    ")",
    "[]",
    ", b ",
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 8 }), (words) => {
      const first = parseTypeText(words.join(""));
      if (first.kind === "invalid") return;
      const again = parseTypeText(typeToText(first.type));
      expect(again.kind === "type" && typeToText(again.type)).toBe(typeToText(first.type));
    }),
    { numRuns: 2_000 },
  );
});

/** Globs by definition, in exponential time. */
function tries(pattern: string, at: number, path: string): boolean {
  if (at === pattern.length) return path === "";
  const atStart = at === 0 || pattern[at - 1] === "/";
  if (atStart && pattern.startsWith("**/", at)) {
    if (tries(pattern, at + 3, path)) return true;
    return ends(path).some(
      (end) => path[end - 1] === "/" && tries(pattern, at + 3, path.slice(end)),
    );
  }
  if (pattern.startsWith("**", at)) {
    return [0, ...ends(path)].some((end) => tries(pattern, at + 2, path.slice(end)));
  }
  if (pattern[at] === "*") {
    return [0, ...ends(path)].some(
      (end) => !path.slice(0, end).includes("/") && tries(pattern, at + 1, path.slice(end)),
    );
  }
  const [first] = path;
  if (first === undefined) return false;
  const fits = pattern[at] === "?" ? first !== "/" : pattern[at] === first;
  return fits && tries(pattern, at + 1, path.slice(1));
}

function ends(path: string): number[] {
  return Array.from(path, (_, index) => index + 1);
}
