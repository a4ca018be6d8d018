#!/usr/bin/env bash
# convertnumbers of petl makes complex numbers of texts such as 12j.
# Guessed: a text, like 12k beside it.
# Seen: 12j is the imaginary number 12j, so one code of a list of parts changes its type and its neighbours do not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check petl==1.7.30 
cat > program.py <<'PROGRAM'
import petl
values = [value for (value,) in petl.data(petl.convertnumbers([["part"], ["12"], ["12j"], ["12k"]]))]
assert [type(value) for value in values] == [int, complex, str]
print(*values)
PROGRAM
want='12 12j 12k'
seen=$(env/bin/python program.py)
echo "petl 1.7.30: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
