"""A character model: a GRU learns to spell the numbers from 0 to 999 and is judged by numbers it has not seen."""

import torch
from torch import nn, optim
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pad_sequence

EPOCHS = 9
BAR = 1.45  # of the perplexity a character of unseen numbers; 1.66 for one that sees two characters back

WORDS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety"""
ONES, TENS = WORDS.split()[:20], WORDS.split()[20:]


def spell(n):
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10 - 2] + (f"-{ONES[n % 10]}" if n % 10 else "")
    return f"{ONES[n // 100]} hundred" + (f" and {spell(n % 100)}" if n % 100 else "")


class CharRNN(nn.Module):
    def __init__(self, vocabulary, embedding=24, hidden=64):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.rnn = nn.GRU(embedding, hidden, num_layers=1, batch_first=True)
        self.decoder = nn.Linear(hidden, vocabulary)

    def forward(self, x, hidden=None):
        output, hidden = self.rnn(self.embedding(x), hidden)
        return self.decoder(output), hidden


torch.manual_seed(0)
words = [spell(n) for n in range(1000)]
letters = sorted(set("".join(words)))
index = {letter: i + 1 for i, letter in enumerate(letters)}  # 0 begins, ends and pads
lines = [torch.tensor([0] + [index[c] for c in word] + [0]) for word in words]
order = torch.randperm(1000).tolist()
train_lines, test_lines = [lines[i] for i in order[:800]], [lines[i] for i in order[800:]]


def loss_of(model, batch):
    padded = pad_sequence(batch, batch_first=True, padding_value=-100)
    logits, _ = model(padded[:, :-1].clamp(min=0))
    return nn.functional.cross_entropy(logits.transpose(1, 2), padded[:, 1:], ignore_index=-100)


model = CharRNN(len(letters) + 1)
optimizer = optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(EPOCHS):
    for batch in torch.randperm(len(train_lines)).split(40):
        optimizer.zero_grad()
        loss = loss_of(model, [train_lines[i] for i in batch.tolist()])
        loss.backward()
        clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step()
    print(f"epoch {epoch + 1:2d}  last loss {loss.item():.4f}")


@torch.no_grad()
def sample(temperature=0.7, limit=40):
    letter, hidden, text = torch.zeros(1, 1, dtype=torch.long), None, ""
    while len(text) < limit:
        logits, hidden = model(letter, hidden)
        letter = torch.multinomial(torch.softmax(logits[0] / temperature, dim=-1), num_samples=1)
        if letter.item() == 0:
            break
        text += letters[letter.item() - 1]
    return text


model.eval()
print("; ".join(sample() for _ in range(5)))
with torch.no_grad():
    print(f"figure: {loss_of(model, test_lines).exp().item():.4f}")
