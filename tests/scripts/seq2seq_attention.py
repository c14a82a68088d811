"""Sequence to sequence: a GRU with Bahdanau's attention turns sequences of letters around."""

import random

import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

EPOCHS = 8
BAR = 0.1  # of the share of unseen sequences with any wrong letter

PAD, SOS, EOS, LETTERS = 0, 1, 2, 10


class Encoder(nn.Module):
    def __init__(self, vocabulary, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden, padding_idx=PAD)
        self.gru = nn.GRU(hidden, hidden // 2, batch_first=True, bidirectional=True)

    def forward(self, source, lengths):
        packed = pack_padded_sequence(self.embedding(source), lengths, batch_first=True, enforce_sorted=False)
        output, hidden = self.gru(packed)
        output, _ = pad_packed_sequence(output, batch_first=True)
        return output, torch.cat([hidden[0], hidden[1]], dim=1)


class AttentionDecoder(nn.Module):
    def __init__(self, vocabulary, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden, padding_idx=PAD)
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden, bias=False)
        self.energy = nn.Linear(hidden, 1, bias=False)
        self.gru = nn.GRUCell(2 * hidden, hidden)
        self.out = nn.Linear(2 * hidden, vocabulary)

    def step(self, token, hidden, memory, keys, padding):
        scores = self.energy(torch.tanh(self.query(hidden).unsqueeze(1) + keys)).squeeze(-1)
        weights = F.softmax(scores.masked_fill(padding, float("-inf")), dim=-1)
        context = torch.bmm(weights.unsqueeze(1), memory).squeeze(1)
        hidden = self.gru(torch.cat([self.embedding(token), context], dim=-1), hidden)
        return self.out(torch.cat([hidden, context], dim=-1)), hidden

    def forward(self, memory, hidden, padding, steps, target=None):
        token = torch.full((len(memory),), SOS, dtype=torch.long)
        keys, outputs = self.key(memory), []
        for t in range(steps):
            logits, hidden = self.step(token, hidden, memory, keys, padding)
            outputs.append(logits)
            token = logits.argmax(dim=-1) if target is None else target[:, t]
        return torch.stack(outputs, dim=1)


def batch_of(words):
    source = pad_sequence([torch.tensor(word) for word in words], batch_first=True, padding_value=PAD)
    target = pad_sequence([torch.tensor([*word[::-1], EOS]) for word in words], batch_first=True, padding_value=PAD)
    return source, torch.tensor([len(word) for word in words]), target


torch.manual_seed(0)
random.seed(0)
words = [[random.randrange(3, 3 + LETTERS) for _ in range(random.randint(3, 5))] for _ in range(2200)]
train_words, test_words = words[:2000], [word for word in words[2000:] if word not in words[:2000]]

encoder, decoder = Encoder(3 + LETTERS, 48), AttentionDecoder(3 + LETTERS, 48)
optimizer = optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=5e-3)
criterion = nn.CrossEntropyLoss(ignore_index=PAD)
for epoch in range(EPOCHS):
    random.shuffle(train_words)
    for start in range(0, len(train_words), 50):
        source, lengths, target = batch_of(train_words[start : start + 50])
        memory, hidden = encoder(source, lengths)
        logits = decoder(memory, hidden, source == PAD, target.size(1), target)
        loss = criterion(logits.flatten(0, 1), target.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}  last loss {loss.item():.4f}")

with torch.no_grad():
    source, lengths, target = batch_of(test_words)
    guess = decoder(*encoder(source, lengths), source == PAD, target.size(1)).argmax(dim=-1)
    right = ((guess == target) | (target == PAD)).all(dim=1)
print(f"figure: {1 - right.float().mean().item():.4f}")
