"""Whether the embedding was worth it, in plain sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.tabular._baselines import SAMPLED
from plectrum.tabular._scores import difference

_CLEAR = 2.0  # standard errors; less is called noise
_HARDLY = 0.01  # share of the score; less is nothing to build on, however certain it is


def write_verdict(
    results: Sequence[Mapping[str, Any]],
    losses: Mapping[str, NDArray[np.float64]],
    metric: str,
    groups: NDArray[Any] | None = None,
) -> str:
    """Return a sentence or two on the network against the best baseline.

    Parameters
    ----------
    results : sequence of the record's results
        The network and the baselines.
    losses : mapping of name to (n_held_out,) float
        The loss of every held-out row, by the name of the result.
    metric : str
        The score that decides.
    groups : (n_held_out,) array, optional
        What the rows were held out by: rows of one group are taken for one witness.
    """
    network = next(r for r in results if r["role"] == "network")
    others = [r for r in results if r["role"] in ("constant", "linear", "boosting")]
    if not others:
        return f"The network has {metric} {_number(network, metric)} on held-out rows; nothing was compared."
    best = min(others, key=lambda r: r["scores"][metric])
    sentences = [_against(network, best, losses, metric, groups)]
    sentences += _on_vectors(results, network, best, losses, metric, groups)
    return " ".join(sentences)


def _against(
    network: Any,
    best: Any,
    losses: Mapping[str, NDArray[np.float64]],
    metric: str,
    groups: NDArray[Any] | None,
) -> str:
    gained, error = difference(losses[network["name"]], losses[best["name"]], groups)
    ours, theirs = network["scores"][metric], best["scores"][metric]
    share = abs(ours - theirs) / theirs if theirs else 0.0
    numbers = f"{metric} {_number(network, metric)} against {_number(best, metric)}"
    if gained > _CLEAR * error and best["role"] == "constant":
        return f"The network predicts better than the constant, and no other model does: {numbers}."
    if gained > _CLEAR * error:
        how = "was worth it" if share >= _HARDLY else "made hardly a difference"
        return (
            f"The embedding {how}: on held-out rows the network is {_percent(share)} better than the best "
            f"baseline, {best['name']} ({numbers}).{_unequal(best)}"
        )
    if best["role"] == "constant":
        return (
            f"Nothing here predicts the target better than one constant number does ({numbers}): do not read "
            "meaning into the vectors."
        )
    if gained < -_CLEAR * error:
        return (
            f"The embedding was not worth it for prediction: {best['name']} is {share:.0%} better on "
            "held-out "
            f"rows ({_number(best, metric)} against the network's {_number(network, metric)} {metric})."
        )
    return (
        f"The embedding was not worth it for prediction: {best['name']} does as well, within the noise "
        f"({numbers})."
    )


def _on_vectors(  # noqa: PLR0917
    results: Sequence[Mapping[str, Any]],
    network: Any,
    best: Any,
    losses: Mapping[str, NDArray[np.float64]],
    metric: str,
    groups: NDArray[Any] | None,
) -> list[str]:
    """Say so when another model on the vectors beats both the network and the baselines."""
    on_vectors = next((r for r in results if r["role"] == "vectors"), None)
    if on_vectors is None:
        return []
    ahead = all(
        gained > _CLEAR * error
        for other in (network, best)
        for gained, error in [difference(losses[on_vectors["name"]], losses[other["name"]], groups)]
    )
    if not ahead:
        return []
    return [f"Best of all is {on_vectors['name']}: {metric} {_number(on_vectors, metric)}."]


def _unequal(best: Any) -> str:
    """Return a sentence where the network had more rows to learn from than the baseline it beats."""
    sampled = (best.get("note") or "").startswith(SAMPLED)
    return (
        " The baseline had only a sample of the rows; with all of them it might be better." if sampled else ""
    )


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def _number(result: Mapping[str, Any], metric: str) -> str:
    return f"{result['scores'][metric]:.4g}"
