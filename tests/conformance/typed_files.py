"""Files of many writers, and whether every value landed as its writer meant it.

typed_files.py write DROPS                  one folder a source, one file each
typed_files.py judge DROPS WAREHOUSE ASIDE  ASIDE holds JSON lines of source and position; prints what is wrong as JSON
"""

import datetime as dt
import decimal
import glob
import json
import os
import random
import sys

import fastparquet
import openpyxl
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter
from openpyxl.utils.datetime import CALENDAR_MAC_1904

decimal.getcontext().prec = 120
Decimal = decimal.Decimal
SYSTEM = {"_source", "_source_file", "_batch", "_ingested_at", "_row", "_rescued"}
NANOS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
DAY = 86_400 * 10**9
SETTLED = 1_750_000_000


def arrow_columns():
    columns = {
        "flag": pa.array([True, False, None]),
        "f16": pa.array([1.5, -0.0, None], pa.float16()),
        "f32": pa.array([0.1, -1e38, None], pa.float32()),
        "f64": pa.array([0.1, 5e-324, None]),
        "special": pa.array([float("nan"), float("inf"), float("-inf")]),
        "text": pa.array(["é", "", None]),
        "large_text": pa.array(["é", "", None], pa.large_string()),
        "bytes": pa.array([b"\x00\xff", b"", None]),
        "fixed": pa.array([b"abc", b"\x00\x01\x02", None], pa.binary(3)),
        "day": pa.array([dt.date(1, 1, 1), dt.date(9999, 12, 31), None]),
        "time_ms": pa.array([0, 86399999, None], pa.time32("ms")),
        "time_us": pa.array([0, 86399999999, None], pa.time64("us")),
        "time_ns": pa.array([0, 86399999999000, None], pa.time64("ns")),
        "list": pa.array([[1, None], [], None], pa.list_(pa.int32())),
        "lists": pa.array([[[1], [], None], [], None], pa.list_(pa.list_(pa.int32()))),
        "struct": pa.array([{"a": 1, "b": "x"}, {"a": None, "b": None}, None],
                           pa.struct([("a", pa.int64()), ("b", pa.string())])),
        "structs": pa.array([[{"a": 1, "b": [1]}, None], [], None],
                            pa.list_(pa.struct([("a", pa.int64()), ("b", pa.list_(pa.int8()))]))),
        "map": pa.array([[("a", 1), ("b", None)], [], None], pa.map_(pa.string(), pa.int64())),
        "map_of_ints": pa.array([[(1, "x")], [], None], pa.map_(pa.int32(), pa.string())),
        "times": pa.array([[1, 86399999999], [], None], pa.list_(pa.time64("us"))),
        "dictionary": pa.array(["a", "b", "a"]).dictionary_encode(),
    }
    for bits in (8, 16, 32, 64):
        signed, unsigned = getattr(pa, f"int{bits}")(), getattr(pa, f"uint{bits}")()
        columns[f"i{bits}"] = pa.array([-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, None], signed)
        columns[f"u{bits}"] = pa.array([0, 2**bits - 1, None], unsigned)
    for unit in ("s", "ms", "us"):
        per = 10**9 // NANOS[unit]
        for zone in (None, "UTC"):
            far = [-62135596800 * per, 253402300799 * per, None]
            columns[f"at_{unit}_{zone or 'local'}".lower()] = pa.array(far, pa.timestamp(unit, zone))
    for precision, scale in ((1, 0), (9, 2), (9, 9), (18, 4), (19, 0), (25, 3), (38, 10), (38, 38)):
        most = (Decimal(10) ** precision - 1).scaleb(-scale)
        columns[f"d{precision}_{scale}"] = pa.array([most, -most, None], pa.decimal128(precision, scale))
    return columns


def odd_columns():
    columns = {
        "no_time": pa.array([86400000000, -1, None], pa.time64("us")),
        "time_digits": pa.array([1, 86399999999999, None], pa.time64("ns")),
        "at_digits": pa.array([1704164645123456789, -1, None], pa.timestamp("ns")),
        "moment_digits": pa.array([1704164645123456789, -1, None], pa.timestamp("ns", "UTC")),
        "moment_ns": pa.array([1704164645123456000, -1000, None], pa.timestamp("ns", "UTC")),
        "inner_digits": pa.array([[1704164645123456789], [], None], pa.list_(pa.timestamp("ns"))),
        "inner_wide": pa.array([{"d": Decimal("1.10")}, None, {"d": None}],
                               pa.struct([("d", pa.decimal256(50, 2))])),
        "nothing": pa.nulls(3),
        "nothings": pa.array([[None], [], None], pa.list_(pa.null())),
        "no_json": pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a": 1}', "", None])),
        "sentinel": pa.array([0, 2**63 - 1, 1], pa.int64()).cast(pa.timestamp("ms")),
    }
    for precision, scale in ((38, 2), (39, 2), (45, 0), (50, 2), (56, 3), (76, 10)):
        most = (Decimal(10) ** precision - 1).scaleb(-scale)
        columns[f"w{precision}"] = pa.array([most, -most, None], pa.decimal256(precision, scale))
    return columns


OPTIONS = {
    "default": {},
    "old": {"version": "2.4", "use_compliant_nested_type": False, "store_schema": False},
    "second": {"data_page_version": "2.0", "compression": "BROTLI"},
    "bare": {"use_dictionary": False, "compression": "NONE", "write_statistics": False},
    "lz4": {"compression": "LZ4", "write_page_checksum": True},
    "gzip": {"compression": "GZIP", "store_decimal_as_integer": True},
    "groups": {"row_group_size": 1, "compression": "ZSTD"},
}
ENCODINGS = {
    "BYTE_STREAM_SPLIT": ["i32", "i64", "u64", "f16", "f32", "f64", "fixed", "d25_3", "day", "at_us_utc", "time_us"],
    "DELTA_BINARY_PACKED": ["i8", "i32", "i64", "u64", "day", "at_us_local", "time_us"],
    "DELTA_LENGTH_BYTE_ARRAY": ["text", "bytes"],
    "DELTA_BYTE_ARRAY": ["text", "fixed", "d25_3"],
}


def write(drops):
    plain, odd = arrow_columns(), odd_columns()
    for name, options in OPTIONS.items():
        put(drops, f"plain_{name}", pa.table(plain), **options)
        cut = {key: column for key, column in odd.items() if options.get("version") != "2.4" or "digits" not in key}
        put(drops, f"odd_{name}", pa.table({**plain, **cut}), **options)
    for encoding, names in ENCODINGS.items():
        for version in ("1.0", "2.0"):
            options = {"use_dictionary": False, "data_page_version": version, "store_schema": False}
            columns = {name: plain[name] for name in names}
            encodings = {name: encoding for name in names}
            put(drops, f"{encoding}_{version[0]}".lower(), pa.table(columns), column_encoding=encodings, **options)
    old = {key: plain[key] for key in ("at_us_local", "at_ms_utc")}
    put(drops, "int96", pa.table(old), use_deprecated_int96_timestamps=True)
    many = {"d": pa.array([Decimal(at) for at in range(20_000)], pa.decimal256(40, 2)),
            "l": pa.array([[at, None] if at % 3 else ([] if at % 2 else None) for at in range(20_000)])}
    put(drops, "many", pa.table(many), data_page_size=200, row_group_size=7_000)
    write_others(drops)
    for name, values in sheets().items():
        write_sheets(drops, name, values)
    for path in glob.glob(os.path.join(drops, "*", "f.*")):
        os.utime(path, (SETTLED, SETTLED))


def put(drops, source, table, **options):
    pq.write_table(table, place(drops, source, "parquet"), **options)


def place(drops, source, ending):
    folder = os.path.join(drops, source)
    os.makedirs(folder)
    return os.path.join(folder, f"f.{ending}")


def write_others(drops):
    at = dt.datetime(2024, 1, 2, 3, 4, 5, 123456)
    frame = pl.DataFrame({
        "time": [dt.time(23, 59, 59, 999999), dt.time(0), None],
        "nanos": pl.Series([at, None, at]).cast(pl.Datetime("ns")),
        "zoned": pl.Series([at, None, at]).dt.replace_time_zone("Europe/Berlin"),
        "decimal": pl.Series(["1.10", None, "-2.5"]).cast(pl.Decimal(38, 2)),
        "enum": pl.Series(["a", None, "b"]).cast(pl.Enum(["a", "b"])),
        "array": pl.Series([[1, 2], None, [3, 4]], dtype=pl.Array(pl.Int64, 2)),
        "nothing": [None, None, None],
        "nothings": [[None], [], None],
    })
    for compression in ("zstd", "lz4", "gzip", "brotli", "snappy"):
        frame.write_parquet(place(drops, f"polars_{compression}", "parquet"), compression=compression)
    durations = pd.to_timedelta(["2 days 03:04:05.123456", "-1 days", "01:00:00"])
    moments = pd.to_datetime(["2024-01-02 03:04:05.123456789", None, "1969-12-31 23:59:59.999999999"])
    pandas = pd.DataFrame({"i": pd.array([1, None, 3], dtype="Int64"), "s": ["é", None, ""], "td": durations})
    fastparquet.write(place(drops, "fastparquet", "parquet"), pandas)
    for times in ("int64", "int96"):
        fastparquet.write(place(drops, f"fastparquet_{times}", "parquet"), pd.DataFrame({"at": moments}), times=times)


def sheets():
    rng = random.Random(7)
    start, days = dt.datetime(1904, 1, 2), 86_400_000
    return {
        "seconds": [start + dt.timedelta(seconds=rng.randrange(0, 6 * 10**9)) for _ in range(500)],
        "millis": [start + dt.timedelta(milliseconds=rng.randrange(0, 60_000 * days)) for _ in range(500)],
        "late": [dt.datetime(9999, 12, 31, 23, 59, 59, 999000), dt.datetime(9999, 1, 1, 0, 0, 0, 1000)],
        "times": [dt.time(0), dt.time(23, 59, 59, 999000)]
        + [(start + dt.timedelta(milliseconds=rng.randrange(days))).time() for _ in range(500)],
        "days": [dt.date(1904, 1, 2), dt.date(9999, 12, 31), dt.date(2024, 2, 29)],
        "longs": [1, -5, 2**53 + 2],
        "floats": [0.1, 1e300, 5e-324, 1e17],
    }


def write_sheets(drops, name, values):
    for epoch in ("1900", "1904"):
        book = openpyxl.Workbook()
        if epoch == "1904":
            book.epoch = CALENDAR_MAC_1904
        book.active.append(["v"])
        for value in values:
            book.active.append([value])
        book.save(place(drops, f"openpyxl_{name}_{epoch}", "xlsx"))
        other = xlsxwriter.Workbook(place(drops, f"xlsxwriter_{name}_{epoch}", "xlsx"), {"date_1904": epoch == "1904"})
        sheet, first = other.add_worksheet(), values[0]
        sheet.write(0, 0, "v")
        code = "hh:mm:ss.000" if isinstance(first, dt.time) else "yyyy-mm-dd"
        code += " hh:mm:ss.000" if isinstance(first, dt.datetime) else ""
        style = other.add_format({"num_format": code})
        for row, value in enumerate(values):
            is_number = isinstance(value, (int, float))
            sheet.write_number(row + 1, 0, value) if is_number else sheet.write_datetime(row + 1, 0, value, style)
        other.close()


def judge(drops, warehouse, aside_path):
    aside = {}
    with open(aside_path) as lines:
        for line in lines:
            row = json.loads(line)
            aside.setdefault(row["source"], set()).add(int(str(row["position"]).split()[-1]))
    wrong, checked = [], 0
    for source in sorted(os.listdir(drops)):
        (path,) = glob.glob(os.path.join(drops, source, "f.*"))
        landed = [pq.read_table(found) for found in sorted(
            glob.glob(os.path.join(warehouse, "bronze", f"{source}-*", "data", "**", "*.parquet"), recursive=True))]
        if not landed:
            wrong.append(f"{source}: nothing landed")
            continue
        table = pa.concat_tables(landed)
        names = [name for name in table.column_names if name not in SYSTEM]
        for at, (name, meant) in enumerate(meant_columns(source, path)):
            kept = [value for row, value in enumerate(meant) if row + 1 not in aside.get(source, ())]
            found = values_of(table[names[at]])
            checked += len(kept)
            bent = [pair for pair in zip(kept, found) if not same(*pair)]
            if len(kept) != len(found):
                wrong.append(f"{source}.{name}: {len(found)} rows for {len(kept)}")
            elif bent:
                wrong.append(f"{source}.{name}: {bent[0][0]!r} is {bent[0][1]!r}")
    print(json.dumps({"checked": checked, "wrong": wrong}))


def meant_columns(source, path):
    if path.endswith(".xlsx"):
        return [("v", values_of(pa.array(sheets()[source.split("_")[1]])))]
    unit = "us" if source == "int96" else "ns"
    table = pq.read_table(path, coerce_int96_timestamp_unit=unit)
    return [(name, values_of(table[name])) for name in table.column_names]


def values_of(array):
    """Values that can be compared: numbers exact, times in nanoseconds, texts and bytes."""
    if isinstance(array, pa.ChunkedArray):
        return [value for chunk in array.chunks for value in values_of(chunk)]
    kind = array.type
    if isinstance(kind, pa.ExtensionType):
        return values_of(array.storage)
    if pa.types.is_dictionary(kind):
        return values_of(array.dictionary_decode())
    if pa.types.is_temporal(kind):
        raw = array.view(pa.int32() if kind.bit_width == 32 else pa.int64()).to_pylist()
        return [None if value is None else temporal(value, kind) for value in raw]
    valid = [value.is_valid for value in array]
    if pa.types.is_struct(kind):
        fields = {field.name: values_of(array.field(at)) for at, field in enumerate(kind)}
        return [{name: column[row] for name, column in fields.items()} if valid[row] else None for row in range(len(array))]
    if pa.types.is_map(kind):
        parts = list(zip(values_of(array.keys), values_of(array.items)))
        return [parts[array.offsets[row].as_py():array.offsets[row + 1].as_py()] if valid[row] else None for row in range(len(array))]
    if pa.types.is_fixed_size_list(kind):
        return values_of(array.cast(pa.list_(kind.value_type)))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        items, ends = values_of(array.values), array.offsets.to_pylist()
        return [items[ends[row]:ends[row + 1]] if valid[row] else None for row in range(len(array))]
    return [plain(value) for value in array.to_pylist()]


def plain(value):
    if isinstance(value, bool) or value is None or isinstance(value, (str, bytes)):
        return value
    return ("float", repr(float(value))) if isinstance(value, float) else Decimal(value)


def temporal(value, kind):
    if pa.types.is_date(kind):
        return ("day", value if kind.bit_width == 32 else value // 86_400_000)
    what = "time" if pa.types.is_time(kind) else "moment" if kind.tz else "at"
    return (what, value * NANOS[kind.unit])


def same(meant, found):
    if isinstance(meant, (list, tuple)) and isinstance(found, (list, tuple)) and meant != found:
        is_nested = len(meant) == len(found) and not (meant and meant[0] in ("time", "at", "moment", "day", "float"))
        return is_nested and all(same(*pair) for pair in zip(meant, found))
    if isinstance(meant, dict) and isinstance(found, dict):
        return all(same(value, found.get(name)) for name, value in meant.items())
    if meant == found:
        return True
    if isinstance(found, tuple) and isinstance(meant, Decimal):
        return Decimal(float(found[1])) == meant
    if isinstance(found, Decimal) and isinstance(meant, tuple):
        return Decimal(float(meant[1])) == found
    if not isinstance(found, str):
        return False
    if isinstance(meant, Decimal):
        return Decimal(found) == meant
    return isinstance(meant, tuple) and found == told(*meant)


def told(what, nanos):
    if what == "time":
        return clock(nanos)
    days, rest = divmod(nanos, DAY)
    day = dt.date(1970, 1, 1) + dt.timedelta(days=days)
    return f"{day.isoformat()} {clock(rest)}{'+00' if what == 'moment' else ''}"


def clock(nanos):
    sign, nanos = ("-", -nanos) if nanos < 0 else ("", nanos)
    micros, digits = divmod(nanos, 1000)
    seconds, micros = divmod(micros, 10**6)
    text = f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    if digits:
        return f"{text}.{micros:06d}{digits:03d}"
    return f"{text}.{micros:06d}".rstrip("0").rstrip(".")


if __name__ == "__main__":
    {"write": write, "judge": judge}[sys.argv[1]](*sys.argv[2:])
