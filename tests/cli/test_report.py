import json
import sys

from cli.command import plectrum_here as plectrum
from runs.fake_run import make_fake_run


def test_the_page_is_made_again_and_its_path_printed(tmp_path):
    make_fake_run(tmp_path / "run", levels={"dest": 12})
    done = plectrum("report", tmp_path / "run")
    done.assert_succeeds()
    assert done.out == f"{tmp_path / 'run' / 'report.html'}\n"
    assert "<h1>" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert json.loads(plectrum("report", tmp_path / "run", "--json").out)["report"].endswith("report.html")


def test_the_maps_can_be_drawn_by_another_method(tmp_path):
    make_fake_run(tmp_path / "run", levels={"dest": 30})
    plectrum("report", tmp_path / "run", "--map", "tsne").assert_succeeds()
    assert "map by t-SNE" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    plectrum("report", tmp_path / "run", "--map", "lda").assert_fails(1, "'pca', 'tsne', 'umap'", "'lda'")


def test_a_folder_that_is_no_run_is_at_fault(tmp_path):
    plectrum("report", tmp_path).assert_fails(1, "run.json")


def test_a_map_by_umap_without_its_package_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    make_fake_run(tmp_path / "run", levels={"dest": 30})
    plectrum("report", tmp_path / "run", "--map", "umap").assert_fails(1, "pip install umap-learn")
