# make setup   prepare this clone: a virtual environment with the locked dependencies
# make run     start a provider here: SIP on 5060, web on 8080, data in ./trunkline.db
# make test    every test; peers from Debian and the fuzzer are installed when that is permitted
# make check   lint, types, import contracts
# make wheels  build every wheel, install and test each package alone
# make bench   measure, beside Kamailio where it is installed
# make lock    renew requirements.lock from the pyproject files
# the system's own Python where that on the path was built without optimisation, as pyenv does unless told: it is
# a tenth to a fifth faster; PYTHON=... chooses another
PYTHON ?= $(shell if ! python3 -c 'import sys, sysconfig as s; sys.exit("--enable-optimizations" not in s.get_config_var("CONFIG_ARGS"))' \
  && /usr/bin/python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))'; \
  then echo /usr/bin/python3; else echo python3; fi 2>/dev/null)
BIN := .venv/bin
# the machine's own certificates: a company's mirror of the package index is signed by them
export UV_SYSTEM_CERTS := 1
MEMBERS := packages/sip-parser packages/sip-transaction packages/sip-proxy packages/media-relay packages/acct apps/provider

.PHONY: setup run test check wheels bench lock peers fuzzer

setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml $(addsuffix /pyproject.toml,$(MEMBERS))
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements.lock)"
	$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation $(addprefix -e ,$(MEMBERS))
	$(BIN)/python -m compileall -q $(addsuffix /src,$(MEMBERS))
	touch $@

run: setup
	@$(BIN)/trunkline run

peers:
	@sh tests/interop/install-peers

# not in the lock: it has wheels for few machines; without it its test is skipped, and fails with CI=true
fuzzer: setup
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/uv pip install --quiet --only-binary :all: \
	  "$$(sed -n 's/^fuzz = \["\(.*\)"\]/\1/p' pyproject.toml)" || echo "no atheris for this machine: its test will not run"

test: setup peers fuzzer
	$(BIN)/pytest

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --config monorepo.toml

wheels: setup
	$(BIN)/python .ci/wheels.py

bench: setup
	$(BIN)/python tests/benchmark/run.py

lock:
	$(BIN)/uv lock --upgrade
	$(BIN)/uv export --quiet --frozen --no-emit-workspace --no-header --all-packages --all-groups --format requirements-txt -o requirements.lock
