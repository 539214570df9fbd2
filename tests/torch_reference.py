"""Computes PyTorch's numbers and writes them to tests/data/torch_reference.npz, for test_torch.py.

    python tests/torch_reference.py

It ran once, with the PyTorch version stored in the file as "version"; the tests themselves do not need PyTorch.
"""

from pathlib import Path

import numpy as np
import torch

OUT = Path(__file__).parent / "data" / "torch_reference.npz"
T, B, D, H = 5, 3, 4, 6
RECURRENT = {
    "rnn": (torch.nn.RNN, {}),
    "rnn 2 layers": (torch.nn.RNN, {"num_layers": 2}),
    "rnn bidirectional": (torch.nn.RNN, {"num_layers": 2, "bidirectional": True}),
    "lstm": (torch.nn.LSTM, {}),
    "lstm 2 layers": (torch.nn.LSTM, {"num_layers": 2}),
    "lstm bidirectional": (torch.nn.LSTM, {"num_layers": 2, "bidirectional": True}),
    "lstm batch_first": (torch.nn.LSTM, {"batch_first": True}),
}
OPTIMIZERS = {
    "SGD": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True}),
    "Adam": (torch.optim.Adam, {"lr": 0.1, "weight_decay": 0.1}),
    "AdamW": (torch.optim.AdamW, {"lr": 0.1}),
    "RMSprop": (torch.optim.RMSprop, {"lr": 0.1, "momentum": 0.5, "centered": True, "weight_decay": 0.1}),
    "Adagrad": (torch.optim.Adagrad, {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.2}),
}


def random(rng, *shape):
    return torch.tensor(rng.normal(size=shape), requires_grad=True)


def module_case(module, inputs, rng):
    """Inputs, weights, outputs, cotangents and all gradients of a module."""
    for p in module.parameters():
        p.data = torch.tensor(rng.normal(size=p.shape) * 0.5)
    result = module(*inputs)
    outputs = [result] if torch.is_tensor(result) else [result[0], *(result[1] if isinstance(result[1], tuple) else [result[1]])]
    cotangents = [torch.tensor(rng.normal(size=o.shape)) for o in outputs]
    torch.autograd.backward(outputs, cotangents)
    flat = [i for x in inputs for i in (x if isinstance(x, tuple) else (x,))]
    return ({f"input {i}": x.detach().numpy() for i, x in enumerate(flat)}
            | {f"input gradient {i}": x.grad.numpy() for i, x in enumerate(flat) if x.grad is not None}
            | {f"weight {name}": p.detach().numpy() for name, p in module.named_parameters()}
            | {f"gradient {name}": p.grad.numpy() for name, p in module.named_parameters()}
            | {f"output {i}": o.detach().numpy() for i, o in enumerate(outputs)}
            | {f"cotangent {i}": c.numpy() for i, c in enumerate(cotangents)})


def main():
    torch.set_default_dtype(torch.float64)
    rng = np.random.default_rng(0)
    found = {}
    for name, (kind, options) in RECURRENT.items():
        module = kind(D, H, **options)
        states = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
        x = random(rng, *((B, T, D) if options.get("batch_first") else (T, B, D)))
        state = tuple(random(rng, states, B, H) for _ in range(2 if kind is torch.nn.LSTM else 1))
        found[name] = module_case(module, (x, state if len(state) == 2 else state[0]), rng)
    found["linear"] = module_case(torch.nn.Linear(D, H), (random(rng, B, D),), rng)
    found["embedding"] = module_case(torch.nn.Embedding(7, D), (torch.tensor(rng.integers(0, 7, (T, B))),), rng)
    found["lstm cell"] = module_case(torch.nn.LSTMCell(D, H), (random(rng, B, D), (random(rng, B, H), random(rng, B, H))), rng)
    found["rnn cell"] = module_case(torch.nn.RNNCell(D, H), (random(rng, B, D), random(rng, B, H)), rng)

    logits, target = random(rng, B, D), rng.integers(0, D, B)
    other, probabilities = rng.normal(size=(B, D)), rng.random((B, D))
    functional = torch.nn.functional
    for name, loss, goal in (("cross_entropy", functional.cross_entropy, target), ("mse_loss", functional.mse_loss, other),
                             ("binary_cross_entropy_with_logits", functional.binary_cross_entropy_with_logits, probabilities)):
        logits.grad = None
        value = loss(logits, torch.tensor(goal))
        value.backward()
        found[name] = {"logits": logits.detach().numpy(), "target": goal, "loss": value.item(), "gradient": logits.grad.numpy()}

    start, gradients = rng.normal(size=(2, 3)), rng.normal(size=(20, 2, 3))
    for name, (kind, options) in OPTIMIZERS.items():
        p = torch.tensor(start, requires_grad=True)
        optimizer, values = kind([p], **options), []
        for g in gradients:
            p.grad = torch.tensor(g)
            optimizer.step()
            values.append(p.detach().numpy().copy())
        found[f"optimizer {name}"] = {"start": start, "gradients": gradients, "values": np.array(values)}

    for name, options in (("rnn relu", {"num_layers": 2, "bidirectional": True}), ("rnn cell relu", {})):
        layers = (torch.nn.RNN if options else torch.nn.RNNCell)(D, H, nonlinearity="relu", **options)
        x, h = (random(rng, T, B, D), random(rng, 4, B, H)) if options else (random(rng, B, D), random(rng, B, H))
        found[name] = module_case(layers, (x, h), rng)

    OUT.parent.mkdir(exist_ok=True)
    np.savez_compressed(OUT, version=torch.__version__, **{f"{case}/{name}": np.asarray(value)
                                                          for case, values in found.items() for name, value in values.items()})
    print(f"{OUT}: {len(found)} cases from PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
