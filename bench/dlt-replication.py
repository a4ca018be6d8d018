"""dlt's source pg_replication reading a slot into DuckDB, in a process of its own.

usage: dlt-replication.py PORT DATABASE SLOT PUBLICATION OUTPUT_FOLDER

The folder that `dlt init pg_replication duckdb` made is the working directory. Prints the rows that are then there.
"""

import os
import sys

port, database, slot, publication, output = sys.argv[1:]
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["SOURCES__PG_REPLICATION__CREDENTIALS"] = (
    f"postgresql://postgres@127.0.0.1:{port}/{database}"
)
sys.path.insert(0, os.getcwd())

import dlt  # noqa: E402
import duckdb  # noqa: E402
from pg_replication import replication_resource  # noqa: E402

path = os.path.join(output, "lake.duckdb")
pipeline = dlt.pipeline(
    "bench",
    pipelines_dir=output,
    destination=dlt.destinations.duckdb(path),
    dataset_name="bronze",
)
pipeline.run(replication_resource(slot, publication))
print(duckdb.connect(path).execute("select count(*) from bronze.events").fetchone()[0])
