#!/bin/sh
# The whole example, offline and in a folder of its own: ./run.sh [FOLDER]. DROVER names the program.
set -eu
drover=${DROVER:-drover}
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-$(mktemp -d)}
mkdir -p "$work"
cp -r "$here/project" "$work/project"
cd "$work/project"
git init -q
git add -A
git -c user.name=me -c user.email=me@example.com commit -qm begin
cp "$here/actual.json" . # what is there is no part of the repository, see .git/info/exclude
echo '/actual.json*' >> .git/info/exclude

export DROVER_STATE_DIR="${DROVER_STATE_DIR:-$work/state}"
# The schedule's request goes to this machine.
export DROVER_SCHEDULE_ALLOW_PRIVATE=1
"$drover" up
trap '"$drover" down' EXIT
"$drover" workspaces add . --id drift

# member FILE NAME, of a JSON object
member() { node -p 'JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"))[process.argv[2]]' "$1" "$2"; }
server="$DROVER_STATE_DIR/server.json"
cat > "$work/schedule.json" <<END
{
  "id": "nightly-drift",
  "cron": "30 2 * * *",
  "timezone": "Europe/Berlin",
  "request": {
    "url": "$(member "$server" url)/api/v1/workflows",
    "headers": {"Authorization": "Bearer $(member "$server" token)"},
    "body": {
      "entry": "$here/flow.mjs",
      "process": "drift",
      "cwd": "$work/project",
      "inputs": {
        "agents": {
          "judge": {"model": "scripted:$here/judge.json", "workspaces": [{"id": "drift", "mode": "ro"}]},
          "report": {"model": "scripted:$here/report.json", "workspaces": [{"id": "drift", "mode": "rw"}]}
        }
      }
    }
  }
}
END
"$drover" schedules create --file "$work/schedule.json"
"$drover" schedules run nightly-drift # what cron does at half past two

# The only workflow that there is, and what it does: id, state, pending
first() {
  "$drover" workflow list --runs-dir "$work/none" --json |
    node -p 'const [run] = JSON.parse(require("fs").readFileSync(0, "utf8")).runs; run ? run[process.argv[1]] : ""' "$1"
}
waits_for() { "$drover" workflow tasks "$(first runId)" --pending --json | grep -q "\"kind\": \"$1\""; }
until [ -n "$(first runId)" ] && waits_for signal; do sleep 0.2; done
"$drover" workflow signal "$(first runId)" window --value '{"by": "who is on call"}'
while [ "$(first state)" = running ] || [ "$(first state)" = waiting ]; do sleep 0.2; done
"$drover" workflow status "$(first runId)"
cat "$DROVER_STATE_DIR/workflows/$(first runId)/state/output.json"
git log --oneline
