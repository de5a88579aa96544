# `make bench` and `make test` set up what they need in .venv, in any order; repeated, they rebuild only what changed.
PYTHON ?= python3
ARGS ?=

BIN := .venv/bin
SOURCES := $(shell find fastnn kernels -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.h')

.PHONY: bench test examples parity lint sanitize wheel clean

bench: .venv/.built
	$(BIN)/python -m benchmarks $(ARGS)

test: .venv/.built
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

# All examples with short settings, and a table of what they reached; ARGS="mlp cnn", ARGS=--full. What data the machine
# does not have is downloaded.
examples: .venv/.built
	$(BIN)/python examples/run_all.py $(ARGS) -- --download

# PyTorch's own samples through both libraries, where PyTorch is installed too; writes docs/parity.md.
parity: .venv/.built
	$(BIN)/python -m tests.parity $(ARGS)

# mypy knows no package_dir: it reads the packages laid out as they are installed.
lint: .venv/.built
	$(BIN)/ruff check .
	rm -rf build/typed && mkdir -p build/typed/fastnn
	ln -s $(CURDIR)/fastnn/* build/typed/fastnn/ && ln -s $(CURDIR)/kernels build/typed/fastnn/kernels
	ln -s $(CURDIR)/examples build/typed/examples
	cd build/typed && $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml fastnn examples/*.py

# The compiled modules once more, in a copy, with the checks of AddressSanitizer and UBSan; an error ends the run.
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
sanitize: .venv/.built
	rm -rf build/sanitized && mkdir -p build/sanitized && cp -r fastnn kernels tests setup.py pyproject.toml README.md LICENSE build/sanitized
	find build/sanitized \( -name '*.so' -o -name '*.c' \) -delete
	cd build/sanitized && FASTNN_OPTIMIZE=-O1 CFLAGS="$(SANITIZE)" LDFLAGS="$(SANITIZE)" $(CURDIR)/$(BIN)/python setup.py --quiet build_ext --inplace
	ln -s ../kernels build/sanitized/fastnn/kernels
	for isa in v2 v3; do (cd build/sanitized && FASTNN_ISA=$$isa LD_PRELOAD="$$(gcc -print-file-name=libasan.so)" \
	    ASAN_OPTIONS=detect_leaks=0 $(CURDIR)/$(BIN)/python -m pytest -p no:cacheprovider -n auto tests/kernels -k cython $(ARGS)) \
	    || exit 1; done

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
