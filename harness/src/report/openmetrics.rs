//! OpenMetrics 1.0 of one run, for those who keep verdicts and figures beside their other series.
//!
//! A verdict is a state set, never 0 or 1 alone; what was not measured is absent, never 0. Labels
//! hold criteria, verdicts and names of figures, all of them few.

use std::fmt::Write as _;

use exai_judge::Verdict;

use crate::report::model::Report;
use crate::report::wording;

/// `application/openmetrics-text` without labels of prompts, ids or secrets.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    text.push_str("# TYPE exai_harness_run info\n# HELP exai_harness_run The run.\n");
    let run = &report.run;
    let labels = [
        ("run", &run.run_id),
        ("claim", &report.claim.name),
        ("profile", &run.profile),
        ("store", &run.store),
        ("commit", &run.commit),
    ];
    let labels = labels.map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
    let _ = writeln!(text, "exai_harness_run_info{{{}}} 1", labels.join(","));
    let _ = write!(
        text,
        "# TYPE exai_harness_exit_code gauge\n\
         # HELP exai_harness_exit_code How the process that asked ended.\n\
         exai_harness_exit_code {}\n\
         # TYPE exai_harness_duration_seconds gauge\n\
         # UNIT exai_harness_duration_seconds seconds\n\
         # HELP exai_harness_duration_seconds Seconds the run took.\n\
         exai_harness_duration_seconds {}\n",
        report.claim.exit_code, report.run.measured_seconds,
    );
    verdicts(report, &mut text);
    figures(report, &mut text);
    text.push_str("# EOF\n");
    text
}

const VERDICTS: [Verdict; 4] = [
    Verdict::Pass,
    Verdict::Inconclusive,
    Verdict::HarnessError,
    Verdict::Fail,
];

fn verdicts(report: &Report, text: &mut String) {
    text.push_str(
        "# TYPE exai_harness_verdict stateset\n\
         # HELP exai_harness_verdict What each criterion ended with.\n",
    );
    let inside = report.criteria.iter().map(|judged| (judged, "true"));
    let outside = report.outside_claim.iter().map(|judged| (judged, "false"));
    for (judged, decides) in inside.chain(outside) {
        let criterion = escaped(&judged.finding.criterion);
        for verdict in VERDICTS {
            let is = u8::from(judged.finding.verdict == verdict);
            let word = wording::machine_word(verdict);
            let _ = writeln!(
                text,
                "exai_harness_verdict{{criterion=\"{criterion}\",in_claim=\"{decides}\",\
                 exai_harness_verdict=\"{word}\"}} {is}"
            );
        }
    }
}

fn figures(report: &Report, text: &mut String) {
    text.push_str(
        "# TYPE exai_harness_figure gauge\n\
         # HELP exai_harness_figure What was measured, in the unit of its label.\n",
    );
    for figure in report.figures.iter().filter(|one| one.value.is_finite()) {
        let (name, unit) = (escaped(&figure.name), escaped(&figure.unit));
        let value = figure.value;
        let _ = writeln!(
            text,
            "exai_harness_figure{{name=\"{name}\",unit=\"{unit}\"}} {value}"
        );
    }
}

fn escaped(label: &str) -> String {
    let quoted = label.replace('\\', "\\\\").replace('"', "\\\"");
    quoted.replace('\n', "\\n")
}
