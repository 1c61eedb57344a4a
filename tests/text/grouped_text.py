"""A text of which it is known what belongs together."""

import numpy as np


def grouped_text(n_sentences=1500, seed=0):
    """Sentences whose words all come from one of four groups of ten."""
    random = np.random.default_rng(seed)
    groups = [[f"{name}{i}" for i in range(10)] for name in "abcd"]
    return [random.choice(groups[random.integers(4)], 12).tolist() for _ in range(n_sentences)]


TEXT = grouped_text()
SMALL = {"embedding_dim": 20, "epochs": 3, "random_state": 0, "n_jobs": 2, "sample": 0, "learning_rate": 0.05}


def share_of_neighbours_in_the_group(vectors):
    found = [vectors.nearest(key, k=9) for key in vectors.keys]
    same = [near[0] == key[0] for key, row in zip(vectors.keys, found, strict=True) for near, _ in row]
    return np.mean(same)
