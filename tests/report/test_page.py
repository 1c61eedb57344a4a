import json
import re
import shutil

import numpy as np
import pytest

from plectrum.errors import ArgumentError, RunError
from plectrum.report import write_report
from plectrum.report._page import render
from plectrum.runs import write_json
from report.fake_table import make_run_of
from runs.fake_run import make_fake_run

HOSTILE = [
    "<script>document.title='broken'</script>",
    '"><img src=x onerror=alert(1)>',
    "'; alert(1); //",
    "</script><b>",
    "]]>-->",
    "x" * 10_000,
    "שלום עולם",
    "\u202eevil",
    "🦊👩‍👩‍👧",
    "nul\x00inside",
    "two\nlines",
    "",
    "  ",
    "&amp;",
    "\ud800half",
]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    run = make_fake_run(tmp_path_factory.mktemp("page") / "flights")
    return write_report(run.folder).read_text(encoding="utf-8")


def test_the_page_is_written_into_the_run_folder(tmp_path):
    run = make_fake_run(tmp_path / "run", levels={"dest": 12})
    assert write_report(run.folder) == tmp_path / "run" / "report.html"
    elsewhere = write_report(run, tmp_path / "other.html")
    assert elsewhere.read_bytes() == (tmp_path / "run" / "report.html").read_bytes()


def test_question_answer_and_results_come_before_the_maps(page):
    texts = ("<h1>", "worth it", 'id="results"', 'id="learning"', 'id="column-0"')
    places = [page.index(text) for text in texts]
    assert places == sorted(places)


def test_every_result_stands_in_the_table_best_first(page):
    table = page[page.index('id="results"') : page.index('id="learning"')]
    names = re.findall(r'<th scope="row">([^<]+)', table)
    assert names[0].startswith("plectrum network")
    assert names[-1] == "constant"
    assert len(names) == 6


def test_nothing_in_the_page_points_to_the_network(page):
    assert not re.search(r"(?:src|href|action|url)\s*[=(]\s*[\"']?\s*(?:https?:)?//", page)
    assert "default-src 'none'" in page
    assert "unsafe-inline" not in page
    assert "style=" not in re.sub(r"<style>.*?</style>|<script>.*?</script>", "", page, flags=re.S)


def test_each_table_has_a_still_picture_for_readers_without_javascript(page):
    stills = re.findall(r"<noscript>(.*?)</noscript>", page, flags=re.S)
    assert len(stills) == 2
    assert all("<svg" in still and "Nearest in all dimensions" in still for still in stills)


def test_the_same_run_gives_the_same_page(tmp_path):
    run = make_fake_run(tmp_path / "run", levels={"dest": 30})
    first, second = write_report(run, tmp_path / "a.html"), write_report(run, tmp_path / "b.html")
    assert first.read_bytes() == second.read_bytes()


def test_hostile_names_leave_no_markup_of_their_own(tmp_path):
    run = make_run_of(tmp_path / "run", HOSTILE, name=HOSTILE[1], verdict=HOSTILE[0], next=[HOSTILE[0]])
    page = write_report(run).read_text(encoding="utf-8")
    bare = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    for text in ("<script>document", "<img", "<b>", "\x00"):
        assert text not in bare
    assert "&lt;script&gt;document.title" in bare


@pytest.mark.parametrize("kind", ["words", "items", "nodes"])
def test_tables_without_a_target_have_a_page(tmp_path, kind):
    name = {"words": "words", "items": "users", "nodes": "nodes"}[kind]
    run = make_run_of(tmp_path / "run", [f"k{i}" for i in range(40)], kind=kind, name=name, with_target=False)
    page = write_report(run).read_text(encoding="utf-8")
    noun = {"words": "word", "items": "user", "nodes": "node"}[kind]
    assert f'data-noun="{noun}"' in page
    assert 'id="results"' not in page


def test_a_run_of_users_and_items_shows_both_tables_and_its_ranking_scores(tmp_path):
    scores = {"most popular": ("constant", 0.09), "plectrum network": ("network", 0.21)}
    results = [
        {"name": name, "role": role, "scores": {"recall@20": s}, "fit_seconds": 1.0, "note": None}
        for name, (role, s) in scores.items()
    ]
    users = make_run_of(
        tmp_path / "run", [f"u{i}" for i in range(30)], kind="items", name="users", with_target=False
    )
    items = make_run_of(
        tmp_path / "other", [f"i{i}" for i in range(20)], kind="items", name="items", with_target=False
    )
    shutil.copy(items.vectors_path("items"), users.folder / "vectors" / "items.parquet")
    record = json.loads((users.folder / "run.json").read_text())
    record |= {"results": results, "target": None, "history": [], "film": None}
    record["columns"].append(items.record["columns"][0] | {"vectors": "vectors/items.parquet"})
    write_json(users.folder / "run.json", record)
    page = write_report(users.folder).read_text(encoding="utf-8")
    assert "Who goes with what" in page
    assert re.findall(r'data-noun="(\w+)"', page) == ["user", "item"]
    table = page[page.index('id="results"') :]
    assert table.index("plectrum network") < table.index("most popular")
    assert "recall@20 on 100 held-out rows; higher is better" in page


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
def test_tables_of_few_rows_have_a_page(tmp_path, n):
    run = make_run_of(tmp_path / "run", [f"k{i}" for i in range(n)], n_snapshots=3 if n else 0)
    assert "<h1>" in write_report(run).read_text(encoding="utf-8")


def test_baselines_are_lines_where_the_loss_is_the_score(tmp_path):
    run = make_fake_run(tmp_path / "run", levels={"dest": 12}, target_kind="binary")
    assert 'class="base"' not in write_report(run).read_text(encoding="utf-8")  # far beyond the curves
    for result, value in zip(run.record["results"], np.linspace(0.6, 0.2, 6), strict=True):
        result["scores"]["log_loss"] = float(value)
    page = write_report(run).read_text(encoding="utf-8")
    assert page.count('class="base"') == 2 * 4  # in the wide drawing and in the narrow one


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"run\.json"):
        write_report(tmp_path)


def test_a_map_by_another_method_says_so_and_goes_without_film_and_axes(tmp_path):
    run = make_run_of(tmp_path / "run", [f"k{i}" for i in range(40)], n_snapshots=4)
    flat, bent = render(run), render(run, map_by="tsne")
    assert 'class="scrub"' in flat
    assert "What the axes mean" in flat
    assert 'class="scrub"' not in bent
    assert "the map by t-SNE keeps" in bent
    assert "Its directions mean nothing" in bent
    with pytest.raises(ArgumentError, match="`map_by` of `write_report`"):
        render(run, map_by="lda")


def test_a_table_of_few_rows_keeps_its_places_under_any_method(tmp_path):
    run = make_run_of(tmp_path / "run", [f"k{i}" for i in range(5)])
    assert render(run, map_by="tsne") == render(run)


def test_curves_have_their_names_in_wide_and_in_narrow_windows(tmp_path):
    page = write_report(make_fake_run(tmp_path / "run", levels={"dest": 12})).read_text(encoding="utf-8")
    learning = page[page.index('id="learning"') : page.index("</section>", page.index('id="learning"'))]
    for drawing in re.findall(r'<div class="(?:wide|narrow)">(.*?)</svg>', learning, flags=re.S):
        assert ">training rows<" in drawing
        assert ">validation rows<" in drawing


def test_a_flat_map_that_keeps_few_neighbours_says_how_to_get_another(tmp_path):
    many = make_run_of(tmp_path / "many", [f"k{i}" for i in range(200)], embedding_dim=40)
    assert "--map tsne" in render(many)
    assert "--map tsne" not in render(many, map_by="tsne")
    assert "--map tsne" not in render(
        make_run_of(tmp_path / "flat", [f"k{i}" for i in range(200)], embedding_dim=2)
    )
