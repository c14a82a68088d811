"""The polynomials and the quotient of rust/cpu/src/simd/math.rs: Remez, then a search over roundings to f32.

Run: python tools/minimax.py            (needs numpy and mpmath; prints the constants, lowest power first, and the
                                         largest error of the rounded polynomial relative to the function's result)
"""

import itertools

import mpmath as mp
import numpy as np

mp.mp.dps = 60
TINY = mp.mpf(10) ** -18  # stands in for 0 where a quotient has a removable singularity


def remez(f, weight, low, high, degree, rounds=12):
    """The coefficients c that minimise max |weight · (Σ c_j x^j − f)| on [low, high]."""
    low, high = mp.mpf(low), mp.mpf(high)
    count = degree + 2
    chebyshev = lambda i, n: (low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * i / (n - 1))
    points = [chebyshev(i, count) for i in range(count)]
    grid = [chebyshev(i, 1200) + TINY for i in range(1200)]
    table = [(x, f(x), weight(x)) for x in grid]
    for _ in range(rounds):
        rows, right = mp.matrix(count, count), mp.matrix(count, 1)
        for i, x in enumerate(points):
            w = weight(x + TINY)
            for j in range(degree + 1):
                rows[i, j] = w * x**j
            rows[i, degree + 1] = (-1) ** i
            right[i] = w * f(x + TINY)
        c = list(mp.lu_solve(rows, right))[: degree + 1]
        errors = [w * (mp.polyval(c[::-1], x) - y) for x, y, w in table]
        peaks = extrema(errors, count)
        if len(peaks) < count:
            break
        points = [grid[i] for i in peaks]
    return c


def quotient(f, low, high, above, below, rounds=14):
    """The coefficients p, q (q_0 = 1) that minimise max |Σ p_j x^j / Σ q_j x^j / f − 1| on [low, high]."""
    low, high = mp.mpf(low), mp.mpf(high)
    count = above + below + 2
    chebyshev = lambda i, n: (low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * i / (n - 1))
    points = [chebyshev(i, count) for i in range(count)]
    grid = [chebyshev(i, 1500) for i in range(1500)]
    table = [(x, f(x)) for x in grid]
    q = [mp.mpf(1)] + [mp.mpf(0)] * below
    for _ in range(rounds):
        # P − f Q = ± E f Q at the points, E being unknown and Q that of the step before: repeated, it converges.
        for _ in range(8):
            rows, right = mp.matrix(count, count), mp.matrix(count, 1)
            for i, x in enumerate(points):
                right[i] = f(x)
                for j in range(above + 1):
                    rows[i, j] = x**j
                for j in range(1, below + 1):
                    rows[i, above + j] = -right[i] * x**j
                rows[i, count - 1] = -((-1) ** i) * right[i] * mp.polyval(q[::-1], x)
            c = list(mp.lu_solve(rows, right))
            p, q = c[: above + 1], [mp.mpf(1), *c[above + 1 : count - 1]]
        errors = [mp.polyval(p[::-1], x) / mp.polyval(q[::-1], x) / y - 1 for x, y in table]
        peaks = extrema(errors, count)
        if len(peaks) < count:
            break
        points = [grid[i] for i in peaks]
    return p, q


def extrema(errors, count):
    """One extremum of each run of equal sign; the alternation wants exactly `count` of them."""
    runs = [list(group) for _, group in itertools.groupby(range(len(errors)), lambda i: errors[i] > 0)]
    peaks = [max(run, key=lambda i: abs(errors[i])) for run in runs]
    while len(peaks) > count:
        peaks.pop(0 if abs(errors[peaks[0]]) < abs(errors[peaks[-1]]) else -1)
    return peaks


def to_f32(c, f, weight, low, high):
    """Rounds to f32, then moves single coefficients by units in the last place while the largest error falls."""
    low, high = mp.mpf(low), mp.mpf(high)
    grid = [low + (high - low) * i / 3000 + TINY for i in range(3001)]
    # Deviations from the unrounded polynomial are small: float64 holds them and the error to many digits.
    base = np.array([float(weight(x) * (mp.polyval(c[::-1], x) - f(x))) for x in grid])
    powers = np.array([[float(weight(x) * x**j) for x in grid] for j in range(len(c))])
    rounded = [np.float32(float(v)) for v in c]
    exact = np.array([float(v) for v in c])

    def error(values):
        return np.abs(base + (np.array(values, dtype=np.float64) - exact) @ powers).max()

    return search(rounded, error)


def search(rounded, error):
    """Moves coefficients by units in the last place, one or two at a time, while the error falls."""
    best, improved = error(rounded), True
    while improved:
        improved = False
        for steps in itertools.chain(
            ({j: d} for j in range(len(rounded)) for d in (-3, -2, -1, 1, 2, 3)),
            (
                {j: d, k: e}
                for j, k in itertools.combinations(range(len(rounded)), 2)
                for d in (-1, 1)
                for e in (-2, -1, 1, 2)
            ),
        ):
            trial = list(rounded)
            for j, d in steps.items():
                for _ in range(abs(d)):
                    trial[j] = np.nextafter(trial[j], np.float32(np.inf if d > 0 else -np.inf))
            if (e := error(trial)) < best * 0.999:
                best, rounded, improved = e, trial, True
    return rounded, best


def show(name, f, weight, low, high, degree):
    c, error = to_f32(remez(f, weight, low, high, degree), f, weight, low, high)
    print(f"{name}, degree {degree}, on [{mp.nstr(mp.mpf(low), 6)}, {mp.nstr(mp.mpf(high), 6)}]: {error:.2e}")
    print("   ", ", ".join(str(v) for v in c))


def show_quotient(name, f, low, high, above, below):
    p, q = quotient(f, low, high, above, below)
    grid = np.linspace(float(low), float(high), 3001)
    exact = np.array([float(f(mp.mpf(x))) for x in grid])

    def error(c):
        over, under = c[: above + 1], [1.0, *c[above + 1 :]]
        return np.abs(
            np.polyval(np.array(over[::-1], float), grid) / np.polyval(np.array(under[::-1], float), grid) / exact - 1
        ).max()

    c, largest = search([np.float32(float(v)) for v in [*p, *q[1:]]], error)
    print(
        f"{name}, degrees {above} and {below}, on [{mp.nstr(mp.mpf(low), 6)}, {mp.nstr(mp.mpf(high), 6)}]: {largest:.2e}"
    )
    print("   ", ", ".join(str(v) for v in c[: above + 1]))
    print("   ", ", ".join(str(v) for v in [np.float32(1), *c[above + 1 :]]))


# The half-width of exp's reduced argument, with room for a quotient that was rounded to the farther integer.
half = mp.log(2) / 2 * mp.mpf("1.0001")
show(
    "EXPM1: (exp(r) - 1 - r) / r²",
    lambda r: (mp.expm1(r) - r) / r**2,
    lambda r: abs(r**2 / mp.expm1(r)),
    -half,
    half,
    4,
)

show(
    "LOG1P: (log1p(f) - f + f²/2) / f³",
    lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3,
    lambda f: abs(f**3 / mp.log1p(f)),
    mp.sqrt(0.5) - 1,
    mp.sqrt(2) - 1,
    7,
)

SPLIT = mp.mpf("0.92")
show(
    "ERF: erf(√s) / √s - 1",
    lambda s: mp.erf(mp.sqrt(abs(s))) / mp.sqrt(abs(s)) - 1,
    lambda s: mp.sqrt(abs(s)) / mp.erf(mp.sqrt(abs(s))),
    0,
    SPLIT**2,
    5,
)
show(
    "LOG_ERFC: log(erfc(t))",
    lambda t: mp.log(mp.erfc(t)),
    lambda t: mp.erfc(t) / mp.erf(t),
    SPLIT,
    4,
    6,
)

show_quotient(
    "NORMAL_TAIL: Φ(−a) exp(a²/2)", lambda a: mp.erfc(a / mp.sqrt(2)) * mp.exp(a * a / 2) / 2, 0, "13.25", 4, 5
)
