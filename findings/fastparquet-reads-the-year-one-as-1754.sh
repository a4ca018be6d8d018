#!/usr/bin/env bash
# fastparquet reads a DATE of the year 1 as a day of 1754.
# Guessed: the day, or an error, since a timestamp of nanoseconds has no year 1.
# Seen: days are counted in nanoseconds and run over without a word; timestamps of microseconds in the year 1500 are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check fastparquet==2026.9.0 pyarrow==25.0.1
cat > program.py <<'PROGRAM'
import datetime
import fastparquet
import pyarrow
import pyarrow.parquet
pyarrow.parquet.write_table(
    pyarrow.table({"day": [datetime.date(1, 1, 1)], "time": [datetime.datetime(1500, 1, 1)]}), "file.parquet"
)
frame = fastparquet.ParquetFile("file.parquet").to_pandas()
print(frame["day"].iloc[0].date(), frame["time"].iloc[0].date())
PROGRAM
want='1754-08-30 1500-01-01'
seen=$(env/bin/python program.py)
echo "fastparquet 2026.9.0: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
