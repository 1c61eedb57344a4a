"""The estimators against fastai's tabular learner: same rows, columns, hidden layers and epochs.

    python benchmarks/tabular/fastai.py --peer /path/to/python/with/fastai [--data adult flights] [--seeds 0 1
    2 3 4]

Adult (needs ../shared/data/tabular): who earns more than 50,000; trained on adult.data, tested on adult.test.
Flights (examples/data): the air time from carrier, tail number, origin, destination, hour and date; whole
days are held out, one in ten for the test and one in ten for validation.

For each seed both learn from the same training rows and are judged on the same validation rows after each
epoch, taking turns in who comes first, with the same number of threads (OMP_NUM_THREADS; with one, processor
time says the same as wall clock, and says it on a busy machine too). Reported: the test loss of both
(log loss; squared error in units of the target's variance), the mean paired difference with its standard
error, and how soon ours reaches the peer's final validation loss, counted from the frame in memory: seed by
seed, where a lucky run of the peer may never be reached, and in the mean over the seeds.

The peer's batch size and learning rate are fastai's own (``--settings default``) or the best that ``--tune``
found in a grid (``--settings tuned``); ours are the defaults of the estimators. Each run is a line of the
results; the summary is over the last line of each seed.
"""

import argparse
import json
import lzma
import os
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import plectrum

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
RESULTS = ROOT / "benchmarks" / "results" / "tabular_fastai.jsonl"
LAYERS, EPOCHS = [200, 100], 5
GRID = [(bs, lr) for bs in (1024, 256, 64) for lr in (1e-2, 1e-3)]
PEER_SETTINGS = {
    "default": {"batch_size": 64, "learning_rate": 1e-3},  # fastai's own, as in its tutorial
    "tuned": {
        "batch_size": 1024,
        "learning_rate": 1e-2,
    },  # the best of GRID on both data, by quality and time
}
ADULT_COLUMNS = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education_num",
    "marital_status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital_gain",
    "capital_loss",
    "hours_per_week",
    "country",
    "income",
]


def read_adult(seed):
    parts = []
    for name, part in (("adult.data", "train"), ("adult.test", "test")):
        with lzma.open(SHARED / "tabular" / f"{name}.xz", "rt") as file:
            frame = pd.read_csv(
                file,
                names=ADULT_COLUMNS,
                skipinitialspace=True,
                na_values="?",
                comment="|",
                skip_blank_lines=True,
            )
        parts.append(frame.dropna(subset="income").assign(part=part))
    frame = pd.concat(parts, ignore_index=True)
    frame["income"] = frame["income"].str.rstrip(".")
    train = np.flatnonzero(frame["part"] == "train")
    valid = np.random.default_rng(seed).permutation(train)[: len(train) // 10]
    frame.loc[valid, "part"] = "valid"
    numeric = [c for c in frame.columns if frame[c].dtype.kind in "iuf"]
    for column in numeric:
        frame[column] = frame[column].astype(float)
    categorical = [c for c in frame.columns if c not in (*numeric, "income", "part")]
    return frame, "income", "binary", categorical, numeric


def read_flights(seed):
    frame = pd.read_parquet(ROOT / "examples" / "data" / "flights.parquet")
    date = pd.to_datetime(frame.pop("date"))
    frame["month"], frame["day"] = date.dt.month.astype(str), date.dt.day.astype(str)
    frame["weekday"], frame["hour"] = date.dt.day_name(), frame["hour"].astype(str)
    frame["day_of_year"] = date.dt.day_of_year.astype(float)
    days = np.random.default_rng(seed).permutation(366)
    group = pd.Series(days[frame["day_of_year"].astype(int) - 1])
    frame["part"] = np.select([group < 36, group < 72], ["test", "valid"], "train")
    train = frame.loc[frame["part"] == "train", "air_time"]
    frame["air_time"] = (frame["air_time"] - train.mean()) / train.std()  # fastai does not scale a target
    categorical = ["carrier", "tailnum", "origin", "dest", "hour", "month", "day", "weekday"]
    return frame, "air_time", "regression", categorical, ["day_of_year"]


COMMIT = ["git", "rev-parse", "--short", "HEAD"]
READERS = {"adult": read_adult, "flights": read_flights}


def warm_up(data):
    """What libraries load when they are first used is not counted; the peer's side does the same."""
    frame, *rest = data
    run_ours((frame.groupby("part").head(300), *rest), 0)


def run_ours(data, seed, **parameters):
    frame, target, task, categorical, numeric = data
    cls = plectrum.EmbeddingClassifier if task == "binary" else plectrum.EmbeddingRegressor
    model = cls(
        hidden=tuple(LAYERS),
        epochs=EPOCHS,
        random_state=seed,
        categorical=categorical,
        numeric=numeric,
        **parameters,
    )
    columns = [*categorical, *numeric]
    train, valid, test = (frame[frame["part"] == part] for part in ("train", "valid", "test"))
    ends = []

    def listen(progress):
        if progress.epoch_is_done:
            ends.append((time.perf_counter() - began[0], time.process_time() - began[1]))

    began = time.perf_counter(), time.process_time()
    model.fit(train[columns], train[target], eval_set=(valid[columns], valid[target]), progress=listen)
    truth = test[target].to_numpy()
    if task == "binary":
        p = model.predict_proba(test[columns])[np.arange(len(truth)), np.searchsorted(model.classes_, truth)]
        test_loss, scale = float(-np.log(np.clip(p, 1e-12, 1)).mean()), 1.0
    else:
        test_loss = float(((model.predict(test[columns]) - truth) ** 2).mean())
        scale = model.target_scale_.spread**2  # our own scaling of the target, undone
    losses = [record["valid_loss"] * scale for record in model.history_]
    epochs = [
        {"valid_loss": loss, "seconds": wall, "cpu_seconds": cpu}
        for loss, (wall, cpu) in zip(losses, ends, strict=True)
    ]
    return {"test_loss": test_loss, "epochs": epochs}


def run_peer(peer, data, seed, settings, folder):
    frame, target, task, categorical, numeric = data
    path, job = folder / "rows.parquet", folder / "job.json"
    frame.to_parquet(path)
    described = {
        "frame": str(path), "target": target, "task": task, "categorical": categorical, "numeric": numeric,
        "seed": seed, "settings": settings, "layers": LAYERS, "epochs": EPOCHS,
        "threads": torch.get_num_threads(),
    }  # fmt: skip
    job.write_text(json.dumps(described), encoding="utf-8")
    script = Path(__file__).with_name("_fastai_peer.py")
    command = [peer, "-P", "-W", "ignore", str(script), str(job)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def spent_until(epochs, loss, clock):
    return next((e[clock] for e in epochs if e["valid_loss"] <= loss), None)


def tune(name, peer, folder):
    data = READERS[name](0)
    for batch_size, learning_rate in GRID:
        settings = {"batch_size": batch_size, "learning_rate": learning_rate}
        peer_run = run_peer(peer, data, 0, settings, folder)
        loss, seconds = peer_run["epochs"][-1]["valid_loss"], peer_run["epochs"][-1]["cpu_seconds"]
        print(
            f"{name} {settings} valid {loss:.5f} test {peer_run['test_loss']:.5f} {seconds:.1f} s", flush=True
        )


def compare(name, peer, seed, settings, folder):
    data = READERS[name](seed)
    warm_up(data)
    runs = {
        "ours": lambda: run_ours(data, seed),
        "fastai": lambda: run_peer(peer, data, seed, PEER_SETTINGS[settings], folder),
    }
    order = ["ours", "fastai"] if seed % 2 == 0 else ["fastai", "ours"]
    done = {who: runs[who]() for who in order}
    goal = done["fastai"]["epochs"][-1]["valid_loss"]
    row = {"seed": seed} | {f"{who}_test_loss": done[who]["test_loss"] for who in runs}
    row |= {f"{who}_valid_loss": done[who]["epochs"][-1]["valid_loss"] for who in runs}
    for clock in ("seconds", "cpu_seconds"):
        row |= {f"{who}_{clock}": done[who]["epochs"][-1][clock] for who in runs}
        row[f"ours_{clock}_to_goal"] = spent_until(done["ours"]["epochs"], goal, clock)
        row[f"ours_{clock}_by_epoch"] = [epoch[clock] for epoch in done["ours"]["epochs"]]
    row["ours_valid_loss_by_epoch"] = [epoch["valid_loss"] for epoch in done["ours"]["epochs"]]
    print(name, {k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
    return row


def summarise(name, rows):
    differences = [row["ours_test_loss"] - row["fastai_test_loss"] for row in rows]
    mean = statistics.mean(differences)
    error = statistics.stdev(differences) / len(rows) ** 0.5 if len(rows) > 1 else float("inf")
    reached = [row for row in rows if row["ours_seconds_to_goal"] is not None]
    wall = [row["ours_seconds_to_goal"] / row["fastai_seconds"] for row in reached]
    cpu = [row["ours_cpu_seconds_to_goal"] / row["fastai_cpu_seconds"] for row in reached]
    ours, fastai = (statistics.mean(row[f"{who}_test_loss"] for row in rows) for who in ("ours", "fastai"))
    print(
        f"{name}, {len(rows)} seeds: test loss ours {ours:.5f}, fastai {fastai:.5f}; difference {mean:+.5f} "
        f"+- {error:.5f} (standard error).\nfastai's final validation loss: reached in {len(reached)} of "
        f"{len(rows)} seeds, in {in_words(wall)} of its wall clock, {in_words(cpu)} of its processor time; "
        f"in the mean over the seeds {share_of_mean_curve(rows)} of its processor time"
    )


def share_of_mean_curve(rows):
    """The share of the peer's mean time after which our mean validation loss is the peer's mean final one."""
    goal = statistics.mean(row["fastai_valid_loss"] for row in rows)
    spent = statistics.mean(row["fastai_cpu_seconds"] for row in rows)
    for epoch in range(EPOCHS):
        if statistics.mean(row["ours_valid_loss_by_epoch"][epoch] for row in rows) <= goal:
            mine = statistics.mean(row["ours_cpu_seconds_by_epoch"][epoch] for row in rows)
            return f"in {mine / spent:.3f}"
    return "never, in any share"


def in_words(shares):
    if not shares:
        return "no share"
    return f"{statistics.median(shares):.3f} ({min(shares):.3f} to {max(shares):.3f})"


def record(name, row, settings, versions):
    commit = subprocess.run(COMMIT, cwd=ROOT, capture_output=True, text=True, check=False)
    line = {
        "benchmark": "tabular_fastai", "data": name, "commit": commit.stdout.strip(), "epochs": EPOCHS,
        "layers": LAYERS, "settings": settings, "peer_settings": PEER_SETTINGS[settings],
        **row, "versions": versions,
        "cores": os.cpu_count(), "threads": torch.get_num_threads(),
    }  # fmt: skip
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def recorded(name, settings):
    """The last line of each seed for this data and these settings of the peer."""
    lines = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    wanted = PEER_SETTINGS[settings]
    lines = [line for line in lines if line["data"] == name and line["peer_settings"] == wanted]
    return list({line["seed"]: line for line in lines}.values())


def main():
    parser = argparse.ArgumentParser()
    default = os.environ.get("PLECTRUM_PEER_PYTHON")
    parser.add_argument("--peer", default=default, help="an interpreter with fastai")
    parser.add_argument("--data", nargs="+", default=list(READERS), choices=list(READERS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--settings", default="tuned", choices=list(PEER_SETTINGS))
    parser.add_argument("--tune", action="store_true", help="try the peer's settings on the first seed")
    given = parser.parse_args()
    if not given.peer:
        raise SystemExit("give --peer, an interpreter that has fastai, or set PLECTRUM_PEER_PYTHON")
    version = [given.peer, "-c", "import fastai, torch; print(fastai.__version__, torch.__version__)"]
    peer_versions = subprocess.run(version, capture_output=True, text=True, check=True).stdout.split()
    versions = {
        "python": platform.python_version(), "plectrum": plectrum.__version__, "torch": torch.__version__,
        "fastai": peer_versions[0], "peer_torch": peer_versions[1],
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for name in given.data:
            if given.tune:
                tune(name, given.peer, Path(folder))
                continue
            for seed in given.seeds:
                row = compare(name, given.peer, seed, given.settings, Path(folder))
                record(name, row, given.settings, versions)
            summarise(f"{name}, fastai {given.settings}", recorded(name, given.settings))


if __name__ == "__main__":
    main()
