#!/usr/bin/env bash
# deltalake stores a column of unsigned 8 bits as signed 8 bits, and refuses 128 to 255.
# Guessed: the next larger signed type, for Delta has no unsigned ones.
# Seen: byte, and an error at the first value beyond 127 (the same for 16, 32 and 64 bits): whether a table can be appended
# to depends on its values, not on its types.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check deltalake==1.6.6 pyarrow==25.0.1
cat > program.py <<'PROGRAM'
import deltalake
import pyarrow
seen = []
for value in (127, 128):
    try:
        deltalake.write_deltalake(f"table{value}", pyarrow.table({"n": pyarrow.array([value], pyarrow.uint8())}))
        seen.append(f"{value}: {deltalake.DeltaTable(f'table{value}').schema().fields[0].type.type}")
    except deltalake.exceptions.DeltaError as error:
        seen.append(f"{value}: {type(error).__name__}")
print(", ".join(seen))
PROGRAM
want='127: byte, 128: DeltaError'
seen=$(env/bin/python program.py)
echo "deltalake 1.6.6: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
