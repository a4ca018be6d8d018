/** Changes of contracts, and where a registry answers otherwise than we do. */

/** The versions before, and the next one: columns as `a int; b varchar?`; the latter may be null and be absent. */
export const CHANGES: Readonly<Record<string, readonly [readonly string[], string]>> = {
  "int becomes bigint": [["a int"], "a bigint"],
  "int becomes float": [["a int"], "a float"],
  "int becomes double": [["a int"], "a double"],
  "int becomes varchar": [["a int"], "a varchar"],
  "int becomes decimal(12,2)": [["a int"], "a decimal(12,2)"],
  "int becomes decimal(10,2)": [["a int"], "a decimal(10,2)"],
  "int becomes boolean": [["a int"], "a boolean"],
  "int becomes date": [["a int"], "a date"],
  "bigint becomes int": [["a bigint"], "a int"],
  "bigint becomes float": [["a bigint"], "a float"],
  "bigint becomes double": [["a bigint"], "a double"],
  "bigint becomes decimal(38,0)": [["a bigint"], "a decimal(38,0)"],
  "bigint becomes timestamp": [["a bigint"], "a timestamp"],
  "bigint becomes varchar": [["a bigint"], "a varchar"],
  "float becomes double": [["a float"], "a double"],
  "double becomes float": [["a double"], "a float"],
  "float becomes int": [["a float"], "a int"],
  "double becomes decimal(38,2)": [["a double"], "a decimal(38,2)"],
  "varchar becomes blob": [["a varchar"], "a blob"],
  "blob becomes varchar": [["a blob"], "a varchar"],
  "varchar becomes uuid": [["a varchar"], "a uuid"],
  "uuid becomes varchar": [["a uuid"], "a varchar"],
  "uuid becomes blob": [["a uuid"], "a blob"],
  "varchar becomes int": [["a varchar"], "a int"],
  "varchar becomes date": [["a varchar"], "a date"],
  "boolean becomes int": [["a boolean"], "a int"],
  "boolean becomes varchar": [["a boolean"], "a varchar"],
  "date becomes timestamp": [["a date"], "a timestamp"],
  "timestamp becomes date": [["a timestamp"], "a date"],
  "date becomes int": [["a date"], "a int"],
  "timestamp becomes timestamptz": [["a timestamp"], "a timestamptz"],
  "timestamptz becomes timestamp": [["a timestamptz"], "a timestamp"],
  "time becomes bigint": [["a time"], "a bigint"],
  "time becomes timestamp": [["a time"], "a timestamp"],
  "decimal(10,2) becomes decimal(12,2)": [["a decimal(10,2)"], "a decimal(12,2)"],
  "decimal(12,2) becomes decimal(10,2)": [["a decimal(12,2)"], "a decimal(10,2)"],
  "decimal(10,2) becomes decimal(12,4)": [["a decimal(10,2)"], "a decimal(12,4)"],
  "decimal(10,2) becomes decimal(10,4)": [["a decimal(10,2)"], "a decimal(10,4)"],
  "decimal(10,2) becomes double": [["a decimal(10,2)"], "a double"],
  "decimal(10,2) becomes blob": [["a decimal(10,2)"], "a blob"],
  "decimal(10,0) becomes bigint": [["a decimal(10,0)"], "a bigint"],
  "int[] becomes bigint[]": [["a int[]"], "a bigint[]"],
  "bigint[] becomes int[]": [["a bigint[]"], "a int[]"],
  "int[] becomes varchar": [["a int[]"], "a varchar"],
  "int[] becomes int": [["a int[]"], "a int"],
  "map(varchar, int) becomes map(varchar, bigint)": [
    ["a map(varchar, int)"],
    "a map(varchar, bigint)",
  ],
  "map(varchar, bigint) becomes map(varchar, int)": [
    ["a map(varchar, bigint)"],
    "a map(varchar, int)",
  ],
  "struct(x int) becomes struct(x bigint)": [["a struct(x int)"], "a struct(x bigint)"],
  "struct(x int) becomes struct(x int, y int)": [["a struct(x int)"], "a struct(x int, y int)"],
  "struct(x int, y int) becomes struct(x int)": [["a struct(x int, y int)"], "a struct(x int)"],
  "struct(x int) becomes struct(z int)": [["a struct(x int)"], "a struct(z int)"],
  "struct(x int)[] becomes struct(x bigint)[]": [["a struct(x int)[]"], "a struct(x bigint)[]"],
  "struct(x int) becomes map(varchar, int)": [["a struct(x int)"], "a map(varchar, int)"],
  "struct(x int) becomes varchar": [["a struct(x int)"], "a varchar"],
  "an optional column comes": [["a int"], "a int; b int?"],
  "a required column comes": [["a int"], "a int; b int"],
  "an optional column goes": [["a int; b int?"], "a int"],
  "a required column goes": [["a int; b int"], "a int"],
  "a column may be null": [["a int"], "a int?"],
  "a column must not be null": [["a int?"], "a int"],
  "it may be null, and is wider": [["a int"], "a bigint?"],
  "an optional one is wider": [["a int?"], "a bigint?"],
  "an optional one is narrower": [["a bigint?"], "a int?"],
  "a column has another name": [["a int; b int?"], "a int; c int?"],
  "a name in capitals": [["a int"], "A int"],
  "columns change places": [["a int; b varchar"], "b varchar; a int"],
  "nothing changes": [["a int; b varchar?"], "a int; b varchar?"],
  "the last is the same, the first is not": [["a varchar", "a int"], "a int"],
  "wider than the last, another than the first": [["a varchar", "a int"], "a bigint"],
  "a column that was there comes back": [["a int; b int?", "a int"], "a int; b int?"],
  "it comes back as another": [["a int; b varchar?", "a int"], "a int; b int?"],
  "it comes back required": [["a int; b int?", "a int"], "a int; b int"],
  "wider by two steps": [["a int", "a bigint"], "a double"],
};

const FLOATS = "Avro reads whole numbers as floats, which do not hold each of them";
const NUMBERS =
  "a decimal holds each of these numbers; in Avro it is bytes, which a number is not read as";
const DIGITS = "Avro looks at the bytes that a decimal is in and at nothing that is said of them";
const TEXTS = "Avro reads texts as bytes and bytes as texts; not all bytes are a text";
const CASE = "columns are matched ignoring case, as SQL does";
const MEANING = "Avro looks at the type that values are written in, not at what they stand for";

const IT_BACKWARD = "it alone: backward backward_transitive";
const IT_FORWARD = "it alone: forward forward_transitive";
const WE_BACKWARD = "we alone: backward backward_transitive";
const IT_ALWAYS =
  "it alone: backward backward_transitive forward forward_transitive full full_transitive";
const WE_ALWAYS =
  "we alone: backward backward_transitive forward forward_transitive full full_transitive";
const IT_NOT_FORWARD = "it alone: backward backward_transitive full full_transitive";
const IT_NOT_BACKWARD = "it alone: forward forward_transitive full full_transitive";

/** `answers` are the modes in which one side alone lets the change pass. */
export const DIFFERENCES: Readonly<
  Record<string, { readonly answers: string; readonly why: string }>
> = {
  "int becomes float": { answers: IT_BACKWARD, why: FLOATS },
  "int becomes decimal(12,2)": { answers: WE_BACKWARD, why: NUMBERS },
  "int becomes date": { answers: IT_ALWAYS, why: MEANING },
  "bigint becomes float": { answers: IT_BACKWARD, why: FLOATS },
  "bigint becomes double": { answers: IT_BACKWARD, why: FLOATS },
  "bigint becomes decimal(38,0)": { answers: WE_BACKWARD, why: NUMBERS },
  "bigint becomes timestamp": { answers: IT_ALWAYS, why: MEANING },
  "float becomes int": { answers: IT_FORWARD, why: FLOATS },
  "varchar becomes blob": { answers: IT_ALWAYS, why: TEXTS },
  "blob becomes varchar": { answers: IT_ALWAYS, why: TEXTS },
  "varchar becomes uuid": { answers: IT_NOT_FORWARD, why: MEANING },
  "uuid becomes varchar": { answers: IT_NOT_BACKWARD, why: MEANING },
  "uuid becomes blob": { answers: IT_ALWAYS, why: MEANING },
  "date becomes int": { answers: IT_ALWAYS, why: MEANING },
  "timestamp becomes timestamptz": { answers: IT_ALWAYS, why: MEANING },
  "timestamptz becomes timestamp": { answers: IT_ALWAYS, why: MEANING },
  "time becomes bigint": { answers: IT_ALWAYS, why: MEANING },
  "time becomes timestamp": { answers: IT_ALWAYS, why: MEANING },
  "decimal(10,2) becomes decimal(12,2)": { answers: IT_NOT_BACKWARD, why: DIGITS },
  "decimal(12,2) becomes decimal(10,2)": { answers: IT_NOT_FORWARD, why: DIGITS },
  "decimal(10,2) becomes decimal(12,4)": { answers: IT_NOT_BACKWARD, why: DIGITS },
  "decimal(10,2) becomes decimal(10,4)": { answers: IT_ALWAYS, why: DIGITS },
  "decimal(10,2) becomes blob": { answers: IT_ALWAYS, why: DIGITS },
  "a name in capitals": { answers: WE_ALWAYS, why: CASE },
  "wider by two steps": { answers: IT_BACKWARD, why: FLOATS },
};
