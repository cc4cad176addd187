#!/usr/bin/env bash
# gate.sh: a run unless one is given, then the gate; the contract of action.yml and gitlab.yml.
#
# CLAIM PROFILE RUN SERVER VERIFY REPORTS as action.yml has them. ON_INCONCLUSIVE: `fail` hands exit
# code 2 on; `again-once` runs once more first; `neutral` hands it on as 0 and says so. Nothing but
# exit code 2 is ever repeated or forgiven.
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

answer() {
  if [ -z "${RUN:-}" ]; then
    "$verify" run --profile "$profile" --claim "$claim" --reports "$reports" "${server[@]}"
    code=$?
    # A usage error or a signal left nothing to ask the gate about.
    if [ "$code" -ge 64 ]; then return; fi
    run=$(find "$reports/runs" -mindepth 1 -maxdepth 1 -type d 2>/dev/null | sort | tail -n 1)
  fi
  "$verify" gate --claim "$claim" --reports "$reports" ${run:+--run "$run"} "${server[@]}" \
    >"$reports/gate.txt" 2>&1
  code=$?
  cat "$reports/gate.txt"
}

mkdir -p "$reports"
answer
if [ "$code" = 2 ] && [ "$when" = again-once ] && [ -z "${RUN:-}" ]; then
  echo "inconclusive; once more"
  answer
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
  # Ten errors a step are shown; the gate's first lines are its decision and its blockers.
  grep -v '^ *$' "$reports/gate.txt" | head -n 10 | sed 's/^/::error::/'
fi
if [ "$code" = 2 ] && [ "$when" = neutral ]; then
  echo "inconclusive, and on-inconclusive is neutral: the job goes on without the claim"
  exit 0
fi
exit "$code"
