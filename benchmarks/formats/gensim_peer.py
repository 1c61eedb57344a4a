"""gensim's side of the benchmarks: a line of JSON in, a line of JSON out, vectors kept in between."""

import json
import sys
import time

import gensim
import numpy as np
from gensim.models import KeyedVectors

kept = {}


def load(task):
    began = time.perf_counter()
    vectors = KeyedVectors.load_word2vec_format(
        task["path"], binary=task.get("binary", False), no_header=task.get("no_header", False)
    )
    seconds = time.perf_counter() - began
    kept["vectors"] = vectors
    rows = task["rows"]
    return {
        "seconds": seconds,
        "shape": list(vectors.vectors.shape),
        "keys": [vectors.index_to_key[row] for row in rows],
        "matrix": vectors.vectors[rows].tolist(),
    }


def nearest(task):
    vectors = kept["vectors"]
    vectors.fill_norms()
    began = time.perf_counter()
    answers = [vectors.most_similar(key, topn=task["k"]) for key in task["keys"]]
    return {"seconds": time.perf_counter() - began, "answers": answers}


def analogies(task):
    began = time.perf_counter()
    score, sections = kept["vectors"].evaluate_word_analogies(task["path"], restrict_vocab=task["restrict"])
    seconds = time.perf_counter() - began
    right = {
        s["section"]: [len(s["correct"]), len(s["correct"]) + len(s["incorrect"])] for s in sections[:-1]
    }
    return {"seconds": seconds, "score": score, "sections": right}


def main():
    tasks = {"load": load, "nearest": nearest, "analogies": analogies}
    tasks["versions"] = lambda _: {"gensim": gensim.__version__, "peer_numpy": np.__version__}
    for line in sys.stdin:
        task = json.loads(line)
        try:
            answer = tasks[task["do"]](task)
        except Exception as error:
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
