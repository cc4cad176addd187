#!/usr/bin/env bash
# gate.sh: a run unless one is given, then the gate; the contract of action.yml and gitlab.yml.
#
# CLAIM PROFILE RUN SERVER VERIFY REPORTS as action.yml has them. ON_INCONCLUSIVE: `fail` hands exit
# code 2 on; `again-once` first repeats what the run left open, and only that; `neutral` hands it on
# as 0 and says so. Nothing but exit code 2 is ever repeated or forgiven.
set -uo pipefail
claim=${CLAIM:-merge-ready} profile=${PROFILE:-quick} verify=${VERIFY:-verify}
reports=${REPORTS:-reports} run=${RUN:-} when=${ON_INCONCLUSIVE:-again-once}
case $when in fail | again-once | neutral) ;; *)
  echo "gate.sh: on-inconclusive is $when; say fail, again-once or neutral" >&2
  exit 64
  ;;
esac
server=()
if [ -n "${SERVER:-}" ]; then server=(--server "$SERVER"); fi

records() {
  find "$reports/runs" -mindepth 1 -maxdepth 1 -type d 2>/dev/null | LC_ALL=C sort
}

# Runs, and says whether there is something to ask the gate about. A record that was there before is
# another build's; a usage error or a signal left none worth asking about.
try() {
  local before
  before=$(records)
  "$verify" run "$@" --reports "$reports" "${server[@]}"
  code=$?
  record=$(LC_ALL=C comm -13 <(printf '%s\n' "$before") <(records) | tail -n 1)
  [ -n "$record" ] && [ "$code" -lt 64 ]
}

ask() {
  "$verify" gate --claim "$claim" --reports "$reports" "$@" "${server[@]}" \
    >"$reports/gate.txt" 2>&1
  code=$?
  cat "$reports/gate.txt"
}

mkdir -p "$reports"
rm -f "$reports/gate.txt"
if [ -n "$run" ]; then
  ask --run "$run"
elif try --profile "$profile" --claim "$claim"; then
  run=$record
  ask --run "$run"
  if [ "$code" = 2 ] && [ "$when" = again-once ]; then
    echo "inconclusive; what is open once more"
    if try --again "$run"; then
      run=$record
      # What the first run decided and the second found, each the newest on the ledger.
      ask
    elif [ "$code" = 0 ]; then
      # Nothing was open but what the claim asks beside the criteria.
      code=2
    fi
  fi
elif [ "$code" = 0 ]; then
  echo "gate.sh: verify run ended with 0 and left no record" >&2
  code=3
fi
case $code in
0) verdict="carried" ;;
1) verdict="not carried" ;;
2) verdict="inconclusive" ;;
3) verdict="harness error" ;;
5) verdict="refused" ;;
6) verdict="overridden" ;;
*) verdict="not answered" ;;
esac
if [ -n "${GITHUB_OUTPUT:-}" ]; then
  printf 'verdict=%s\nexit-code=%s\nrun-dir=%s\n' "$verdict" "$code" "$run" >>"$GITHUB_OUTPUT"
fi
if [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ -f "$reports/gate.txt" ]; then
  # A step's summary may hold 1 MiB.
  { echo '```'; head -c 900000 "$reports/gate.txt"; echo '```'; } >>"$GITHUB_STEP_SUMMARY"
fi
if [ "$code" != 0 ] && [ -n "${GITHUB_ACTIONS:-}" ] && [ -f "$reports/gate.txt" ]; then
  # Ten errors a step are shown: the decision, what stands in its way, and what was refused.
  grep -E '^(No-go|Blocker|verify:)' "$reports/gate.txt" | head -n 10 | sed 's/^/::error::/'
fi
if [ "$code" = 2 ] && [ "$when" = neutral ]; then
  echo "inconclusive, and on-inconclusive is neutral: the job goes on without the claim"
  exit 0
fi
exit "$code"
