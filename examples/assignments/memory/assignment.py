"""Long memory: 40 points. What train returns is judged by the forward below, on a text that no submission has seen."""

from minigrad import concat, log_softmax, mean, sigmoid, stack, tanh

assignment("memory", title="Long memory: a model of letters", seconds=90)

LETTERS, HIDDEN = 6, 24
RUNS = np.array([4, 5, 6, 8, 10, 12])  # how often a letter is repeated; which letter has which length is drawn
STOP = 1 / RUNS  # how often another letter follows
UNKNOWN = STOP - STOP * np.log2(STOP) - (1 - STOP) * np.log2(1 - STOP)  # bits: does the run end? If so, one bit for the next one
ORDER_1 = (RUNS * UNKNOWN).sum() / RUNS.sum()  # 0.68 bits: the best without memory, from the letter before alone
BEST = 0.32  # bits: over ten seeds the reference has 0.19 to 0.29, in the median 0.23. No model can have less than 1/7.5 = 0.13


def language(rng):
    """Letters on a circle, and their runs. After its run, a letter is followed by one of the next two: 1 bit that is news."""
    circle, runs = rng.permutation(LETTERS), rng.permutation(RUNS)

    def text(length):
        place, letters = int(rng.integers(LETTERS)), []
        while len(letters) < length:
            letters += [circle[place]] * runs[place]
            place = (place + int(rng.integers(1, 3))) % LETTERS
        return np.array(letters[:length])
    return text


def forward(xs, h, c, W, b, V, d):
    """The model in NumPy, which judges; of complex numbers too."""
    logits, H = [], W.shape[1] // 4
    for x in xs:
        z = np.concatenate([h, x], axis=-1) @ W + b
        f, i, o = (0.5 + 0.5 * np.tanh(0.5 * z[:, k * H:(k + 1) * H]) for k in (0, 1, 3))
        c = f * c + i * np.tanh(z[:, 2 * H:3 * H])
        h = o * np.tanh(c)
        logits.append(h @ V + d)
    return np.array(logits), h, c


def loss(logits, targets):
    """Bits for a letter, of complex numbers too."""
    logits = logits - logits.real.max(axis=-1, keepdims=True)
    right = np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return (np.log(np.exp(logits).sum(axis=-1)) - right).mean() / np.log(2)


def bits(logits, targets):
    T, B = targets.shape
    return -mean(log_softmax(logits, axis=-1)[np.arange(T)[:, None], np.arange(B), targets]) / np.log(2)


def model(xs, h, c, W, b, V, d):
    hs, H = [], W.shape[1] // 4
    for t in range(len(xs)):
        z = concat(h, xs[t], axis=-1) @ W + b
        c = sigmoid(z[:, :H]) * c + sigmoid(z[:, H:2 * H]) * tanh(z[:, 2 * H:3 * H])
        h = sigmoid(z[:, 3 * H:]) * tanh(c)
        hs.append(h)
    return stack(hs) @ V + d, h, c


def truncated(letters, h, c, W, b, V, d, length):
    """Each derivative is a complex step, f(w + i e) = f(w) + i e f'(w): no backward pass that could have the same mistake."""
    weights, T, total = [W, b, V, d], len(letters) - 1, 0.0
    gradients = [np.zeros(w.shape) for w in weights]
    for start in range(0, T, length):
        piece = letters[start:start + length + 1]
        xs, share = np.eye(len(d))[piece[:-1]], (len(piece) - 1) / T
        for w, g in zip(range(4), gradients):
            for place in np.ndindex(g.shape):
                moved = [array.astype(complex) for array in weights]
                moved[w][place] += 1e-30j
                g[place] += share * loss(forward(xs, h, c, *moved)[0], piece[1:]).imag / 1e-30
        logits, h, c = forward(xs, h, c, *weights)
        total += share * loss(logits, piece[1:])
    return total, h, c, *gradients


def probabilities(logits, temperature):
    p = np.exp((logits - logits.max(axis=-1, keepdims=True)) / temperature)
    return p / p.sum(axis=-1, keepdims=True)


def sample(letter, h, c, W, b, V, d, temperature, us):
    written = [letter]
    for u in us:
        logits, h, c = forward(np.eye(len(d))[[written[-1:]]], h, c, W, b, V, d)
        ends = np.cumsum(probabilities(logits[0, 0], temperature))
        written.append(int((ends <= u).sum()))
    return np.array(written[1:])


def quality(letters, K, H, seed, held_out, weights):
    zeros = np.zeros((held_out.shape[1], H))
    return loss(forward(np.eye(K)[held_out[:-1]], zeros, zeros, **weights)[0], held_out[1:]), ORDER_1, BEST


def some_logits(rng):
    """Some are so large that exp() of them is infinite: a constant in all logits of a letter changes nothing."""
    return rng.normal(size=(3, 2, 5)) + rng.choice([0.0, 800.0], size=(3, 2, 1)), rng.integers(5, size=(3, 2))


def weights(rng, K, H):
    return rng.normal(size=(H + K, 4 * H)), rng.normal(size=4 * H), rng.normal(size=(H, K)), rng.normal(size=K)


def pieces(rng):
    """Seven letters in pieces of 3, 3 and 1."""
    return rng.integers(4, size=(8, 2)), rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), *weights(rng, 4, 3), 3


def writing(rng):
    return int(rng.integers(5)), *rng.normal(size=(2, 1, 3)), *weights(rng, 5, 3), rng.uniform(0.3, 2), rng.uniform(size=20)


def training(rng):
    text = language(rng)
    return text(30_000), LETTERS, HIDDEN, int(rng.integers(1000)), np.stack([text(500) for _ in range(10)], axis=1)


numpy_alone = dict(allow=["numpy"])
rules = dict(withhold=["LSTMCell", "LSTM", "GRUCell", "GRU"])
arrays = ["h", "c", "W", "b", "V", "d"]

question("bits", points=2, function="bits", reference=bits, inputs=some_logits, outputs=["loss"], takes=["logits", "targets"],
         parts=["loss"], **numpy_alone)
question("bits_backward", points=4, function="bits_backward", reference=bits, inputs=some_logits, outputs=["loss"],
         takes=["dloss", "logits", "targets"], parts=["dlogits"], **numpy_alone)
question("probabilities", points=4, function="probabilities", reference=probabilities, outputs=["p"], parts=["p"],
         inputs=lambda rng: (some_logits(rng)[0], rng.uniform(0.3, 2)), takes=["logits", "temperature"], **numpy_alone)
question("model", points=8, tensors="model", reference=model, low=-1.0, high=1.0, **rules,
         inputs=[(4, 2, 5), (2, 3), (2, 3), (8, 12), (12,), (3, 5), (5,)])
question("truncated", points=7, function="truncated", reference=truncated, inputs=pieces, takes=["letters", *arrays, "length"],
         outputs=["loss", "h_new", "c_new", "gW", "gb", "gV", "gd"], needs=["model", "bits", "bits_backward"],
         parts=["loss", "h_new", "c_new", "gW", "gb", "gV", "gd"], **rules)
question("sample", points=4, function="sample", reference=sample, inputs=writing, outputs=["written"], parts=["written"],
         takes=["letter", *arrays, "temperature", "us"], needs=["model", "probabilities"], **rules)
question("train", points=11, trains="train", reference=quality, inputs=training, takes=["letters", "K", "H", "seed"], sets=1,
         weights={"W": (HIDDEN + LETTERS, 4 * HIDDEN), "b": (4 * HIDDEN,), "V": (HIDDEN, LETTERS), "d": (LETTERS,)},
         measure="loss_of", needs=["truncated"], seconds=60, **rules)
