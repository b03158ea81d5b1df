#!/usr/bin/env python3
"""Fit the polynomials of src/kernels/activation-inl.h and print their coefficients and errors.

    fit_activations.py

exp(r) on |r| <= ln(2)/2; the normal tail Phi(-a) = exp(-a^2/2) * P(t), t = 1/(1 + 0.3 a), on 0 <= a <= 14; and for bf16
results Phi(x) = 1/2 + x * Q(x^2) on |x| <= 4.25: least squares with weights that grow where the error is large, until it is
nearly even (Lawson's iteration).
Needs: numpy, mpmath.
"""
import numpy as np
from mpmath import mp, mpf, erfc, exp, sqrt

mp.dps = 40


def lawson(basis, target, rounds, importance=None):
    """Coefficients with an even error, relative unless `importance` says how much an absolute one counts."""
    importance = 1 / np.abs(target) if importance is None else importance
    weights = np.ones_like(target)
    for _ in range(rounds):
        scale = weights * importance
        coefficients, *_ = np.linalg.lstsq(basis * scale[:, None], target * scale, rcond=None)
        error = np.abs(basis @ coefficients - target) * importance
        weights *= (error / error.max()) ** 0.3 + 1e-3
        weights /= weights.max()
    return coefficients, error.max()


def show(name, coefficients, error):
    print(f"{name}: error {error:.2e}")
    for power, value in enumerate(coefficients):
        print(f"  x^{power}: {float(np.float32(value))!r}f")


def main():
    unit = (1 - np.cos(np.linspace(0, np.pi, 400))) / 2
    r = (2 * unit - 1) * float(np.log(2) / 2)
    show("exp(r)", *lawson(np.vander(r, 7, increasing=True), np.exp(r), 60))
    a = unit * 14
    tail = np.array([float(erfc(mpf(x) / sqrt(2)) / 2 * exp(mpf(x) ** 2 / 2)) for x in a])
    show("P(t)", *lawson(np.vander(1 / (1 + 0.3 * a), 9, increasing=True), tail, 60))
    x = ((1 - np.cos(np.linspace(0, np.pi, 2001))) / 2 * 4.25)[1:]
    slope = np.array([0.5 - float(erfc(mpf(v) / sqrt(2)) / 2) for v in x]) / x
    # An error of Q is one of x^2 Q in the GELU; near 0 it is kept small beside the value itself.
    coefficients, error = lawson(np.vander((x / 4.25) ** 2, 9, increasing=True), slope, 200, np.maximum(x * x, 0.02))
    show("Q(x^2)", coefficients / 4.25 ** (2 * np.arange(9)), error)


if __name__ == "__main__":
    main()
