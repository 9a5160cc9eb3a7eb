"""The progress of a training beside its checkpoint, so that it can go on after it was interrupted.

One safetensors file, replaced as a whole after every epoch: weights, optimizer state, losses, and which training it is.
"""

from __future__ import annotations

from pathlib import Path

from snndeploy.errors import BadInput, Problems
from snndeploy.extras import extras
from snndeploy.files import GIB, atomic_write, read_bytes
from snndeploy.trainers.checkpoint import parse, restore, tensors_of

with extras():
    import safetensors.torch
    import torch
    from torch import nn

MODEL, OPTIMIZER, LOSSES, IDENTITY = "model.", "optimizer.", "losses", "training"


class ProgressFile:
    """The file NAME.progress beside NAME.safetensors, of one training: recipe, seed and epochs."""

    def __init__(self, checkpoint: Path, recipe: str, seed: int, epochs: int) -> None:
        self.path = checkpoint.with_suffix(".progress")
        self.epochs = epochs
        self.identity = f"{recipe}, seed {seed}, {epochs} epochs"

    def write(self, model: nn.Module, optimizer: torch.optim.Optimizer, losses: list[float]) -> None:
        """Write what `resume` needs. Raises BadInput where that is not possible."""
        tensors = {MODEL + name: tensor for name, tensor in tensors_of(model).items()}
        for index, state in optimizer.state_dict()["state"].items():
            tensors.update({f"{OPTIMIZER}{index}.{name}": tensor.clone() for name, tensor in state.items()})
        tensors[LOSSES] = torch.tensor(losses, dtype=torch.float64)
        tensors[IDENTITY] = torch.tensor(list(self.identity.encode()), dtype=torch.uint8)
        atomic_write(self.path, safetensors.torch.save(tensors))

    def resume(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> list[float]:
        """Set model and optimizer to where the training was; the losses so far, empty where there is no file.

        Raises BadInput for a file of another training or one that is damaged.
        """
        if not self.path.exists():
            return []
        where = str(self.path)
        tensors = parse(read_bytes(self.path, GIB), where)
        found = bytes(tensors.pop(IDENTITY, torch.zeros(0)).flatten().to(torch.uint8).tolist()).decode(errors="replace")
        advice = f"remove it to train {self.identity} from the start"
        if found != self.identity:
            raise BadInput(where, f"is the progress of another training ({found or 'unknown'}); {advice}")
        losses = tensors.pop(LOSSES, torch.zeros(0)).flatten().tolist()
        if not 1 <= len(losses) <= self.epochs:
            raise BadInput(where, f"{LOSSES}: expected 1 to {self.epochs} values, found {len(losses)}; {advice}")
        weights = {name.removeprefix(MODEL): t for name, t in tensors.items() if name.startswith(MODEL)}
        restore(model, weights, where)
        optimizer.load_state_dict(_optimizer_state(optimizer, tensors, where, advice))
        return losses

    def remove(self) -> None:
        """Remove the file: the training is done and saved."""
        self.path.unlink(missing_ok=True)


def _optimizer_state(
    optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor], where: str, advice: str
) -> dict[str, object]:
    """The state of Adam (torch/optim/adam.py): step, and the running means of gradient and squared gradient."""
    problems = Problems(where)
    state: dict[int, dict[str, torch.Tensor]] = {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for index, parameter in enumerate(parameters):
        shapes = {"step": (), "exp_avg": tuple(parameter.shape), "exp_avg_sq": tuple(parameter.shape)}
        for name, shape in shapes.items():
            tensor = tensors.get(f"{OPTIMIZER}{index}.{name}")
            if tensor is not None and tuple(tensor.shape) == shape:
                state.setdefault(index, {})[name] = tensor
            else:
                problems.add(f"{OPTIMIZER}{index}.{name}", f"expected a tensor of shape {shape}; {advice}")
    problems.raise_if_any()
    return {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
