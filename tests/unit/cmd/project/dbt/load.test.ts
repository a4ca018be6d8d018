/** dbt projects as they are read: what becomes of them, and what is said of the rest, with its place. */

import { expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { loadProject, type Project } from "../../../../../cmd/project/project.ts";
import { tempFolder } from "../../../../support/temp-folder.ts";

const SHOP = "name: shop\nversion: '1'\n";

test("settings come from folders, properties and the model itself, the nearest last", async () => {
  const project = await loaded({
    "dbt_project.yml":
      `${SHOP}models:\n  shop:\n    +materialized: table\n    +tags: [a]\n` +
      "    stg:\n      +materialized: view\n      +schema: raw\n",
    "models/stg/one.sql": "select 1 as id",
    "models/two.sql": "{{ config(tags='b') }}select * from {{ ref('one') }}",
    "models/three.sql": "{{ config(materialized='ephemeral', alias='drei') }}select 1 as id",
    "models/p.yml": "models:\n  - name: two\n    description: Two.\n    config: { tags: c }\n",
  });
  expect(project.errors).toEqual([]);
  expect(project.models.map(({ name, kind, tags, sql }) => [name, kind, tags, sql.trim()])).toEqual(
    [
      ["shop_raw.one", "view", ["a"], "select 1 as id"],
      ["shop.drei", "ephemeral", ["a"], "select 1 as id"],
      ["shop.two", "full", ["a", "c", "b"], "select * from shop_raw.one"],
    ],
  );
  expect(project.models.at(-1)?.description).toBe("Two.");
});

test("macros of the project, of packages by their names, and by dispatch", async () => {
  const project = await loaded({
    "dbt_project.yml": SHOP,
    "macros/m.sql":
      "{% macro cents(c) %}{{ return(adapter.dispatch('cents')(c)) }}{% endmacro %}{% macro default__cen" +
      "ts(c) %}{{ c }} / 100{% endmacro %}",
    "dbt_packages/kit/dbt_project.yml": "name: kit",
    "dbt_packages/kit/macros/k.sql":
      "{% macro twice(x) %}{{ kit.once(x) }} + {{ once(x) }}{% endmacro %}{% macro once(x) %}{{ x }}{% e" +
      "ndmacro %}",
    "models/a.sql":
      "select {{ cents('amount') }} as a, {{ kit.twice(2) }} as b, {{ dbt.date_trunc('day', 'x') }} as c" +
      " from t",
  });
  expect(project.errors).toEqual([]);
  expect(project.models[0]?.sql).toBe(
    "select amount / 100 as a, 2 + 2 as b, date_trunc('day', x) as c from t",
  );
});

test(
  "variables: of the command, of the project for the package, of the project, of the package, by defa" +
    "ult",
  async () => {
    const files = {
      "dbt_project.yml": `${SHOP}vars: { least: 3, kit: { most: 9 } }\n`,
      "dbt_packages/kit/dbt_project.yml": "name: kit\nvars: { most: 1, other: 7 }\n",
      "dbt_packages/kit/models/of_kit.sql":
        "select {{ var('most') }}, {{ var('other') }}, {{ var('least') }}",
      "models/a.sql": "select {{ var('least') }}, {{ var('most', 5) }}",
    };
    const sqlOf = async (vars?: string) => (await loaded(files, vars)).models.map(({ sql }) => sql);
    expect(await sqlOf()).toEqual(["select 3, 5", "select 9, 7, 3"]);
    expect(await sqlOf("least=4")).toEqual(["select 4, 5", "select 9, 7, 4"]);
  },
);

test("a model in Python is left out with what reads it, and the rest is there", async () => {
  const project = await loaded({
    "dbt_project.yml": SHOP,
    "models/py.py": "def model(dbt, session): pass",
    "models/reads.sql": "select * from {{ ref('py') }}",
    "models/behind.sql": "\n\nselect * from {{ ref('reads') }}",
    "models/hooked.sql": "{{ config(post_hook='grant x') }}select 1 as id",
    "models/asks.sql": "\nselect {{ run_query('select 1') }} as x",
    "models/fine.sql": "select 1 as id",
  });
  expect(told(project)).toEqual({
    errors: [],
    warnings: [
      "models/asks.sql:2 run_query() asks the database while a template is read",
      "models/behind.sql:1 behind is left out: it reads py, which is left out",
      "models/hooked.sql:1 post_hook of hooked is not run",
      "models/py.py:1 a model in Python is not run",
      "models/reads.sql:1 reads is left out: it reads py, which is left out",
    ],
  });
  expect(project.models.map(({ name }) => name)).toEqual(["shop.fine"]);
});

test("what does not exist is an error with its line and the nearest name", async () => {
  const project = await loaded({
    "dbt_project.yml": SHOP,
    "models/orders.sql": "select 1 as id",
    "models/a.sql": "select *\nfrom {{ ref('order') }}",
    "models/b.sql": "select {{ dbt_utils.star('x') }}",
    "models/c.sql": "select * from {{ source('shop', 'x') }}",
    "models/d.sql": "select {{ var('nothing') }}",
  });
  expect(told(project).errors).toEqual([
    "models/a.sql:2 ref(): there is no order",
    "models/b.sql:1 dbt_utils, which is not defined, has no attribute star",
    "models/c.sql:1 there is no source shop.x",
    "models/d.sql:1 the variable nothing has no value",
  ]);
});

test("sources are tables of bronze, or of what the project makes itself", async () => {
  const project = await loaded({
    "dbt_project.yml": `${SHOP}seeds:\n  +schema: raw\n`,
    "macros/s.sql":
      "{% macro generate_schema_name(name, node) %}{{ name or target.schema }}{% endmacro %}",
    "seeds/raw_orders.csv": "id\n1\n",
    "models/s.yml":
      "sources:\n  - name: ecom\n    schema: raw\n    tables: [{ name: raw_orders }, { name: visits }, {" +
      " name: clicks, meta: { tarn: silver.clicks } }]\n",
    "models/a.sql":
      "select * from {{ source('ecom', 'raw_orders') }}, {{ source('ecom', 'visits') }}, {{ source('ecom" +
      "', 'clicks') }}",
  });
  expect(project.errors).toEqual([]);
  expect(project.models[0]?.sql).toBe(
    "select * from seeds.raw_orders, bronze.visits, silver.clicks",
  );
});

test("data tests have dbt's names and its SQL", async () => {
  const project = await loaded({
    "dbt_project.yml": SHOP,
    "models/orders.sql": "select 1 as id, 'x' as status",
    "models/p.yml":
      "models:\n  - name: orders\n    data_tests:\n      - least: { arguments: { n: 2 }, config: { sever" +
      "ity: warn } }\n    columns:\n      - name: id\n        tests: [unique, not_null]\n" +
      "      - name: status\n        tests:\n          - accepted_values: { values: [a, b], where: id > " +
      "1 }\n          - relationships: { to: ref('orders'), field: id }\n",
    "tests/generic/least.sql":
      "{% test least(model, n) %}select count(*) from {{ model }} having count(*) < {{ n }}{% endtest %}",
    "tests/none.sql": "select * from {{ ref('orders') }} where id < 0",
  });
  const tests = project.tests?.();
  expect(tests?.errors).toEqual([]);
  expect(tests?.queries.map(({ name, sql, severity }) => [name, sql, severity])).toEqual([
    ["least_orders_2", "select count(*) from shop.orders having count(*) < 2", "warn"],
    [
      "unique_orders_id",
      "select id as unique_field, count(*) as n_records from shop.orders where id is not null group by i" +
        "d having count(*) > 1",
      "fail",
    ],
    ["not_null_orders_id", "select id from shop.orders where id is null", "fail"],
    [
      "accepted_values_orders_status__a__b",
      "with all_values as (select status as value_field, count(*) as n_records from (select * from shop." +
        "orders where id > 1) dbt_subquery group by status) select * from all_values where value_field n" +
        "ot in ('a', 'b')",
      "fail",
    ],
    [
      "relationships_orders_status__id__ref_orders_",
      "with child as (select status as from_field from shop.orders where status is not null), parent as " +
        "(select id as to_field from shop.orders) select from_field from child left join parent on child" +
        ".from_field = parent.to_field where parent.to_field is null",
      "fail",
    ],
    ["none", "select * from shop.orders where id < 0", "fail"],
  ]);
});

test("a version of a model has settings of its own", async () => {
  const project = await loaded({
    "dbt_project.yml": SHOP,
    "models/o_v1.sql": "select 1 as id",
    "models/o_v2.sql": "select 1 as id",
    "models/use.sql": "select * from {{ ref('o') }}, {{ ref('o', v=1) }}",
    "models/p.yml":
      "models:\n  - name: o\n    latest_version: 2\n    config: { materialized: table }\n    versions:\n" +
      "      - v: 1\n      - { v: 2, config: { alias: o, materialized: view } }\n",
  });
  expect(project.errors).toEqual([]);
  expect(project.models.map(({ name, kind, sql }) => [name, kind, sql])).toEqual([
    ["shop.o_v1", "full", "select 1 as id"],
    ["shop.o", "view", "select 1 as id"],
    ["shop.use", "view", "select * from shop.o, shop.o_v1"],
  ]);
});

test("a fault of a template is told once, as an error, with the nearest name", async () => {
  const project = await loaded({
    "dbt_project.yml": SHOP,
    "models/a.sql": "select 1\n{% if x %}\nas a",
    "models/b.sql": "select {{ 'x' | uper }}",
    "models/c.sql": "select 1\n{% endfor %}",
    "models/d.sql": "select {{ dbt_utils.star('x') }}",
  });
  expect(told(project)).toEqual({
    errors: [
      "models/a.sql:2 the template ends within a block",
      'models/b.sql:1 there is no filter "uper"',
      "models/c.sql:2 {% endfor %} is no statement that is read here",
      "models/d.sql:1 dbt_utils, which is not defined, has no attribute star",
    ],
    warnings: [],
  });
  expect(project.errors.map(({ hint }) => hint)).toContain('did you mean "upper"?');
  expect(project.errors.find(({ message }) => message.includes("star"))?.hint).toContain(
    "dbt deps",
  );
});

test("statements around all runs, and the freshness of sources, are told to be left out", async () => {
  const project = await loaded({
    "dbt_project.yml": `${SHOP}on-run-start:\n  - create schema x\non-run-end: ""\n`,
    "models/a.sql": "select 1 as id",
    "models/s.yml":
      "sources:\n  - name: ecom\n    tables:\n      - name: a\n      - name: b\n        config:\n" +
      "          freshness: { warn_after: { count: 1, period: hour } }\n",
  });
  expect(told(project)).toEqual({
    errors: [],
    warnings: [
      "dbt_project.yml:3 on-run-start is not run",
      "models/s.yml:7 freshness of the source ecom is not checked",
    ],
  });
});

test("the strategy microbatch is computed by windows of the inputs that say their time", async () => {
  const files = (at: string, more = "") => ({
    "dbt_project.yml": SHOP,
    "models/p.yml":
      `models:\n  - name: orders\n    config: { event_time: ${at} }\n` +
      "sources:\n  - name: ecom\n    config: { event_time: placed }\n    tables: [{ name: clicks }]\n",
    "models/orders.sql": "{{ config(materialized='table') }}select 1 as id, now() as placed",
    "models/rates.sql": "select 1 as id, now() as placed",
    "models/m.sql":
      "{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='placed', " +
      "batch_size='day', begin='2026-01-01', lookback=2) }}\nselect o.* from {{ ref('orders') }} o join " +
      "{{ ref('rates') }} r using (id) join {{ source('ecom', 'clicks') }} c using (id)" +
      more,
  });
  const project = await loaded(files("placed"));
  expect(project.errors).toEqual([]);
  const model = project.models.find(({ name }) => name === "shop.m");
  expect(model?.kind).toBe("microbatch");
  expect(model?.windows).toEqual({
    ...{ column: "placed", size: "day", begin: "2026-01-01 00:00:00", lookback: 2 },
    inputs: ["shop.orders", "bronze.clicks"],
  });
  expect(told(await loaded(files("ordered_at"))).warnings).toEqual([
    "models/m.sql:1 m has the event_time placed, and its input shop.orders ordered_at",
  ]);
  const asked = "{% if is_incremental() %} where true{% endif %}";
  expect(told(await loaded(files("placed", asked))).warnings).toEqual([
    "models/m.sql:1 is_incremental() changes the query of m, which is computed by batches",
  ]);
});

async function loaded(files: Readonly<Record<string, string>>, vars?: string): Promise<Project> {
  await using folder = await tempFolder();
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder.path, path)), { recursive: true });
    await writeFile(join(folder.path, path), text);
  }
  const project = await loadProject(folder.path, {}, vars === undefined ? {} : { var: vars });
  const tests = project.tests?.();
  return { ...project, ...(tests === undefined ? {} : { tests: () => tests }) };
}

/** Errors and warnings, each with its place. */
function told({ errors, warnings }: Project) {
  const lines = (list: Project["errors"]) =>
    list.map(({ message, place }) => `${place?.file}:${place?.line} ${message}`).sort();
  return { errors: lines(errors), warnings: lines(warnings) };
}
