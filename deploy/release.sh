#!/usr/bin/env bash
# Makes what is released, into dist/: both distributions, the list of all that ships with them, and their checksums.
# `make release` runs it, here as in .github/workflows/release.yml; what only that can do (sign, publish) is not in it.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=.release-tools/bin
uv=.venv/bin/uv
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT

"$tools/check-jsonschema" --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
"$tools/zizmor" --offline --quiet .github/workflows

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
if [[ -n ${RELEASE_TAG:-} && $RELEASE_TAG != "v$version" ]]; then
  echo "release: the tag is $RELEASE_TAG and pyproject.toml says $version: set one right" >&2
  exit 1
fi
# The same commit gives the same bytes; so what is no part of the commit must not get into them.
if [[ -n ${RELEASE_TAG:-} && -n $(git status --porcelain) ]]; then
  echo "release: these files are not as the commit has them: commit them, or take them away" >&2
  git status --short >&2
  exit 1
fi
rm -rf dist
"$uv" build --quiet --all-packages --out-dir dist
"$tools/twine" check --strict dist/*.whl dist/*.tar.gz >/dev/null

# What ships is what an empty environment has after an install by hashes.
"$uv" venv --quiet --python .venv/bin/python "$fresh/env"
"$uv" pip install --quiet --python "$fresh/env/bin/python" --require-hashes --requirements deploy/requirements.txt
"$uv" pip install --quiet --python "$fresh/env/bin/python" --no-deps --no-index --find-links dist f2b-worker f2b-producer
sbom=dist/f2b-$version.cdx.json
"$tools/cyclonedx-py" environment --output-reproducible --of JSON --pyproject pyproject.toml --mc-type application \
  -o "$sbom" "$fresh/env/bin/python"

audited=0
"$tools/pip-audit" --disable-pip --require-hashes --requirement deploy/requirements.txt --progress-spinner off \
  --format json --output "$fresh/audit.json" 2>"$fresh/audit.log" || audited=$?
"$tools/python" deploy/audited.py "$fresh/audit.json" "$audited" "${RELEASE_TAG:-}" || {
  tail -n 5 "$fresh/audit.log" >&2
  exit 1
}

(cd dist && rm -f .gitignore && sha256sum -- * >SHA256SUMS)
cat dist/SHA256SUMS
