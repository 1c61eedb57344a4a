"""One training by fastText, in its own interpreter: prints seconds, leaves vectors. See word2vec.py."""

import json
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import fasttext
import numpy as np

task = json.loads(sys.argv[1])
start = time.perf_counter()
model = fasttext.train_unsupervised(
    task["corpus"],
    model="skipgram" if task["architecture"] == "skip-gram" else "cbow",
    dim=task["embedding_dim"],
    ws=task["window"],
    neg=task["negative"],
    t=task["sample"],
    minCount=task["min_count"],
    lr=task["learning_rate"],
    thread=task["threads"],
    epoch=task["epochs"],
    minn=task["min_n"],
    maxn=task["max_n"],
    bucket=task["bucket"],
    verbose=0,
)
done = time.perf_counter()
if task["out"]:
    words = [word for word in model.words if word != "</s>"]
    np.save(Path(task["out"]).with_suffix(".npy"), np.stack([model.get_word_vector(word) for word in words]))
    Path(task["out"]).with_suffix(".json").write_text(json.dumps(words))
versions = {"numpy": np.__version__}
for package in ("fasttext-wheel", "fasttext"):
    try:
        versions[package] = version(package)
    except PackageNotFoundError:
        continue
with Path(task["corpus"]).open("rb") as file:
    n_words = sum(len(line.split()) for line in file)
print(json.dumps({"read": 0.0, "train": done - start, "words": n_words, "versions": versions}))
