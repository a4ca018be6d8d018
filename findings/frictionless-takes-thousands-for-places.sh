#!/usr/bin/env bash
# frictionless infers a column of amounts such as 1,000 as geopoint.
# Guessed: a number or a text.
# Seen: geopoint, for 1,000 reads as a longitude of 1 and a latitude of 0; such a table is checked against that from then on.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check frictionless==5.21.0 
cat > program.py <<'PROGRAM'
from frictionless import describe
with open("file.csv", "w") as file:
    file.write('amount,place,plain\n"1,000","8.2,50.1",1000\n"12,050","8.3,50.2",12050\n')
print(", ".join(f"{field.name}: {field.type}" for field in describe("file.csv").schema.fields))
PROGRAM
want='amount: geopoint, place: geopoint, plain: integer'
seen=$(env/bin/python program.py)
echo "frictionless 5.21.0: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
