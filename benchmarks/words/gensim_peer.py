"""One training by gensim, in its own interpreter: prints seconds, leaves vectors. See word2vec.py."""

import json
import sys
import time
from pathlib import Path

import gensim
import numpy as np
from gensim.models import FastText, Word2Vec

task = json.loads(sys.argv[1])
parameters = {
    "vector_size": task["embedding_dim"],
    "window": task["window"],
    "negative": task["negative"],
    "sample": task["sample"],
    "min_count": task["min_count"],
    "sg": int(task["architecture"] == "skip-gram"),
    "alpha": task["learning_rate"],
    "workers": task["threads"],
    "epochs": task["epochs"],
    "seed": task["seed"],
}
if task["model"] == "fasttext":
    model = FastText(**parameters, min_n=task["min_n"], max_n=task["max_n"], bucket=task["bucket"])
else:
    model = Word2Vec(**parameters)
start = time.perf_counter()
model.build_vocab(corpus_file=task["corpus"])
read = time.perf_counter()
model.train(
    corpus_file=task["corpus"],
    total_examples=model.corpus_count,
    total_words=model.corpus_total_words,
    epochs=task["epochs"],
)
done = time.perf_counter()
if task["out"]:
    np.save(Path(task["out"]).with_suffix(".npy"), model.wv.vectors)
    Path(task["out"]).with_suffix(".json").write_text(json.dumps(model.wv.index_to_key))
print(
    json.dumps(
        {
            "read": read - start,
            "train": done - read,
            "words": model.corpus_total_words,
            "versions": {"gensim": gensim.__version__, "numpy": np.__version__},
        }
    )
)
