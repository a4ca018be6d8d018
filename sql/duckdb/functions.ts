/** What DuckDB's catalog says of its functions: which aggregate, which are not determined by their input. */

export interface FunctionFacts {
  /** Aggregate functions, and macros that expand to one. Lower case. */
  readonly aggregates: ReadonlySet<string>;
  /** Another value at every call, the clock aside, which is pinned. Lower case. */
  readonly volatile: ReadonlySet<string>;
}

/** Aggregates whose result depends on the order of their rows, unless an ORDER BY stands in the call. */
export const ORDERED_AGGREGATES: ReadonlySet<string> = new Set(
  (
    "first last any_value arbitrary list array_agg string_agg group_concat listagg mode " +
    "json_group_array json_group_object json_group_structure"
  ).split(" "),
);

/** Aggregates that take a value of the row where another value is greatest or least. */
export const EXTREMES: ReadonlySet<string> = new Set(
  (
    "arg_max arg_max_null arg_max_nulls_last arg_min arg_min_null arg_min_nulls_last argmax argmin " +
    "max_by min_by"
  ).split(" "),
);

/** Macros over aggregates, whose calls take no ORDER BY. */
export const MACROS: ReadonlySet<string> = new Set(
  "json_group_array json_group_object json_group_structure".split(" "),
);

/** Aggregates that estimate, and whose estimate depends on the order or on chance. */
export const ESTIMATES: ReadonlySet<string> = new Set([
  "reservoir_quantile",
  "approx_quantile",
  "approx_top_k",
]);

/**
 * The facts of DuckDB's own functions, the only ones that a model can call. Written out because DuckDB takes longer to
 * list its functions than to run a small model; a test compares them with its catalog.
 */
export const FUNCTION_FACTS: FunctionFacts = {
  aggregates: words(
    "any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max " +
      "arg_max_null arg_max_nulls_last arg_min arg_min_null arg_min_nulls_last argmax argmin " +
      "array_agg avg bit_and bit_or bit_xor bitstring_agg bool_and bool_or corr count count_if " +
      "count_star countif covar_pop covar_samp cume_dist dense_rank entropy favg fill first " +
      "first_value fsum geomean geometric_mean group_concat histogram histogram_exact " +
      "json_group_array json_group_object json_group_structure kahan_sum kurtosis kurtosis_pop lag last last_value " +
      "lead list listagg mad max max_by mean median min min_by mode nth_value ntile " +
      "percent_rank product quantile quantile_cont quantile_disc rank rank_dense regr_avgx " +
      "regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy " +
      "reservoir_quantile row_number sem skewness stddev stddev_pop stddev_samp string_agg sum " +
      "sum_no_overflow sumkahan var_pop var_samp variance wavg weighted_avg",
  ),
  volatile: words(
    "current_catalog current_connection_id current_database current_query current_query_id " +
      "current_schema current_schemas current_transaction_id currval gen_random_uuid getenv " +
      "getvariable in_search_path nextval pg_sleep random setseed sleep_ms stats txid_current " +
      "uuid uuidv4 uuidv7 write_log",
  ),
};

function words(text: string): ReadonlySet<string> {
  return new Set(text.split(" "));
}
