"""What a training step's time is spent on, by kind of operation, as torch's profiler sees it."""

from collections.abc import Mapping

from torch.autograd import DeviceType
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile

from benchmarks.timing import Case, device, synchronize

# An operation is of the first kind whose words its own name or the name of one it is part of contains, in this order;
# matrix products go by their own name alone, so that those of the loss count as products.
PRODUCTS = {"aten::mm", "aten::addmm", "aten::addmm_"}
KINDS = {
    "optimizer": ("Optimizer",),
    "loss": ("CrossEntropy", "cross_entropy", "LogSoftmax", "NllLoss"),
    "attention": ("aten::bmm", "aten::baddbmm", "softmax", "SoftmaxBackward", "scaled_dot_product"),
    "random numbers": ("bernoulli", "random_"),
    "embedding": ("aten::embedding", "EmbeddingBackward"),
    "GELU and norms": ("gelu", "layer_norm"),
    "copies, casts, zeros": ("aten::copy_", "aten::cat", "aten::fill_", "aten::zero_", "aten::clone"),
}
REST = "other elementwise"
STEPS = 2


def by_kind(case: Case) -> dict[str, float]:
    """Milliseconds a step spends on each kind of operation: of the processor, or of the GPU where there is one."""
    on_gpu = device() == "cuda"
    case()
    synchronize()
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]) as profiler:
        for _ in range(STEPS):
            case()
        synchronize()
    spent = dict.fromkeys(["matrix products", *KINDS, REST], 0.0)
    for event in profiler.events() or []:
        if event.device_type == DeviceType.CPU:  # the GPU's kernels are counted with the operation that starts them
            spent[kind(event)] += event.self_device_time_total if on_gpu else event.self_cpu_time_total
    return {name: microseconds / 1e3 / STEPS for name, microseconds in spent.items()}


def kind(event: FunctionEvent) -> str:
    """The kind of an operation."""
    if event.name in PRODUCTS:
        return "matrix products"
    names = []
    ancestor: FunctionEvent | None = event
    while ancestor is not None:
        names.append(ancestor.name)
        ancestor = ancestor.cpu_parent
    return next((name for name, words in KINDS.items() if any(w in n for w in words for n in names)), REST)


def of_cases(cases: Mapping[str, Case]) -> dict[str, dict[str, float]]:
    """`by_kind` of each case."""
    return {name: by_kind(case) for name, case in cases.items()}
