"""All examples, one after another, with short settings unless --full is said; a table of what they reached at the end.

python examples/run_all.py [--full] [NAME ...] [-- OPTIONS OF THE SCRIPTS]
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from fastnn.training.history import table

HERE = Path(__file__).parent
NAMES = [
    "activations",
    "mlp",
    "vanishing_gradients",
    "cnn",
    "rnn",
    "transformer",
    "optimizers",
    "regularisation",
    "pytorch_listing",
]


def main() -> None:
    arguments = sys.argv[1:]
    end = arguments.index("--") if "--" in arguments else len(arguments)
    words, theirs = arguments[:end], arguments[end + 1 :]
    if "-h" in words or "--help" in words:
        print(__doc__)
        return
    settings = [] if "--full" in words else ["--quick"]
    names = [word for word in words if not word.startswith("-")] or NAMES
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        sys.exit(f"no such example: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    began = time.perf_counter()
    rows, failed = [], []
    for name in names:
        result = HERE / "out" / name / "result.json"
        result.unlink(missing_ok=True)
        code = subprocess.run([sys.executable, str(HERE / f"{name}.py"), *settings, *theirs], check=False)
        if code.returncode:
            failed.append(name)
        for row in json.loads(result.read_text(encoding="utf-8")) if result.exists() else []:
            faster = "" if row["speed_up"] is None else f"{row['speed_up']:.1f}"
            cells = [row["system"], row["data"], row["target"], row["reached"], "yes" if row["ok"] else "NO"]
            rows.append([name, *cells, f"{row['seconds']:.0f} s", faster])
    columns = ["example", "system", "data", "target", "reached", "ok", "time", "speed-up"]
    print("\n" + table(columns, rows, left=5) if rows else "")
    word = f"FAILED: {', '.join(failed)}" if failed else "all targets reached"
    print(f"\n{len(names)} examples in {time.perf_counter() - began:.0f} s: {word}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
