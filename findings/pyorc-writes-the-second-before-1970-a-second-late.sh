#!/usr/bin/env bash
# pyorc writes 1969-12-31 23:59:59.5 UTC as half a second after midnight.
# Guessed: each instant comes back as it was.
# Seen: instants in the last second before 1970 come back one second later, from pyarrow as well; those before are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pyorc==0.12.0 pyarrow==25.0.1
cat > program.py <<'PROGRAM'
import datetime
import pyarrow.orc
import pyorc
instants = [datetime.datetime(1969, 12, 31, 23, 59, second, 500000, datetime.timezone.utc) for second in (58, 59)]
with open("file.orc", "wb") as file:
    with pyorc.Writer(file, "struct<x:timestamp>") as writer:
        writer.writerows([(instant,) for instant in instants])
print(*(row["x"].isoformat() for row in pyarrow.orc.read_table("file.orc").to_pylist()))
PROGRAM
want='1969-12-31T23:59:58.500000 1970-01-01T00:00:00.500000'
seen=$(env/bin/python program.py)
echo "pyorc 0.12.0: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
