#!/usr/bin/env bash
# Holds what is in deploy/ against the schemas of AWS and Kubernetes, and against known mistakes. `make lint-deploy` runs
# it, with the tools of deploy/tools.lock. What is missing is named; in CI, which sets CI, it is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=.tools/bin
rendered=build/kubernetes

missing() {
  echo "lint-deploy: $1" >&2
  [[ -z ${CI:-} ]]
}

render() { # one file for each overlay, and for the base
  rm -rf "$rendered"
  mkdir -p "$rendered"
  local overlay
  for overlay in deploy/kubernetes/base deploy/kubernetes/overlays/*/; do
    kubectl kustomize "$overlay" >"$rendered/$(basename "$overlay").yaml"
  done
}

kubernetes() {
  render
  # Kinds of KEDA and of the Prometheus operator are not Kubernetes' own: tests/deploy/ has schemas for these.
  "$tools/kubernetes-validate" --strict --quiet --no-warn "$rendered"/*.yaml
}

terraform_format() {
  TF_CLI_CONFIG_FILE=/dev/null terraform fmt -check -recursive deploy/terraform || {
    echo "lint-deploy: run terraform fmt -recursive deploy/terraform" >&2
    return 1
  }
}

# checkov loads for six seconds: one run for everything. It looks on PyPI for a newer checkov, unless it is told not to.
checkov() {
  local folders=(--directory deploy)
  [[ ! -d $rendered ]] || folders+=(--directory "$rendered")
  CKV_SKIP_PACKAGE_UPDATE_CHECK=true "$tools/checkov" "${folders[@]}" --config-file deploy/checkov.yaml
}

if [[ -d deploy/cloudformation ]]; then
  "$tools/cfn-lint" deploy/cloudformation/*.yaml
else
  missing "no deploy/cloudformation"
fi
if [[ -e deploy/Dockerfile ]]; then
  "$tools/hadolint" deploy/Dockerfile
else
  missing "no deploy/Dockerfile"
fi
if command -v kubectl >/dev/null; then kubernetes; else missing "no kubectl: the overlays are not checked"; fi
if ! command -v terraform >/dev/null; then
  missing "no terraform: the form of deploy/terraform is not checked"
elif [[ -d deploy/terraform ]]; then
  terraform_format
else
  missing "no deploy/terraform"
fi
checkov
