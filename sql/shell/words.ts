/** Words of SQL that the shell colours and completes. */

export const KEYWORDS: readonly string[] = (
  "select from where group by having order limit offset qualify window union all intersect except distinct on " +
  "join left right full outer inner cross natural asof positional anti semi using as with recursive materialized " +
  "values table pivot unpivot for in not and or is null true false like ilike similar to glob between exists any " +
  "case when then else end cast try_cast interval exclude replace rename columns lambda nulls first last asc desc " +
  "rows range groups preceding following unbounded current row over partition filter within array map struct " +
  "create temp temporary or view macro function drop if insert into update delete set reset describe summarize " +
  "explain analyze show tables pragma begin commit rollback copy at version timestamp tag of system_time date time " +
  "tablesample sample lateral unnest extract collate escape default"
).split(" ");

/** Functions worth offering before the engine was asked for all of them. */
export const FUNCTIONS: readonly string[] = (
  "count sum avg min max median mode stddev variance quantile_cont arg_max arg_min first last list string_agg " +
  "bool_and bool_or approx_count_distinct histogram coalesce nullif ifnull greatest least abs round floor ceil " +
  "sqrt ln log power exp mod length lower upper trim ltrim rtrim substring replace regexp_matches regexp_extract " +
  "regexp_replace split_part string_split concat concat_ws contains starts_with ends_with lpad rpad left right " +
  "strftime strptime date_trunc date_part date_diff date_add extract now current_date today epoch epoch_ms " +
  "to_timestamp make_date age generate_series range unnest row_number rank dense_rank lag lead first_value " +
  "last_value ntile percent_rank cume_dist json_extract json_extract_string to_json from_json struct_pack " +
  "list_contains list_filter list_transform list_aggregate len array_agg typeof hash md5 uuid random " +
  "read_csv read_json read_parquet"
).split(" ");

/** Lower-cased, for look-ups. */
export const KEYWORD_SET: ReadonlySet<string> = new Set(KEYWORDS);
