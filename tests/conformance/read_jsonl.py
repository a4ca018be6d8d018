"""Digests rows that the lake's own shell printed as JSON lines, with the canonical text of the other readers.

usage: tarn sql --format jsonl -c … | read_jsonl.py COLUMNS_JSON
"""

import decimal
import json
import sys
from itertools import islice

import canonical

CHUNK_ROWS = 50_000


def main(columns_json):
    columns = json.loads(columns_json)
    has_loose = any(canonical.has_many(c["type"]) for c in columns)
    strict, loose = canonical.Digest(), canonical.Digest()
    parse = json.JSONDecoder(parse_float=decimal.Decimal).decode
    lines = (line for line in sys.stdin if line.strip())
    while chunk := list(islice(lines, CHUNK_ROWS)):
        rows = [parse(line) for line in chunk]
        for digest, is_loose in ((strict, False), (loose, True)):
            if is_loose and not has_loose:
                continue
            cells = [
                canonical.column(c["type"], [row[c["name"]] for row in rows], is_loose) for c in columns
            ]
            digest.add_rows(canonical.row_texts(cells))
    print(
        json.dumps(
            {
                "rows": strict.rows,
                "digest": strict.hex(),
                "loose": loose.hex() if has_loose else strict.hex(),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
