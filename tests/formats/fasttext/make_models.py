"""Trains the small fastText models of this folder and writes down what fastText itself answers.

Needs the package `fasttext-wheel` or `fasttext`; run it in an environment of its own:
    python tests/formats/fasttext/make_models.py
"""

import json
import random
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SIGNS = ["ä", "é", "ж", "東", "😀", "a", "e", "k", "n", "s", "t"]
ASKED = ["ta", "été", "жук", "東京", "😀", "never seen", "", "a", "</s>", "ünïcode", "k" * 40, "\u0301x"]


def some_words(rng, n):
    return sorted({"".join(rng.choices(SIGNS, k=rng.randint(1, 5))) for _ in range(n)})


def write_text(rng, words, labels, path):
    lines = []
    for i in range(800):
        label = labels[i % len(labels)] if labels else ""
        tokens = rng.choices(words, k=8)
        lines.append(f"{'__label__' + label + ' ' if label else ''}{' '.join(tokens)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def answers(model, words, sentences):
    asked = ASKED + words[:20]
    found = {"vectors": {word: model.get_word_vector(word).tolist() for word in asked}}
    if model.is_quantized() or model.f.getArgs().model.name == "supervised":
        found["predictions"] = {
            sentence: [[label, score] for score, label in model.f.predict(sentence + "\n", -1, 0.0, "strict")]
            for sentence in sentences
        }
    return found


def main():
    import fasttext

    rng = random.Random(0)
    words = some_words(rng, 300)
    sentences = [" ".join(rng.choices([*words, "unseen", "ünïcode"], k=5)) for _ in range(6)] + [""]
    everything = {}
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        plain = {"minCount": 1, "thread": 1, "epoch": 2, "verbose": 0}
        write_text(rng, words, [], text)
        models = {
            "skipgram.bin": fasttext.train_unsupervised(
                str(text), "skipgram", dim=6, minn=2, maxn=4, bucket=60, **plain
            ),
            "cbow_no_subwords.bin": fasttext.train_unsupervised(
                str(text), "cbow", dim=5, minn=0, maxn=0, **plain
            ),
        }
        labels = ["x", "y", "ž"]
        write_text(rng, words, labels, text)
        settings = {"dim": 6, "minn": 2, "maxn": 3, "bucket": 300, "wordNgrams": 2, "lr": 0.5} | plain
        models["supervised.bin"] = fasttext.train_supervised(str(text), loss="softmax", **settings)
        models["supervised_hs.bin"] = fasttext.train_supervised(str(text), loss="hs", **settings)
        models["supervised_ova.bin"] = fasttext.train_supervised(str(text), loss="ova", **settings)
        quantized = fasttext.train_supervised(str(text), loss="softmax", **settings)
        quantized.quantize(qnorm=False, dsub=4)
        models["quantized.ftz"] = quantized
        pruned = fasttext.train_supervised(str(text), loss="softmax", **settings)
        pruned.quantize(input=str(text), cutoff=400, retrain=True, qnorm=True, dsub=2, epoch=1, thread=1)
        models["pruned_qnorm.ftz"] = pruned
        write_text(rng, words, [f"l{i}" for i in range(260)], text)
        wide = fasttext.train_supervised(str(text), loss="softmax", **settings)
        wide.quantize(qout=True, qnorm=True, dsub=2)
        models["quantized_output.ftz"] = wide
        for name, model in models.items():
            model.save_model(str(HERE / name))
            everything[name] = answers(model, words, sentences)
            if "output" in name:
                kept = everything[name]["predictions"]
                everything[name]["predictions"] = {key: found[:5] for key, found in kept.items()}
    raw = json.dumps(everything, ensure_ascii=False, indent=None, separators=(",", ":"))
    (HERE / "answers.json").write_text(raw + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
