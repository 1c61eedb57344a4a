import json

import pytest

from cli.command import plectrum_here as plectrum
from cli.test_near import write_vectors
from plectrum.vectors import load
from runs.fake_run import make_fake_run


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


@pytest.mark.parametrize(
    ("viewer", "opens"), [("projector", "tensorboard --logdir"), ("atlas", "embedding-atlas")]
)
def test_for_a_viewer_the_one_command_that_opens_it_is_printed(viewer, opens, tmp_path):
    source = write_vectors(tmp_path / "v.parquet")
    done = plectrum("convert", source, tmp_path / "w", "--to", viewer)
    done.assert_succeeds()
    assert done.out.startswith(f"{opens} {tmp_path / 'w'}")
    assert len(done.out.splitlines()) == 1
    done = plectrum("convert", source, tmp_path / "w", "--to", viewer, "--json")
    assert json.loads(done.out)["open"].startswith(opens)


def test_a_column_of_a_run_is_converted_with_what_stands_beside_it(tmp_path):
    make_fake_run(tmp_path / "run", levels={"dest": 12, "carrier": 5})
    done = plectrum("convert", tmp_path / "run", tmp_path / "p", "--to", "projector", "--column", "dest")
    done.assert_succeeds()
    first = (tmp_path / "p" / "metadata.tsv").read_text().splitlines()[0]
    assert first == "key\tcount\tx\ty\tmoved\tn_updates\ttarget_mean"
    plectrum("convert", tmp_path / "run", tmp_path / "q.csv").assert_fails(1, "--column", "dest, carrier")
    plectrum("convert", tmp_path / "run", tmp_path / "q.csv", "--column", "hour").assert_fails(1, "dest")
