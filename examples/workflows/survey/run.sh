#!/bin/sh
# The whole example, offline and in a folder of its own: ./run.sh [FOLDER]. DROVER names the program.
set -eu
drover=${DROVER:-drover}
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-$(mktemp -d)}
mkdir -p "$work"
cp -r "$here/project" "$work/project"
cd "$work/project"

n=0
for name in ant bee cat dog eel fox gnu hen ibis jay; do
  n=$((n + 1))
  git init -q "$name"
  seq "$n" > "$name/TODO"
  git -C "$name" add -A
  git -C "$name" -c user.name=me -c user.email=me@example.com commit -qm begin
done
touch fox/AWAY # fails once
rm -r hen/.git # fails always
names='"ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay"'
echo "{\"repositories\": [$names]}" > "$work/inputs.json"

"$drover" workflow create --entry "$here/flow.mjs" --process-id survey --inputs "$work/inputs.json" \
  --run survey-1 --runs-dir "$work/runs"
"$drover" workflow run survey-1 --runs-dir "$work/runs"
cat SUMMARY.md "$work/runs/survey-1/state/output.json"
