"""One training by plectrum, in its own process: a JSON line of seconds, and vectors. See word2vec.py."""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from plectrum import text

task = json.loads(sys.argv[1])
names = (
    "embedding_dim",
    "window",
    "negative",
    "sample",
    "min_count",
    "architecture",
    "learning_rate",
    "epochs",
    "ns_exponent",
)
parameters = {name: task[name] for name in names}
parameters |= {
    "n_jobs": task["threads"],
    "random_state": task["seed"],
    "deterministic": task["deterministic"],
}
kind = text.Word2Vec
if task["model"] == "fasttext":
    kind = text.FastText
    parameters |= {name: task[name] for name in ("min_n", "max_n", "bucket")}
kind(**{**parameters, "min_count": 1, "epochs": 1}).fit(
    [["warm", "up"]] * 9
)  # compiled, or loaded from the cache
start = time.perf_counter()
model = kind(**parameters).fit(task["corpus"])
done = time.perf_counter()
if task["out"]:
    np.save(Path(task["out"]).with_suffix(".npy"), model.vectors_.matrix)
    Path(task["out"]).with_suffix(".json").write_text(json.dumps(list(model.vectors_.keys)))
train = model.history_[-1].seconds
versions = {package: version(package) for package in ("numba", "numpy")}
print(
    json.dumps({"read": done - start - train, "train": train, "words": model.n_words_, "versions": versions})
)
