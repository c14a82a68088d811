"""Recurrent layers and cells. The second input, where there is one, is the initial state."""

from ._layer import Layer

LAYERS = [
    Layer("rnn", "RNN", (3, 4), shape=(4, 2, 3)),
    Layer("rnn-relu", "RNN", (3, 4), dict(num_layers=2, nonlinearity="relu", bias=False), shape=((3, 2, 3), (2, 2, 4))),
    Layer("rnn-bidirectional", "RNN", (2, 3), dict(bidirectional=True, batch_first=True), shape=((2, 4, 2), (2, 2, 3))),
    Layer("rnn-one-sequence", "RNN", (2, 3), dict(num_layers=2, bidirectional=True), shape=((3, 2), (4, 3))),
    Layer("lstm", "LSTM", (3, 4), shape=(4, 2, 3)),
    Layer(
        "lstm-deep",
        "LSTM",
        (3, 2),
        dict(num_layers=2, bidirectional=True, dropout=0.5, batch_first=True),
        shape=(2, 4, 3),
        training=False,
    ),
    Layer("lstm-no-bias", "LSTM", (2, 3), dict(bias=False, num_layers=2), shape=(3, 2, 2)),
    Layer("lstm-one-sequence", "LSTM", (2, 3), shape=(4, 2)),
    Layer("lstm-proj", "LSTM", (3, 4), dict(proj_size=2, num_layers=2, bidirectional=True), shape=(3, 2, 3)),
    Layer("gru", "GRU", (3, 4), shape=((4, 2, 3), (1, 2, 4))),
    Layer("gru-deep", "GRU", (3, 2), dict(num_layers=2, bidirectional=True, batch_first=True), shape=(2, 4, 3)),
    Layer("gru-no-bias", "GRU", (2, 3), dict(bias=False), shape=(4, 2)),
    Layer("rnncell", "RNNCell", (3, 4), shape=((2, 3), (2, 4))),
    Layer("rnncell-relu", "RNNCell", (3, 4), dict(nonlinearity="relu", bias=False), shape=(3,)),
    Layer("lstmcell", "LSTMCell", (3, 4), shape=(2, 3)),
    Layer("lstmcell-one", "LSTMCell", (3, 2), dict(bias=False), shape=(3,)),
    Layer("grucell", "GRUCell", (3, 4), shape=((2, 3), (2, 4))),
    Layer("grucell-one", "GRUCell", (3, 2), dict(bias=False), shape=((3,), (2,))),
]
