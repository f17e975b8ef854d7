"""Strategies by the bytes that a year of weekly updates moves: prints a table, draws it, and writes the numbers.

python -m benchmarks.bench_layering
"""

import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks.bars import Chart, draw
from benchmarks.history import changed, moved, read_history

from lamella.layering import Budget, Strategy, strategy

RESULTS = Path(__file__).parent / "results"
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


def main() -> None:
    weeks = read_history()
    least = changed(weeks) / 1e9
    rows = [
        {"strategy": name, "budget": budget, "gigabytes": round(moved(weeks, rival, Budget(budget)) / 1e9, 2)}
        for name, rival in RIVALS.items()
        for budget in BUDGETS
    ]
    found = {(str(row["strategy"]), row["budget"]): float(str(row["gigabytes"])) for row in rows}
    print(f"{'':12}" + "".join(f"{budget:>6} layers" for budget in BUDGETS))
    for name in RIVALS:
        print(f"{name:12}" + "".join(f"{found[name, budget]:10.2f} GB" for budget in BUDGETS))
    print(f"changed packages alone: {least:.2f} GB in {len(weeks) - 1} updates")
    chart = Chart(
        "Gigabytes that a year of weekly updates moves",
        "ComfyUI's requirements over 54 weeks, fetched every week, after the first",
        [(f"{budget} layers", [(name, found[name, budget]) for name in RIVALS]) for budget in BUDGETS],
        "steady",
        ("changed packages alone", least),
    )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "layering.svg").write_text(draw(chart))
    (RESULTS / "layering.json").write_text(json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
