"""Works on a served lake as PyIceberg's users do, or reads tables of it.

usage: rest_pyiceberg.py URI TOKEN work
       rest_pyiceberg.py URI TOKEN read TABLE…

Prints {"refused": {what: message}} or {"rows": {table: [rows]}}.
"""

import json
import sys
from datetime import datetime, timezone

import pyarrow as pa
from pyiceberg.catalog import load_catalog
from pyiceberg.types import StringType


def main(uri, token, what, *tables):
    catalog = load_catalog("tarn", type="rest", uri=uri, token=token)
    if what == "read":
        rows = {name: catalog.load_table(name).scan().to_arrow().to_pylist() for name in tables}
        print(json.dumps({"rows": rows}, default=str))
        return
    print(json.dumps({"refused": work(catalog)}))


def work(catalog):
    catalog.create_namespace("py")
    catalog.create_namespace("shared", {"owner": "all"})
    rows = pa.table({"id": pa.array([1, 2, 3], pa.int64()), "name": ["a", "ü", None]})
    table = catalog.create_table("py.t", schema=rows.schema)
    table.append(rows)
    table.append(rows.slice(0, 1))
    table.delete("id = 2")
    table.upsert(pa.table({"id": pa.array([9], pa.int64()), "name": ["z"]}), join_cols=["id"])
    with table.update_schema() as update:
        update.add_column("extra", StringType())
    with table.transaction() as transaction:
        transaction.set_properties(comment="by PyIceberg")
        more = {"id": pa.array([10], pa.int64()), "name": ["q"], "extra": ["e"]}
        transaction.append(pa.table(more))
    table.manage_snapshots().create_tag(table.current_snapshot().snapshot_id, "seen").commit()
    made = catalog.create_table_transaction("py.made", schema=rows.schema)
    made.append(rows)
    made.commit_transaction()
    catalog.rename_table("py.made", "py.renamed")
    gone = catalog.create_table("py.gone", schema=rows.schema)
    gone.append(rows)
    catalog.purge_table("py.gone")
    shared = catalog.create_table("shared.t", schema=rows.schema)
    shared.append(rows)
    orders = catalog.load_table("bronze.orders")
    # It is partitioned by the day of this column.
    now = datetime.now(timezone.utc)
    order = pa.table({"id": [77], "amount": [7], "_ingested_at": [now]})
    columns = ("id", "amount", "_ingested_at")
    orders.append(order.cast(orders.scan(selected_fields=columns).to_arrow().schema))
    big = catalog.load_table("gold.big")
    return {
        "append to a model": refusal(lambda: big.append(big.scan().to_arrow())),
        "drop what a source lands in": refusal(lambda: catalog.drop_table("bronze.orders")),
        "rename what a source lands in": refusal(
            lambda: catalog.rename_table("bronze.orders", "py.orders")
        ),
        "a table outside": refusal(
            lambda: catalog.create_table("py.x", rows.schema, location="file:///tmp/x")
        ),
        "a table that is there": refusal(lambda: catalog.create_table("py.t", rows.schema)),
        "a namespace with tables": refusal(lambda: catalog.drop_namespace("py")),
        "a table that is not": refusal(lambda: catalog.load_table("py.gone")),
    }


def refusal(action):
    try:
        action()
    except Exception as thrown:
        return f"{type(thrown).__name__}: {thrown}"
    return "nothing was refused"


if __name__ == "__main__":
    main(*sys.argv[1:])
