"""The peer's side of fastai.py: one training of fastai's tabular learner, in fastai's own interpreter.

    python -P _fastai_peer.py JOB.json       # -P: else fastai.py beside this file would be taken for the
    library

The job names a Parquet file of rows whose column ``part`` is train, valid or test, the columns and the
settings; the answer is one JSON line on standard output. Times are wall clock from the frame in memory to the
trained network: fastai's preprocessing and its training, not the imports.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fastai.callback.core import Callback
from fastai.tabular.all import (
    Categorify,
    CategoryBlock,
    FillMissing,
    Normalize,
    RegressionBlock,
    TabularPandas,
    set_seed,
    tabular_learner,
)


class Watch(Callback):
    """Keeps the validation loss and the time, wall clock and processor, at the end of each epoch."""

    order = 60  # after fastai's Recorder, which notes the losses

    def __init__(self, began):
        super().__init__()
        self.began, self.epochs = began, []

    def after_epoch(self):
        wall, cpu = clocks()
        loss = float(self.recorder.values[-1][1])
        spent = {"seconds": wall - self.began[0], "cpu_seconds": cpu - self.began[1]}
        self.epochs.append({"valid_loss": loss} | spent)


def clocks():
    return time.perf_counter(), time.process_time()


def run(job, frame):
    settings = job["settings"]
    set_seed(job["seed"], reproducible=True)
    torch.set_num_threads(job["threads"])
    fitted_on = frame[frame["part"] != "test"].reset_index(drop=True).drop(columns="part")
    parts = frame.loc[frame["part"] != "test", "part"].to_numpy()
    splits = (np.flatnonzero(parts == "train").tolist(), np.flatnonzero(parts == "valid").tolist())
    classify = job["task"] == "binary"
    began = clocks()
    table = TabularPandas(
        fitted_on,
        procs=[Categorify, FillMissing, Normalize],
        cat_names=list(job["categorical"]),
        cont_names=list(job["numeric"]),
        y_names=job["target"],
        y_block=CategoryBlock() if classify else RegressionBlock(),
        splits=splits,
    )
    data = table.dataloaders(bs=settings["batch_size"])
    learner = tabular_learner(data, layers=job["layers"], n_out=None if classify else 1)
    watch = Watch(began)
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(job["epochs"], settings["learning_rate"], cbs=[watch])
    test = frame[frame["part"] == "test"].drop(columns="part")
    with learner.no_bar():
        outputs, _ = learner.get_preds(dl=data.test_dl(test.drop(columns=job["target"])))
    truth = test[job["target"]].to_numpy()
    if classify:
        p = outputs[np.arange(len(truth)), np.searchsorted(list(data.vocab), truth)].double().numpy()
        loss = float(-np.log(np.clip(p, 1e-12, 1)).mean())
    else:
        loss = float(((outputs[:, 0].double().numpy() - truth) ** 2).mean())
    return {"test_loss": loss, "epochs": watch.epochs}


if __name__ == "__main__":
    described = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    rows = pd.read_parquet(described["frame"])
    a_few = rows.groupby("part").head(300)
    run(described | {"epochs": 1}, a_few)  # what torch and fastai load when first used is not counted
    print(json.dumps(run(described, rows)))
