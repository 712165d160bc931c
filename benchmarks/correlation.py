"""Correlation of what was set with what was measured, and telling classes apart."""

from __future__ import annotations

import numpy as np

RIDGE = 0.05  # of each feature's own variance, keeps few observations from ruling
SPARE = 3  # observations beyond the fitted columns that a partial correlation needs


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation of two values (N,), NaN if one does not vary."""
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def partial_correlation(
    first: np.ndarray, second: np.ndarray, others: np.ndarray, group: np.ndarray
) -> float:
    """Correlation of two values (N,) given `others` (N, K) and the mean of each group (N,).

    Both values are corrected by least squares; the others' squares count too where there are
    observations enough. NaN where there are too few.
    """
    if len(first) <= SPARE:
        return float("nan")
    groups = group[:, None] == np.unique(group)
    for columns in ([groups, others, others**2], [groups, others]):
        design = np.concatenate(columns, axis=1).astype(np.float64)
        freedom = len(first) - np.linalg.matrix_rank(design)
        if freedom > max(SPARE, 0.25 * len(first)):
            break
    if freedom <= SPARE:
        return float("nan")
    values = np.stack([first, second], axis=1)
    residual = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    spread = residual.std(axis=0)
    if (spread < 1e-9 * (1.0 + np.abs(values).max(axis=0))).any():
        return float("nan")
    return correlation(*residual.T)


def recognised(features: np.ndarray, names: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Whether each feature row (N, K) is nearest to the centroid of its own name (N,).

    Distances are measured in the scatter of rows of one name about their centroid, as in linear
    discriminant analysis (Fisher 1936). Centroids and scatter leave out the row's own group (N,);
    rows whose name no other group has are skipped.
    """
    if not len(features):
        return np.zeros(0, bool)
    spread = features.std(axis=0)
    scaled = features / np.where(spread > 1e-6, spread, 1.0)
    right = []
    for row, name, own in zip(scaled, names, group, strict=True):
        others = group != own
        known, which = np.unique(names[others], return_inverse=True)
        if name not in known:
            continue
        rows = scaled[others]
        centroids = np.stack([rows[which == index].mean(axis=0) for index in range(len(known))])
        scatter = np.cov((rows - centroids[which]).T).reshape(len(row), -1)
        metric = np.linalg.inv(scatter + RIDGE * np.eye(len(row)))
        away = centroids - row
        distance = np.einsum("ck,kl,cl->c", away, metric, away)
        right.append(known[distance.argmin()] == name)
    return np.array(right, bool)
