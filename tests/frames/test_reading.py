import gzip
import io
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plectrum.errors import DataError, MissingFileError
from plectrum.frames import read


@pytest.fixture
def write(tmp_path):
    def to(content, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return to


def test_csv_and_parquet_are_told_by_their_bytes_not_their_names(write, tmp_path):
    csv = write("a,b\n1,x\n2,y\n", name="data.parquet")
    pq.write_table(pa.table({"a": [1, 2], "b": ["x", "y"]}), tmp_path / "data.csv")
    assert read(csv).rows() == read(tmp_path / "data.csv").rows() == [(1, "x"), (2, "y")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_recognised(write, delimiter):
    assert read(write(f"a{delimiter}b\n1{delimiter}x\n")).rows() == [(1, "x")]


def test_empty_fields_and_marks_are_missing_in_text_too(write):
    assert read(write("a,b\n1,x\n,\nNA,NULL\n")).rows() == [(1, "x"), (None, None), (None, None)]


def test_digits_with_leading_zeros_and_huge_numbers_stay_text(write):
    frame = read(write("zip,id,n\n00501,92233720368547758071,7\n12345,92233720368547758072,8\n"))
    assert frame.rows() == [
        ("00501", "92233720368547758071", 7),
        ("12345", "92233720368547758072", 8),
    ]


def test_quoted_line_breaks_and_byte_order_marks_are_read(write):
    frame = read(write(b'\xef\xbb\xbfa,b\r\n1,"x\ny"\r\n'))
    assert frame.columns == ["a", "b"]
    assert frame.rows() == [(1, "x\ny")]


def test_columns_without_a_name_get_one(write):
    assert read(write(",b\n1,2\n")).columns == ["column_1", "b"]


def test_leading_blank_lines_and_blanks_after_commas_are_passed_over(write):
    assert read(write("\n \r\na, b\n1, x y\n2, z\n")).rows() == [(1, "x y"), (2, "z")]
    assert read(write("a,b\n1, x\n")).rows() == [(1, " x")]


def test_decimal_commas_are_read_where_commas_do_not_part_fields(write):
    assert read(write("a;b\n1,5;x\n-2,25;y\n")).rows() == [(1.5, "x"), (-2.25, "y")]
    assert read(write("a;b\n1,5;x\n2.5;y\n")).rows() == [("1,5", "x"), ("2.5", "y")]
    assert read(write('a,b\n"1,5",x\n')).rows() == [("1,5", "x")]


def test_integers_of_64_bits_are_exact(write):
    assert read(write(f"a\n{2**63 - 1}\n{2**53 + 1}\n")).rows() == [(2**63 - 1,), (2**53 + 1,)]


def test_a_pipe_is_read():
    command = 'import sys; from plectrum.frames import read; print(read(sys.argv[1])["b"].to_list())'
    shell = f"exec {sys.executable} -c '{command}' <(printf 'a,b\\n1,x\\n')"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['x']"


def test_packed_files_are_unpacked_and_cut_off_ones_refused(write):
    packed = gzip.compress(b"a,b\n1,2\n" * 100)
    assert read(write(packed, "data.csv.gz")).columns == ["a", "b"]
    with pytest.raises(DataError, match="cut off or damaged"):
        read(write(packed[:-20], "cut.csv.gz"))


def test_standard_input_is_read(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a,b\n1,2\n")))
    assert read("-").rows() == [(1, 2)]


def test_a_header_alone_gives_no_rows(write):
    frame = read(write("a,b\n"))
    assert (frame.columns, len(frame)) == (["a", "b"], 0)


@pytest.mark.parametrize("content", ["", "\n\n", "  \n"])
def test_an_empty_file_is_refused(write, content):
    with pytest.raises(DataError, match="is empty"):
        read(write(content))


def test_a_short_last_line_is_named_and_said_to_be_cut_off(write):
    with pytest.raises(DataError, match=r"line 3 has 1: '3'. It is the last line"):
        read(write("a,b\n1,2\n3"))


def test_a_line_with_too_many_fields_is_named(write):
    with pytest.raises(DataError, match=r"2 fields in every line.*line 3 has 3: '1,2,3'\. Correct"):
        read(write("a,b\n1,2\n1,2,3\n4,5\n"))


def test_a_file_that_ends_inside_quotes_is_refused(write):
    with pytest.raises(DataError, match="inside a quoted value that begins on line 3"):
        read(write('a,b\n1,"x\n'.replace('"', "") + '2,"un'))


def test_an_inch_mark_is_no_open_quote(write):
    assert read(write('a,b\n1,5" pipe\n')).rows() == [(1, '5" pipe')]


@pytest.mark.parametrize(
    ("content", "line", "offset"),
    [
        (b"a,b\n1,x\n2,\xe9\n", 3, 10),
        (b"a,\xe9\n1,2\n", 1, 2),
        (b"a,b\n" + b"1,x\n" * 600_000 + b"2,\xe9\n", 600_002, 2_400_006),
    ],
)
def test_a_byte_that_is_not_utf8_is_named_with_line_and_offset(write, content, line, offset):
    with pytest.raises(DataError, match=rf"0xe9 on line {line:,}, at offset {offset:,}"):
        read(write(content))


def test_other_encodings_and_binary_files_are_recognised(write):
    with pytest.raises(DataError, match="UTF-16"):
        read(write("a,b\n1,2\n".encode("utf-16")))
    with pytest.raises(DataError, match="Excel"):
        read(write(b"PK\x03\x04rest"))
    with pytest.raises(DataError, match="looks like JSON"):
        read(write('[{"a": 1}]'))
    with pytest.raises(DataError, match="neither CSV nor Parquet"):
        read(write(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"))


def test_two_columns_of_one_name_are_refused(write, tmp_path):
    with pytest.raises(DataError, match="'a' is the name of columns 1 and 3 of 3"):
        read(write("a,b,a\n1,2,3\n"))
    pq.write_table(pa.table([[1], [2]], names=["a", "a"]), tmp_path / "twice.parquet")
    with pytest.raises(DataError, match="'a' is the name of columns 1 and 2"):
        read(tmp_path / "twice.parquet")


def test_a_parquet_file_that_is_cut_off_is_recognised(tmp_path):
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({"a": list(range(1000))}), path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match="cut off"):
        read(path)


def test_a_missing_file_names_the_nearest_ones(write, tmp_path):
    write("a\n1\n", "flights.csv")
    with pytest.raises(MissingFileError, match=r"Did you mean flights\.csv\?"):
        read(tmp_path / "fligths.csv")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read(tmp_path / "nowhere" / "flights.csv")


def test_a_folder_is_refused_and_its_files_named(write, tmp_path):
    write("a\n1\n", "flights.csv")
    with pytest.raises(DataError, match=r"is a folder.*flights\.csv"):
        read(tmp_path)
