import json

from cli.command import plectrum_here as plectrum
from cli.test_near import write_vectors
from plectrum.vectors import load


def test_vectors_go_from_one_format_to_another(tmp_path):
    source = write_vectors(tmp_path / "v.parquet")
    done = plectrum("convert", source, tmp_path / "w.safetensors", "--json")
    done.assert_succeeds()
    assert json.loads(done.out) == {"keys": 5, "embedding_dim": 4, "out": str(tmp_path / "w.safetensors")}
    assert list(load(tmp_path / "w.safetensors").keys) == list(load(source).keys)


def test_a_damaged_file_is_at_fault(tmp_path):
    source = write_vectors(tmp_path / "v.parquet")
    source.write_bytes(source.read_bytes()[:100])
    plectrum("convert", source, tmp_path / "w.safetensors").assert_fails(1, "v.parquet")
    assert not (tmp_path / "w.safetensors").exists()


def test_an_unknown_suffix_names_the_known(tmp_path):
    source = write_vectors(tmp_path / "v.parquet")
    plectrum("convert", source, tmp_path / "w.unheard").assert_fails(1, ".safetensors")
