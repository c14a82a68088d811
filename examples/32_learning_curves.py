"""Row 32: the three learning curves, watched while a network learns, and kept as a picture, a CSV file and TensorBoard's.

Lecture: "Monitoring Three Learning Curves". The data: scikit-learn's digits.
"""

import importlib.util

import numpy as np
from _common import canvas, options, save, verdict

import ferrograd as fg
from ferrograd import nn, optim

args = options(__doc__)
split = fg.data.digits()
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Dropout(0.3), nn.Linear(32 * 2 * 2, 10),
)  # fmt: skip
log = args.out / "32_learning_curves.csv"
callbacks = [fg.train.CSVLogger(log), fg.train.EarlyStopping(patience=10)]
if importlib.util.find_spec("tensorboard") is None:
    print("TensorBoard's files are not written: the package tensorboard is not installed")
else:
    callbacks.append(fg.train.TensorBoard(args.out / "32_tensorboard"))

optimizer = optim.Adam(model.parameters(), lr=3e-3)
trainer = fg.train.Trainer(model, nn.CrossEntropyLoss(), optimizer, callbacks=callbacks)
# The progress bar (in a log file: a line an epoch) shows the three curves' last numbers.
history = trainer.fit(split.train, split.dev, epochs=2 if args.quick else 30)
print(f"ended after epoch {len(history)}: {history.stopped or 'all epochs done'}")
print("diagnosis:", fg.train.diagnose(history, model))

# Each kept number is the number that the model itself gives, by a count that owes nothing to the trainer.
model.eval()
dev = np.mean(model(fg.tensor(split.dev[0])).argmax(1).numpy() != split.dev[1])
table = fg.train.History.from_csv(log)
agree = dev == history.dev_error[history.best()] and table.records == history.records
test = trainer.evaluate(split.test)["error"]
history.plot(log.with_suffix(".svg"), title="digits")  # The library's own picture.

figure, (above, below) = canvas(2, 1, size=(6.4, 5), sharex=True)
above.plot(history["epoch"], history.objective, color="black", linewidth=2, label="objective (training)")
above.set(ylabel="cross entropy (nats)", yscale="log")
below.plot(history["epoch"], 100 * history.train_error, linewidth=2, label="training error")
below.plot(history["epoch"], 100 * history.dev_error, linewidth=2, label="development error")
below.plot(1 + history.best(), 100 * history.dev_error.min(), "*", color="black", markersize=14, label="best epoch")
below.set(xlabel="epoch", ylabel="error (%)", ylim=(0, max(10, 110 * history.dev_error[2:].max(initial=0))))
for axes in (above, below):
    axes.grid(alpha=0.3)
    axes.legend(fontsize=12)
save(figure, args)
verdict(
    args,
    f"{len(history)} epochs watched, best development error {history.dev_error.min():.1%}, test error {test:.1%}, CSV "
    f"{'agrees' if agree else 'differs'}",
    "curves equal an independent count to the last bit; test error at most 3 %",
    agree and test <= 0.03,
)

# What to see: the objective and the training error fall on, the development error comes to rest; the run ends ten epochs
# after its best one, whose weights are kept.
