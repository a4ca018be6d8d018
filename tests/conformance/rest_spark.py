"""Works on a served lake as Spark's users do.

usage: rest_spark.py URI TOKEN JARS

Prints {"rows": {table: [rows]}, "refused": {what: message}} as the last line.
"""

import glob
import json
import sys

from pyspark.sql import SparkSession

WORK = """
create namespace tarn.sp;
create table tarn.sp.t (id bigint, name string, day date) partitioned by (day);
insert into tarn.sp.t values (1, 'a', date'2026-01-01'), (2, 'b', date'2026-01-02'), (3, 'c', null);
delete from tarn.sp.t where id = 2;
update tarn.sp.t set name = 'zz' where id = 1;
merge into tarn.sp.t t using (select 3 as id, 'cc' as name) s on s.id = t.id
  when matched then update set name = s.name;
alter table tarn.sp.t add column extra int;
alter table tarn.sp.t set tblproperties ('write.delete.mode' = 'merge-on-read');
insert into tarn.sp.t values (9, 'n', date'2026-01-01', 5), (10, 'n', date'2026-01-01', 6);
delete from tarn.sp.t where id = 10;
create table tarn.sp.u using iceberg as select id, name from tarn.sp.t;
create or replace table tarn.sp.u using iceberg as select id * 2 as id from tarn.sp.t;
alter table tarn.sp.t create branch work;
insert into tarn.sp.t.branch_work values (50, 'w', null, null);
call tarn.system.fast_forward('sp.t', 'main', 'work');
call tarn.system.rewrite_data_files(table => 'sp.t', options => map('min-input-files', '2'));
call tarn.system.expire_snapshots(table => 'sp.t', older_than => timestamp'2100-01-01 00:00:00');
create view tarn.sp.v as select id from tarn.sp.t where id > 3;
create or replace view tarn.sp.v as select id from tarn.sp.t where id > 8;
create table tarn.sp.gone (id int);
drop table tarn.sp.gone purge;
merge into tarn.shared.t t
  using (select * from values (2L, 'by Spark'), (200L, 'new') as v(id, name)) s
  on s.id = t.id when matched then update set name = s.name
  when not matched then insert (id, name) values (s.id, s.name);
"""
REFUSED = {
    "append to a model": "insert into tarn.gold.big values (5, 50)",
    "a column of what a source lands in": "alter table tarn.bronze.orders add column x int",
    "drop what a source lands in": "drop table tarn.bronze.orders",
    "drop what a model makes": "drop table tarn.gold.big",
}
TABLES = ("sp.t", "sp.u", "sp.v", "py.t", "dk.t", "dk.u", "shared.t", "gold.big")


def main(uri, token, jars):
    catalog = "spark.sql.catalog.tarn"
    extensions = "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.jars", ",".join(glob.glob(jars + "/*.jar")))
        .config("spark.sql.extensions", extensions)
        .config(catalog, "org.apache.iceberg.spark.SparkCatalog")
        .config(f"{catalog}.type", "rest")
        .config(f"{catalog}.uri", uri)
        .config(f"{catalog}.token", token)
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .getOrCreate()
    )
    for statement in WORK.split(";"):
        if statement.strip():
            spark.sql(statement).collect()
    rows = {table: rows_of(spark, table) for table in TABLES}
    refused = {what: refusal(spark, statement) for what, statement in REFUSED.items()}
    print(json.dumps({"rows": rows, "refused": refused}, default=str))


def rows_of(spark, table):
    return [row.asDict() for row in spark.sql(f"select * from tarn.{table}").collect()]


def refusal(spark, statement):
    try:
        spark.sql(statement).collect()
    except Exception as thrown:
        return str(thrown)
    return "nothing was refused"


if __name__ == "__main__":
    main(*sys.argv[1:])
