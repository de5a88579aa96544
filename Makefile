# `make bench` and `make test` set up what they need in .venv, in any order; repeated, they rebuild only what changed.
PYTHON ?= python3
ARGS ?=

BIN := .venv/bin
SOURCES := $(shell find fastnn kernels -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.h')

.PHONY: bench test lint wheel clean

bench: .venv/.built
	$(BIN)/python -m benchmarks $(ARGS)

test: .venv/.built
	$(BIN)/python -m pytest $(ARGS)

# mypy knows no package_dir: it reads the packages laid out as they are installed.
lint: .venv/.built
	$(BIN)/ruff check .
	rm -rf build/typed && mkdir -p build/typed/fastnn
	ln -s $(CURDIR)/fastnn/* build/typed/fastnn/ && ln -s $(CURDIR)/kernels build/typed/fastnn/kernels
	cd build/typed && $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml fastnn

wheel: .venv/.built
	$(BIN)/python -m build

clean:
	rm -rf .venv build dist *.egg-info
	find fastnn kernels \( -name '*.so' -o -name '*.c' \) -delete

# Installing builds everything; after that, changed sources alone are compiled.
.venv/.built: pyproject.toml setup.py $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	if test .venv/.installed -nt pyproject.toml && test .venv/.installed -nt setup.py; then \
	    $(BIN)/python setup.py --quiet build_ext --inplace; \
	else \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check "pip>=22" && \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[all]" && \
	    touch .venv/.installed; \
	fi
	touch $@
