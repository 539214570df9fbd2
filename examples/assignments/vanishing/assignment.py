"""Vanishing gradients: 30 points. Closed formulas judge where there are any; else complex steps, which need no backward pass."""

from minigrad import sigmoid

assignment("vanishing", title="Vanishing gradients: why the RNN barely works", seconds=30)

T, H, D = 12, 5, 3
rules = dict(allow=["numpy"])
states = dict(function="norms_back", takes=["slopes", "W", "g"], inputs=[(T, H), (H, H), (H,)], outputs=["norms"],
              parts=["norms"])


def products(slopes, W, g):
    """Each Jacobian written down as a matrix, and multiplied."""
    norms, J = [np.linalg.norm(g)], np.eye(H)
    for slope in slopes[::-1]:
        J = np.array([[W[i, j] * slope[j] for j in range(H)] for i in range(H)]) @ J
        norms.append(np.linalg.norm(J @ g))
    return np.array(norms)


def power_of_the_gain(slopes, W, g):
    """W is a gain times an orthogonal matrix, and there is no phi: a power, whatever g is."""
    return np.linalg.norm(W, 2) ** np.arange(T + 1.0) * np.linalg.norm(g)


def linear(rng):
    return np.ones((T, H)), rng.uniform(0.5, 1.5) * np.linalg.qr(rng.normal(size=(H, H)))[0], rng.normal(size=H)


def power_of_the_gate(b_f, g, steps):
    f = sigmoid(b_f)
    return np.array([np.linalg.norm(f ** k * g) for k in range(steps + 1)])


def of_an_rnn(xs, h0, W_x, W_h, b, g):
    """By complex steps, f(h + i e) = f(h) + i e f'(h): every unit of every state is moved by itself, and the rest computed."""
    states = [h0]
    for x in xs:
        states.append(np.tanh(x @ W_x + states[-1] @ W_h + b))
    norms = []
    for k in range(len(xs) + 1):
        h = states[len(xs) - k] + 1e-30j * np.eye(len(h0))
        for x in xs[len(xs) - k:]:
            h = np.tanh(x @ W_x + h @ W_h + b)
        norms.append(np.linalg.norm(h.imag @ g / 1e-30))
    return np.array(norms)


def rescaled(W, radius):
    return W * (radius / np.abs(np.linalg.eigvals(W)).max())


def orthogonal(A):
    """By Gram and Schmidt, column after column: the only Q with A = Q R and numbers above 0 on R's diagonal."""
    Q = np.zeros_like(A)
    for j in range(len(A)):
        rest = A[:, j] - Q[:, :j] @ (Q[:, :j].T @ A[:, j])
        rest -= Q[:, :j] @ (Q[:, :j].T @ rest)  # once more, for what rounding has left
        Q[:, j] = rest / np.linalg.norm(rest)
    return Q


def clipped(dW_x, dW_h, db, max_norm):
    norm = np.sqrt((dW_x ** 2).sum() + (dW_h ** 2).sum() + (db ** 2).sum())
    return [g * min(1.0, max_norm / norm) for g in (dW_x, dW_h, db)]


def gradients(size):
    """Of an RNN; size: of their norm, as a multiple of the largest that is allowed."""
    def drawn(rng):
        found = [rng.normal(size=shape) for shape in ((D, H), (H, H), (H,))]
        return *found, np.sqrt(sum((g ** 2).sum() for g in found)) / size
    return drawn


clip = dict(function="clip", reference=clipped, takes=["dW_x", "dW_h", "db", "max_norm"],
            outputs=["clipped_W_x", "clipped_W_h", "clipped_b"], parts=["clipped_W_x", "clipped_W_h", "clipped_b"], **rules)

question("norms_back", points=8, reference=products, low=-1.0, high=1.0, **states, **rules)
question("gain", points=2, reference=power_of_the_gain, **{**states, "inputs": linear}, **rules)
question("gate", points=4, function="gate_norms", reference=power_of_the_gate, outputs=["norms"], parts=["norms"],
         inputs=lambda rng: (rng.uniform(-1, 4, H), rng.normal(size=H), T), takes=["b_f", "g", "steps"],
         needs=["norms_back"], **rules)
question("rnn_norms", points=6, function="rnn_norms", reference=of_an_rnn, low=-1.0, high=1.0,
         inputs=[(T, D), (H,), (D, H), (H, H), (H,), (H,)], outputs=["norms"], takes=["xs", "h0", "W_x", "W_h", "b", "g"],
         parts=["norms"], needs=["norms_back"], **rules)
question("rescaled", points=3, function="rescaled", reference=rescaled, outputs=["W_new"], parts=["W_new"], takes=["W", "radius"],
         inputs=lambda rng: (rng.normal(size=(H, H)), rng.uniform(0.5, 1.5)), **rules)
question("orthogonal", points=3, function="orthogonal", reference=orthogonal, outputs=["Q"], parts=["Q"], takes=["A"],
         inputs=lambda rng: (rng.normal(size=(H, H)),), **rules)
question("clip", points=3, inputs=gradients(5.0), **clip)
question("clip_small", points=1, inputs=gradients(0.5), **clip)
