#!/usr/bin/env bash
# Pandas, told of a mark between groups of three digits, takes it out wherever it stands.
# Guessed: 1.234,56 becomes a number, days and addresses stay texts, as their parts are not of three digits.
# Seen: every column of digits and points is a number; 01.02.2025 is 1022025, 10.0.0.1 is 10001.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pandas==3.0.1
cat > program.py <<'PROGRAM'
import io, json
import pandas
text = "amount;day;address\n1.234,56;01.02.2025;10.0.0.1\n99,90;31.12.2025;192.168.10.7\n"
read = pandas.read_csv(io.StringIO(text), sep=";", decimal=",", thousands=".")
print(json.dumps(read.values.tolist()))
PROGRAM
want='[[1234.56, 1022025.0, 10001.0], [99.9, 31122025.0, 192168107.0]]'
seen=$(env/bin/python program.py)
echo "pandas 3.0.1: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
