"""Does the comparison bite: equal values in other forms give one text, and any other value another.

usage: check_canonical.py
"""

import datetime as dt
import decimal

import canonical

UTC = dt.timezone.utc
LIST = {"type": "list", "element-id": 2, "element": "int", "element-required": False}
MAP = {"type": "map", "key-id": 2, "key": "string", "value-id": 3, "value": "long", "value-required": False}
STRUCT = {"type": "struct", "fields": [{"id": 2, "name": "a", "type": "double", "required": False}]}

# Type, forms of one value, other values.
CASES = [
    ("long", [2**60, str(2**60)], [2**60 + 1, -(2**60)]),
    ("double", [0.1, decimal.Decimal("0.1"), "0.1"], [0.1 + 2**-55, 0.2]),
    ("float", [0.1, 0.10000000149011612], [0.2]),
    ("double", ["nan", float("nan")], ["inf", "-inf", 0.0]),
    ("decimal(9, 2)", ["1.10", decimal.Decimal("1.1"), "1.1"], ["1.11", "-1.10"]),
    ("string", ["7"], ["07", " 7", "", "7\u0301"]),
    ("date", [dt.date(1960, 2, 29), "1960-02-29"], ["1960-02-28"]),
    ("time", [dt.time(1, 2, 3, 4), "01:02:03.000004"], ["01:02:03"]),
    ("timestamp", [dt.datetime(1960, 1, 1, 1), "1960-01-01 01:00:00"], ["1960-01-01 01:00:00.000001"]),
    (
        "timestamptz",
        [dt.datetime(2020, 1, 1, 1, tzinfo=UTC), "2020-01-01 01:00:00+00", "2020-01-01T03:00:00+02:00"],
        ["2020-01-01 01:00:00+01"],
    ),
    ("binary", [b"\x00a\xff", "\\x00a\\xFF"], [b"\x00a"]),
    (LIST, [[1, None], [1, None]], [[None, 1], [1], []]),
    (MAP, [{"a": 1, "b": None}, [("b", None), ("a", 1)]], [{"a": 1}, {"a": None, "b": 1}]),
    (STRUCT, [{"a": 0.5}], [{"a": None}, {"a": 0.25}]),
]
# Values that do not have their type are errors, never another text.
WRONG = [
    ("long", "1.5"),
    ("long", True),
    ("decimal(9, 2)", "1.111"),
    ("timestamp", "2020-01-01 00:00:00+00"),
    ("timestamptz", "2020-01-01 00:00:00"),
    ("string", 7),
]


def text(iceberg_type, value):
    return canonical.column(iceberg_type, [value])[0]


def digest(rows):
    one = canonical.Digest()
    one.add_rows(rows)
    return one.hex()


def main():
    for iceberg_type, same, others in CASES:
        wanted = text(iceberg_type, same[0])
        assert wanted != canonical.NULL
        for value in same:
            assert text(iceberg_type, value) == wanted, (iceberg_type, value, wanted)
        for value in others + [None]:
            assert text(iceberg_type, value) != wanted, (iceberg_type, value, wanted)
    for iceberg_type, value in WRONG:
        try:
            found = text(iceberg_type, value)
        except (ValueError, decimal.InvalidOperation):
            continue
        raise AssertionError(f"{value!r} was taken for a {iceberg_type}: {found}")
    assert digest(["a", "b"]) == digest(["b", "a"])
    assert digest(["a", "a"]) != digest(["a"])
    assert digest(["a", "b"]) != digest(["a", "c"])
    assert canonical.column(LIST, [None, []], loose=True) == ["[]", "[]"]
    assert canonical.column(LIST, [None, []]) == [canonical.NULL, "[]"]
    print(f"{len(CASES)} types, {len(WRONG)} wrong values")


if __name__ == "__main__":
    main()
