"""Row 33: what the learning curves tell. Runs made wrong on purpose, each named from its curves and gradients alone.

Lecture: "Insights from Figures". The data: scikit-learn's digits, wine and breast cancer, on none of which (and on none of
whose three models and five seeds) a threshold of `train.diagnose` was set.
"""

import itertools

from _common import canvas, options, save, verdict
from _faults import DATA, FAULTS, MODELS, run

import ferrograd as fg

#: What the picture says of each: a form of the first finding's figures.
SAYS = {
    "learning rate too high": "rises to {0:.2g} × the first", "learning rate too low": "late / early fall {0:.0%}",
    "under-fitting": "ends at {0:.0%} of the start", "over-fitting": "development {1:.2g} × its lowest",
    "dead units": "{0:.0%} of a layer's units", "exploding gradient": "first gradient {0:.2g}",
    "vanishing gradient": "first layers get {0:.0e}", "healthy": "both fall",
}  # fmt: skip

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
        if len(history) > 5 and found.name == kind and kind not in shown:
            shown[kind] = history, found
            print(f"{kind}, a {model} network on {data}:\n    {found}")

print(f"\n{'made':24}" + "".join(f"{kind.replace('learning rate', 'rate'):>20}" for kind in kinds) + "   (named)")
for kind in kinds:
    print(f"{kind:24}" + "".join(f"{named[kind][name] or '·':>20}" for name in kinds))
right = sum(named[kind][kind] for kind in FAULTS)
total = sum(sum(named[kind].values()) for kind in FAULTS)
healthy = sum(named["healthy"].values())
alarms = healthy - named["healthy"]["healthy"]

figure, panels = canvas(2, 4, size=(10, 5))
for axes, kind in zip(panels.flat, kinds, strict=True):
    history, found = shown[kind]
    axes.plot(history["epoch"], history.objective, linewidth=2, label="training")
    axes.plot(history["epoch"], history["dev objective"], linewidth=2, label="development")
    figures = found.findings[0].evidence.values() if len(found) else ()
    axes.set_title(f"{kind.replace('learning ', '')}\n{SAYS[found.name].format(*figures)}", fontsize=12)
    axes.set(yscale="log" if history.objective.max() > 3 * history.objective.min() else "linear")
panels[0, 0].legend(fontsize=10)
for axes in panels[1]:
    axes.set_xlabel("epoch")
for axes in panels[:, 0]:
    axes.set_ylabel("cross entropy (nats)")
save(figure, args)
verdict(
    args,
    f"{right} of {total} faults named rightly ({right / total:.0%}), {alarms} false alarms in {healthy} healthy runs",
    "80 % named, 1 false alarm in 30",
    right >= 0.8 * total and alarms <= healthy / 30,
)

# What to see: the table's diagonal. In the picture (mind the scales) a rate too high jumps up at first, one too low falls
# as slowly at the end as at the beginning, under-fitting rests high, over-fitting's development curve turns upward, an
# exploding gradient begins far above the others; dead units and a vanishing gradient rest where they began: their gradients
# say why.
