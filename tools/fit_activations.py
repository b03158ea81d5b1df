#!/usr/bin/env python3
"""Fit the polynomials of src/kernels/activation-inl.h and print their coefficients and errors.

    fit_activations.py

exp(r) on |r| <= ln(2)/2, and the normal tail Phi(-a) = exp(-a^2/2) * P(t), t = 1/(1 + 0.3 a), on 0 <= a <= 14: least
squares with weights that grow where the relative error is large, until it is nearly even (Lawson's iteration).
Needs: numpy, mpmath.
"""
import numpy as np
from mpmath import mp, mpf, erfc, exp, sqrt

mp.dps = 40


def lawson(basis, target, rounds):
    weights = np.ones_like(target)
    for _ in range(rounds):
        scale = weights / np.abs(target)
        coefficients, *_ = np.linalg.lstsq(basis * scale[:, None], target * scale, rcond=None)
        error = np.abs((basis @ coefficients - target) / target)
        weights *= (error / error.max()) ** 0.3 + 1e-3
        weights /= weights.max()
    return coefficients, error.max()


def show(name, coefficients, error):
    print(f"{name}: relative error {error:.2e}")
    for power, value in enumerate(coefficients):
        print(f"  x^{power}: {float(np.float32(value))!r}f")


def main():
    unit = (1 - np.cos(np.linspace(0, np.pi, 400))) / 2
    r = (2 * unit - 1) * float(np.log(2) / 2)
    show("exp(r)", *lawson(np.vander(r, 7, increasing=True), np.exp(r), 60))
    a = unit * 14
    tail = np.array([float(erfc(mpf(x) / sqrt(2)) / 2 * exp(mpf(x) ** 2 / 2)) for x in a])
    show("P(t)", *lawson(np.vander(1 / (1 + 0.3 * a), 9, increasing=True), tail, 60))


if __name__ == "__main__":
    main()
