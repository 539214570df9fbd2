"""One training step of a character LSTM, written for several frameworks: one-hot characters -> LSTM(H) -> Linear(V) -> mean
cross-entropy -> SGD, in float32. Each function gets the same arrays and returns a step, a function that gives the loss.

W (H + V, 4 H) has the weights of minigrad's LSTMCell side by side: f, i, o, c~.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

V, LR = 65, 0.1
Step = Callable[[], float]


def arrays(T: int, B: int, H: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    scale = 1 / np.sqrt(H)
    characters = rng.integers(0, V, (T + 1, B))
    return {"x": np.eye(V, dtype=np.float32)[characters[:-1]], "target": characters[1:],
            "W": rng.uniform(-scale, scale, (H + V, 4 * H)).astype(np.float32), "b": np.zeros(4 * H, np.float32),
            "V": rng.uniform(-scale, scale, (H, V)).astype(np.float32), "c": np.zeros(V, np.float32)}


def _minigrad_step(x, target, W, b, V, c, kind: str) -> Step:
    from minigrad import layers
    from minigrad.optim import SGD

    H = len(V)
    layer = getattr(layers, kind)(x.shape[-1], H, rng=np.random.default_rng(0), dtype=np.float32)
    output = layers.Linear(H, V.shape[1], rng=np.random.default_rng(0), dtype=np.float32)
    blocks = np.split(W, 4, axis=1)
    if "LSTM" in kind:
        blocks = [blocks[i] for i in (0, 1, 3, 2)]
        (layer if kind == "LSTMCell" else layer.cells[0]).b_f.data[:] = 0
    for p, block in zip((p for name, p in layer.named_parameters() if "W" in name), blocks):  # LSTM: f, i, c~, o; GRU: z, r, h~
        p.data[:] = block
    output.W.data[:] = V
    optimizer = SGD(layer.parameters() + output.parameters(), lr=LR)

    def step() -> float:
        optimizer.zero_grad()
        h, _ = layers.unroll(layer, x) if kind == "LSTMCell" else layer(x)
        loss = layers.cross_entropy(output(h), target)
        loss.backward()
        optimizer.step()
        return loss.item()
    return step


def minigrad(**given) -> Step:
    return _minigrad_step(**given, kind="LSTM")


def minigrad_loop(**given) -> Step:
    """An ordinary loop over LSTMCell, each operation recorded."""
    return _minigrad_step(**given, kind="LSTMCell")


def minigrad_gru(**given) -> Step:
    return _minigrad_step(**given, kind="GRU")


def minigrad_rnn(**given) -> Step:
    return _minigrad_step(**given, kind="RNN")


def _sigmoid(x):
    return 0.5 * np.tanh(0.5 * x) + 0.5


def numpy_by_hand(x, target, W, b, V, c) -> Step:
    """Forward and backward written out, as in A. Karpathy's min-char-rnn, for an LSTM and whole batches."""
    (T, B, D), H = x.shape, len(V)
    rows = np.arange(T * B)

    def step() -> float:
        W_h, W_x = W[:H], W[H:]
        from_x = (x.reshape(T * B, D) @ W_x + b).reshape(T, B, 4 * H)
        h, cells = np.zeros((T + 1, B, H), np.float32), np.zeros((T + 1, B, H), np.float32)
        gates, tanh_c = np.empty((T, B, 4 * H), np.float32), np.empty((T, B, H), np.float32)
        for t in range(T):
            a = h[t - 1 if t else T] @ W_h + from_x[t]  # h[T] is still zero at t = 0
            a[:, :3 * H] = _sigmoid(a[:, :3 * H])
            a[:, 3 * H:] = np.tanh(a[:, 3 * H:])
            gates[t] = a
            f, i, o, candidate = a[:, :H], a[:, H:2 * H], a[:, 2 * H:3 * H], a[:, 3 * H:]
            cells[t + 1] = f * cells[t] + i * candidate
            tanh_c[t] = np.tanh(cells[t + 1])
            h[t] = o * tanh_c[t]
        hs = h[:T].reshape(T * B, H)
        logits = hs @ V + c
        logits -= logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        total = p.sum(axis=1, keepdims=True)
        loss = float((np.log(total[:, 0]) - logits[rows, target.reshape(-1)]).mean())
        p /= total
        p[rows, target.reshape(-1)] -= 1
        p /= T * B
        dV, dc = hs.T @ p, p.sum(axis=0)
        dh_out = (p @ V.T).reshape(T, B, H)
        da = np.empty((T, B, 4 * H), np.float32)
        dh, dC = np.zeros((B, H), np.float32), np.zeros((B, H), np.float32)
        W_hT = np.ascontiguousarray(W_h.T)
        for t in reversed(range(T)):
            a, d = gates[t], da[t]
            f, i, o, candidate = a[:, :H], a[:, H:2 * H], a[:, 2 * H:3 * H], a[:, 3 * H:]
            dh = dh + dh_out[t]
            dC = dC + dh * o * (1 - tanh_c[t] ** 2)
            d[:, :H] = dC * cells[t] * f * (1 - f)
            d[:, H:2 * H] = dC * candidate * i * (1 - i)
            d[:, 2 * H:3 * H] = dh * tanh_c[t] * o * (1 - o)
            d[:, 3 * H:] = dC * i * (1 - candidate ** 2)
            dh, dC = d @ W_hT, dC * f
        flat = da.reshape(T * B, 4 * H)
        dW = np.concatenate([h[:T - 1].reshape((T - 1) * B, H).T @ flat[B:], x.reshape(T * B, D).T @ flat])
        for parameter, gradient in ((W, dW), (b, flat.sum(axis=0)), (V, dV), (c, dc)):
            parameter -= LR * gradient
        return loss
    return step


def numpy_matmuls(x, target, W, b, V, c) -> Step:
    """Only the matrix products that forward and backward need."""
    (T, B, D), H = x.shape, len(V)
    flat_x = x.reshape(T * B, D)
    h, a, hs, da, p = (np.ones(shape, np.float32) for shape in ((B, H), (B, 4 * H), (T * B, H), (T * B, 4 * H), (T * B, len(c))))
    W_h, W_x, W_hT = W[:H], W[H:], np.ascontiguousarray(W[:H].T)

    def step() -> float:
        flat_x @ W_x
        for _ in range(T):
            h @ W_h
        hs @ V
        hs.T @ p
        p @ V.T
        for _ in range(T):
            a @ W_hT
        hs.T @ da
        flat_x.T @ da
        return float("nan")
    return step


def _torch_step(x, target, W, b, V, c, kind: str) -> Step:
    import torch

    torch.set_num_threads(1)
    H, blocks = len(V), np.split(W, 4, axis=1)
    x, target = torch.from_numpy(x), torch.from_numpy(target)
    W, b, V, c = (torch.from_numpy(a.copy()).requires_grad_() for a in (W, b, V, c))
    parameters = [W, b, V, c]
    if kind == "loop":  # LSTMCell's equations: four products
        Ws = [torch.from_numpy(a.copy()).requires_grad_() for a in blocks]
        bs = [torch.zeros(H, requires_grad=True) for _ in blocks]
        parameters = [*Ws, *bs, V, c]
    composed = kind in ("composed", "loop")
    if not composed:
        order = {"LSTM": (1, 0, 3, 2), "GRU": (1, 0, 2), "RNN": (0,)}[kind]  # LSTM: i, f, g, o; GRU: r, z, n
        rows = torch.from_numpy(np.concatenate([blocks[i] for i in order], axis=1).T.copy())
        layer = getattr(torch.nn, kind)(x.shape[-1], H)
        with torch.no_grad():
            layer.weight_hh_l0.copy_(rows[:, :H])
            layer.weight_ih_l0.copy_(rows[:, H:])
            layer.bias_hh_l0.zero_().requires_grad_(False)  # one bias is enough: two would learn twice as fast
            layer.bias_ih_l0.zero_()
        parameters = [*(p for p in layer.parameters() if p.requires_grad), V, c]
    optimizer = torch.optim.SGD(parameters, lr=LR)

    def composed_lstm():
        h = C = torch.zeros(x.shape[1], H)
        outputs = []
        for x_t in x:
            h_x = torch.cat([h, x_t], dim=1)
            f, i, o, g = [h_x @ W_k + b_k for W_k, b_k in zip(Ws, bs)] if kind == "loop" else (h_x @ W + b).chunk(4, dim=1)
            C = torch.sigmoid(f) * C + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(C)
            outputs.append(h)
        return torch.stack(outputs)

    def step() -> float:
        optimizer.zero_grad()
        h = composed_lstm() if composed else layer(x)[0]
        logits = h @ V + c
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, V.shape[1]), target.reshape(-1))
        loss.backward()
        optimizer.step()
        return loss.item()
    return step


def torch_composed(**given) -> Step:
    return _torch_step(**given, kind="composed")


def torch_loop(**given) -> Step:
    return _torch_step(**given, kind="loop")


def torch_fused(**given) -> Step:
    return _torch_step(**given, kind="LSTM")


def torch_gru(**given) -> Step:
    return _torch_step(**given, kind="GRU")


def torch_rnn(**given) -> Step:
    return _torch_step(**given, kind="RNN")


def hips_autograd(x, target, W, b, V, c) -> Step:
    import autograd.numpy as anp
    from autograd import value_and_grad

    (T, B, _), H = x.shape, len(V)
    t_index, b_index = np.indices((T, B))

    def loss_of(parameters):
        W, b, V, c = parameters
        h, C, outputs = np.zeros((B, H), np.float32), np.zeros((B, H), np.float32), []
        for t in range(T):
            a = anp.dot(anp.concatenate([h, x[t]], axis=1), W) + b
            gates = 0.5 * anp.tanh(0.5 * a[:, :3 * H]) + 0.5
            C = gates[:, :H] * C + gates[:, H:2 * H] * anp.tanh(a[:, 3 * H:])
            h = gates[:, 2 * H:] * anp.tanh(C)
            outputs.append(h)
        logits = anp.dot(anp.stack(outputs), V) + c
        largest = logits.max(axis=-1, keepdims=True)
        log_p = logits - largest - anp.log(anp.sum(anp.exp(logits - largest), axis=-1, keepdims=True))
        return -anp.mean(log_p[t_index, b_index, target])

    both = value_and_grad(loss_of)
    parameters = [W, b, V, c]

    def step() -> float:
        loss, gradients = both(parameters)
        for parameter, gradient in zip(parameters, gradients):
            parameter -= LR * gradient
        return float(loss)
    return step


def mygrad(x, target, W, b, V, c) -> Step:
    import mygrad as mg
    from mygrad.nnet.activations import sigmoid
    from mygrad.nnet.losses import softmax_crossentropy

    (T, B, _), H = x.shape, len(V)
    W, b, V, c = (mg.tensor(a) for a in (W, b, V, c))

    def step() -> float:
        h, C, outputs = np.zeros((B, H), np.float32), np.zeros((B, H), np.float32), []
        for t in range(T):
            a = mg.concatenate([h, x[t]], axis=1) @ W + b
            gates = sigmoid(a[:, :3 * H])
            C = gates[:, :H] * C + gates[:, H:2 * H] * mg.tanh(a[:, 3 * H:])
            h = gates[:, 2 * H:] * mg.tanh(C)
            outputs.append(h)
        logits = mg.concatenate(outputs, axis=0) @ V + c
        loss = softmax_crossentropy(logits, target.reshape(-1))
        loss.backward()
        for parameter in (W, b, V, c):
            parameter.data -= LR * parameter.grad
        return float(loss.item())
    return step


CONTESTANTS: dict[str, Callable[..., Step]] = {
    "minigrad": minigrad, "by hand": numpy_by_hand, "matmuls": numpy_matmuls, "torch composed": torch_composed,
    "torch nn.LSTM": torch_fused, "HIPS autograd": hips_autograd, "MyGrad": mygrad, "minigrad GRU": minigrad_gru,
    "torch nn.GRU": torch_gru, "minigrad RNN": minigrad_rnn, "torch nn.RNN": torch_rnn, "minigrad loop": minigrad_loop,
    "torch loop": torch_loop,
}
