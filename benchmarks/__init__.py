"""The main job, ``python -m benchmarks``: trains on real data and times every kernel, each backend against NumPy.

* ``digits.py``: trains the article's network on scikit-learn's digits.
* ``test_kernels.py``: a pytest-benchmark suite, one timing for each benchmark row of ``kernels/cases`` and backend.
* ``suite.py``: runs that suite in a process of its own and reads its times.
* ``results.py``: what was measured, and on which machine.
* ``report.py``, ``page.py``, ``plots.py``: the printed tables, the HTML page and its pictures.
"""
