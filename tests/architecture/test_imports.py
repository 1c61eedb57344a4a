import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "plectrum"

# heavy library -> the places that may import it (a prefix of the path below src/plectrum)
ALLOWED = {
    "torch": (
        "rows",
        "nn",
        "optim",
        "training",
        "tabular",
        "text",
        "items",
        "nodes",
        "explanation",
        "kernels/*/torch_ops.py",
        "kernels/*/gpu.py",
    ),
    "numba": ("kernels/*/cpu.py", "kernels/*/_cpu_*.py"),
    "sklearn": ("tabular", "text", "items", "nodes", "evaluate", "explanation", "vectors/_curved.py"),
}


def imported_packages(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def is_allowed(path: Path, places: tuple[str, ...]) -> bool:
    inside = path.relative_to(SOURCE)
    return any(inside.match(place) or inside.parts[0] == place for place in places)


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_heavy_libraries_are_imported_only_where_they_belong(package):
    offenders = [
        str(path.relative_to(ROOT))
        for path in SOURCE.rglob("*.py")
        if package in imported_packages(path) and not is_allowed(path, ALLOWED[package])
    ]
    assert not offenders


def test_floors_are_kept():
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_plectrum_loads_numpy_and_nothing_heavier():
    code = (
        "import sys, plectrum; plectrum.__version__;"
        "print(*sorted({'torch','numba','sklearn','pandas','polars','pyarrow','scipy','typer','rich','safetensors',"
        "'narwhals'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_training_a_table_does_not_load_the_compiler_of_torch():
    code = (
        "import sys, torch, plectrum.nn, plectrum.optim;"
        "table = plectrum.nn.Embedding(2000, 4); optimizer = plectrum.optim.AdamW(table);"
        "table(torch.tensor([3, 5])).sum().backward(); optimizer.step(); optimizer.zero_grad();"
        "print(table.weight.shape, 'torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "torch.Size([2000, 4]) False"


def test_every_public_name_can_be_loaded():
    import plectrum

    for name in plectrum.__all__:
        assert getattr(plectrum, name) is not None


def test_no_room_bears_the_name_of_something_public():
    import plectrum

    rooms = {path.stem for path in SOURCE.iterdir()}
    clashes = {
        name for name in plectrum.__all__ if name in rooms and plectrum._HOMES.get(name) != f"plectrum.{name}"
    }
    assert not clashes
