"""Row 33: what the learning curves tell. Runs made wrong on purpose, each named from its curves and gradients alone.

Lecture: "Insights from Figures". The data: scikit-learn's digits, wine and breast cancer, on none of which (and on none of
whose three models and five seeds) a threshold of `train.diagnose` was set.
"""

import itertools

import numpy as np
from _common import canvas, options, save, verdict
from _faults import DATA, FAULTS, MODELS, run

import ferrograd as fg

args = options(__doc__)
seeds = range(20 + args.seed, 20 + args.seed + (1 if args.quick else 5))
kinds = ("healthy", *FAULTS)
models, sets = (list(MODELS)[:1], list(DATA)[1:2]) if args.quick else (MODELS, DATA)
named = {kind: dict.fromkeys(kinds, 0) for kind in kinds}
shown = {}
for kind in kinds:
    for model, data, seed in itertools.product(models, sets, seeds):
        history, net = run(model, data, None if kind == "healthy" else kind, seed)
        found = fg.train.diagnose(history, net)
        named[kind].setdefault(found.name, 0)
        named[kind][found.name] += 1
        if len(history) and kind not in shown:
            shown[kind] = history
            print(f"{kind}, a {model} network on {data}:\n    {found}")

print(f"\n{'made':24}" + "".join(f"{kind.replace('learning rate', 'rate'):>20}" for kind in kinds) + "   (named)")
for kind in kinds:
    print(f"{kind:24}" + "".join(f"{named[kind][name] or '·':>20}" for name in kinds))
right = sum(named[kind][kind] for kind in FAULTS)
total = sum(sum(named[kind].values()) for kind in FAULTS)
healthy = sum(named["healthy"].values())
alarms = healthy - named["healthy"]["healthy"]

figure, panels = canvas(2, 4, size=(10, 4.6))
for axes, kind in zip(panels.flat, kinds, strict=True):
    history = shown.get(kind)
    if history is not None:
        low = 1e-3
        axes.plot(history["epoch"], np.clip(history.objective, low, 1e4), linewidth=2, label="objective")
        axes.plot(history["epoch"], np.clip(history["dev objective"], low, 1e4), linewidth=2, label="development")
    axes.set(title=kind.replace("learning rate", "rate"), yscale="log", ylim=(1e-3, 30))
panels[0, 0].legend(fontsize=10, loc="lower left")
for axes in panels[1]:
    axes.set_xlabel("epoch")
for axes in panels[:, 0]:
    axes.set_ylabel("cross entropy")
save(figure, args)
verdict(
    args,
    f"{right} of {total} faults named rightly ({right / total:.0%}), {alarms} false alarms in {healthy} healthy runs",
    "80 % named, 1 false alarm in 30",
    right >= 0.8 * total and alarms <= healthy / 30,
)

# What to see: the table's diagonal. In the picture a rate too high jumps and stays up, one too low hardly falls,
# under-fitting rests high, over-fitting's development curve turns upward, dead units and a vanishing gradient lie flat, an
# exploding one begins far above all others.
