#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the reference numbers of tests/unit/t_measure.c, by scipy and scikit-learn.

    python3 -m venv v && v/bin/pip install numpy scipy scikit-learn && v/bin/python tests/golden/make_measures.py

The predictions come from a generator that C repeats exactly: x = x * 1103515245 + 12345 mod 2^31.
"""
import numpy as np
from scipy.stats import bootstrap, binomtest, pearsonr
from sklearn.metrics import (accuracy_score, brier_score_loss, cohen_kappa_score, f1_score, roc_auc_score)


def draws(n):
    x = 12345
    out = []
    for _ in range(n):
        x = (x * 1103515245 + 12345) % 2**31
        out.append(x >> 16)
    return np.array(out)


n = 500
raw = draws(3 * n).reshape(n, 3)
score = (raw[:, 0] % 101) / 100.0                     # many ties, 0 and 1 among them
right = (raw[:, 1] % 100) < 20 + 60 * score
weight = (raw[:, 2] % 4).astype(float)                # as a resample has them: 0 .. 3
said = score > 0.5
for name, w in (("plain", None), ("weighted", weight)):
    print(name)
    print("  accuracy %.15g" % accuracy_score(right, said, sample_weight=w))
    print("  f1_right %.15g" % f1_score(right, said, sample_weight=w))
    print("  f1_wrong %.15g" % f1_score(~right, ~said, sample_weight=w))
    print("  f1_macro %.15g" % f1_score(right, said, average="macro", sample_weight=w))
    print("  kappa %.15g" % cohen_kappa_score(right, said, sample_weight=w))
    print("  auroc %.15g" % roc_auc_score(right, score, sample_weight=w))
    print("  brier %.15g" % brier_score_loss(right, score, sample_weight=w))
    # expected calibration error, from its definition
    ww = np.ones(n) if w is None else w
    b = np.minimum((score * 10).astype(int), 9)
    print("  ece %.15g" % (sum(abs((ww * (score - right))[b == k].sum()) for k in range(10)) / ww.sum()))
length = raw[:, 2] % 37 + 10 * score
print("pearson %.15g" % pearsonr(score, length)[0])
c = np.cov(score, length, aweights=weight, bias=True)
print("pearson weighted %.15g" % (c[0, 1] / np.sqrt(c[0, 0] * c[1, 1])))
for b, c in ((0, 0), (0, 1), (1, 5), (10, 25), (3, 3), (121, 59), (900, 1003)):
    print("mcnemar %d %d %.15g" % (b, c, binomtest(b, b + c, 0.5).pvalue if b + c else 1))
x = score[:200]
r = bootstrap((x,), np.mean, n_resamples=200000, method="percentile", rng=np.random.default_rng(1))
print("bootstrap mean %.6f: %.5f %.5f" % (x.mean(), *r.confidence_interval))
print("quantile %.15g %.15g" % (np.quantile(length[:50], 0.025), np.quantile(length[:50], 0.9)))
