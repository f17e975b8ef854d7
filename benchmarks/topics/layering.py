"""Strategies by the bytes that a year of weekly updates moves. Nothing is timed: it comes out the same everywhere."""

from collections.abc import Mapping

from benchmarks.history import changed, moved, read_history
from benchmarks.measure import Figures, Size, Task
from benchmarks.shop import Shop

from lamella.layering import Budget, Strategy, strategy

TITLE = "What a year of weekly updates moves"
BUDGETS = (100, 40, 20)
REST = "yapf"
"""Something that no hand-made layer names, so that it marks the group from which the next layer is taken."""

HAND_MADE: tuple[Mapping[str, object], ...] = (
    {"split": ["nvidia-*", "cuda-*"]},
    {"subtract": ["torch", "torchvision", "torchaudio"], "of": REST},
    {
        "subtract": ["accelerate", "diffusers", "transformers", "peft", "timm", "kornia", "spandrel", "torchsde"]
        + ["scipy", "pandas", "scikit-learn", "scikit-image", "matplotlib", "numba", "av", "aiohttp", "pydantic"]
        + ["sentencepiece", "sqlalchemy", "alembic", "pyyaml", "psutil", "opencv-*", "einops", "safetensors"],
        "of": REST,
    },
    {"subtract": "cupy-*", "of": REST},
    {"subtract": ["ultralytics", "onnx", "onnxruntime*", "rembg", "albumentations", "fairscale", "decord"], "of": REST},
    {"subtract": ["insightface", "facexlib", "dlib", "gitpython", "pygit2", "pygithub"], "of": REST},
)
"""As people would group such an image: CUDA, the torch family, the core, CuPy, what extends it, faces and git, the rest."""

RIVALS: Mapping[str, Strategy] = {
    "hand-made": strategy(HAND_MADE),
    **{name: strategy(name) for name in ("popularity", "dominators", "size", "steady")},
}


def measure(shop: Shop, size: Size) -> tuple[str, list[Task]]:
    weeks = read_history()
    weeks = size.pick(weeks, weeks[:3])
    least = round(changed(weeks) / 1e9, 2)
    tasks = [
        Task(
            f"{budget} layers",
            [Figures(name, [round(moved(weeks, rival, Budget(budget)) / 1e9, 2)]) for name, rival in RIVALS.items()]
            + [Figures("changed packages alone", [least])],
            "GB",
        )
        for budget in size.pick(BUDGETS, BUDGETS[:1])
    ]
    return f"ComfyUI's requirements over {len(weeks)} weeks", tasks
